-- The sockets of a test's streams, set up as its plan says.

local control = require "net.throughput.control"
local core = require "net.http.core"
local net = require "net"

local M = {}

-- iperf3's greeting over UDP, and the answers of its old and new versions.
local HELLO, ANSWER = "9876", "6789"
local OLD_ANSWERS = { [("<I4"):pack(987654321)] = true, [(">I4"):pack(987654321)] = true }
local LEAST_UNSENT, MOST_UNSENT = 16 * 1024, 1 << 20
local TRIES, TRY_SECONDS = 10, 0.5

M.HELLO, M.ANSWER = HELLO, ANSWER

-- Options that tcp(7) and socket(7) do not list, by level and number.
local UNSENT = { 6, 25 }  -- IPPROTO_TCP, TCP_NOTSENT_LOWAT: bytes, linux/tcp.h
local PACING = { 1, 47 }  -- SOL_SOCKET, SO_MAX_PACING_RATE: bytes a second, asm-generic/socket.h

-- Options that have to be set before the connection begins: sizes of windows, the largest
-- segment. The first failure, if any.
function M.before(sock, plan)
  for _, pair in ipairs {
    { "SO_SNDBUF", plan.window }, { "SO_RCVBUF", plan.window },
    { "TCP_MAXSEG", plan.mss },
  } do
    if pair[2] then
      local ok, err, code = sock:setsockopt(pair[1], pair[2])
      if not ok then return nil, err, code end
    end
  end
  return true
end

---Options of a connected stream.
function M.tune(sock, plan, sends)
  local list = {
    { "TCP_CONGESTION", plan.congestion },
    { "TCP_NODELAY", plan.nodelay or nil },
  }
  if sends and plan.rate then
    local per_second = math.max(1, math.tointeger(plan.rate // 8))
    -- what the kernel has taken and not sent yet would count as sent
    local unsent = math.max(LEAST_UNSENT, math.min(per_second // 100, MOST_UNSENT))
    list[3], list[4] = { PACING, ("=I8"):pack(per_second) }, { UNSENT, unsent }
  end
  for i = 1, 4 do
    if list[i] and list[i][2] then
      local ok, err, code = sock:setsockopt(list[i][1], list[i][2])
      if not ok then return nil, err, code end
    end
  end
  return true
end

-- A socket that is connected to the server, with what has to be set before.
local function opened(plan, kind, server)
  local sock, err, code = net.socket(server.family, kind)
  if not sock then return nil, err, code end
  sock:settimeout(control.PATIENCE)
  local ok = true
  if plan.bind then ok, err, code = sock:bind(plan.bind, 0) end
  if ok then ok, err, code = M.before(sock, plan) end
  if ok then ok, err, code = sock:connect(server) end
  if ok then return sock end
  sock:close()
  return nil, err, code
end

---A TCP stream of the test that the cookie names.
function M.tcp(plan, server, cookie, sends)
  local sock, err, code = opened(plan, net.SOCK_STREAM, server)
  if not sock then return nil, err, code end
  local ok
  ok, err, code = M.tune(sock, plan, sends)
  if ok then ok, err, code = sock:send(cookie) end
  sock:settimeout(nil)
  if ok then return sock end
  sock:close()
  return nil, err, code
end

---A UDP stream: greets until the server has answered.
function M.udp(plan, server)
  local sock, err, code = opened(plan, net.SOCK_DGRAM, server)
  if not sock then return nil, err, code end
  sock:settimeout(TRY_SECONDS)
  for _ = 1, TRIES do
    sock:send(HELLO)
    local last = net.now() + TRY_SECONDS
    local answer = sock:recv()
    while answer and net.now() < last do -- data may come before the answer
      if answer == ANSWER or OLD_ANSWERS[answer] then
        sock:settimeout(nil)
        return sock
      end
      answer = sock:recv()
    end
  end
  sock:close()
  return core.invalid("test", ("no answer over UDP from %s"):format(server))
end

return M
