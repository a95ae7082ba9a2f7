-- The sockets of a test's streams, set up as its plan says.

local control = require "net.throughput.control"
local core = require "net.http.core"
local net = require "net"

local M = {}

-- iperf3's greeting over UDP, and the answers of its old and new versions.
local HELLO, ANSWER = "9876", "6789"
local OLD_ANSWERS = { [("<I4"):pack(987654321)] = true, [(">I4"):pack(987654321)] = true }
local TRIES, TRY_SECONDS = 10, 0.5

M.HELLO, M.ANSWER = HELLO, ANSWER

-- An option that socket(7) does not list: SOL_SOCKET, SO_MAX_PACING_RATE, in bytes a second
-- (asm-generic/socket.h). The flow keeps its rate by itself; the kernel spreads each send, and
-- must not be what holds it up.
local PACING = { 1, 47 }
local HEADROOM = 1.25

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
  local pace = sends and plan.rate and math.tointeger(plan.rate * HEADROOM // 8) + 1
  for _, pair in ipairs {
    { "TCP_CONGESTION", plan.congestion }, { "TCP_NODELAY", plan.nodelay or nil },
    { PACING, pace and ("=I8"):pack(pace) },
  } do
    if pair[2] then
      local ok, err, code = sock:setsockopt(pair[1], pair[2])
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
