-- The sockets of a test's streams, set up as its plan says.

local control = require "net.throughput.control"
local core = require "net.http.core"
local net = require "net"
local refusal = require "net.throughput.refusal"

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

-- Which congestion controls this system has for whom is seldom known by heart.
local function hint_of(option)
  if option ~= "congestion" then return nil end
  local file = io.open("/proc/sys/net/ipv4/tcp_allowed_congestion_control")
  local names = file and file:read("l")
  if file then file:close() end
  return names and "this machine allows " .. names
end

-- Sets those options of a list that have a value. Each names the option of the plan, too.
local function set(sock, list)
  for _, one in ipairs(list) do
    if one[2] then
      local ok, err, code = sock:setsockopt(one[1], one[2])
      if not ok then
        err.hint = hint_of(one[3])
        return refusal.of(one[3], err, code)
      end
    end
  end
  return true
end

-- The kernel gives less than is asked for where its limits say so, and tells nobody. What it
-- tells is twice the size, for its own use (socket(7)).
local function check_window(sock, wanted)
  for _, one in ipairs { { "SO_SNDBUF", "wmem_max" }, { "SO_RCVBUF", "rmem_max" } } do
    local got = sock:getsockopt(one[1])
    local given = got and got // 2
    if given and given < wanted then
      local text = ("window: of %d bytes the system gives %d (net.core.%s)"):format(wanted, given,
        one[2])
      return refusal.of("window", select(2, core.invalid("test", text)))
    end
  end
  return true
end

-- Options that have to be set before the connection begins: sizes of windows, the largest
-- segment. The first failure, if any.
function M.before(sock, plan)
  local ok, err, code = set(sock, {
    { "SO_SNDBUF", plan.window, "window" }, { "SO_RCVBUF", plan.window, "window" },
    { "TCP_MAXSEG", plan.mss, "mss" },
  })
  if not ok or not plan.window then return ok, err, code end
  return check_window(sock, plan.window)
end

---Options of a connected stream.
function M.tune(sock, plan, sends)
  local pace = sends and plan.rate and math.tointeger(plan.rate * HEADROOM // 8) + 1
  return set(sock, {
    { "TCP_CONGESTION", plan.congestion, "congestion" },
    { "TCP_NODELAY", plan.nodelay or nil, "nodelay" },
    { PACING, pace and ("=I8"):pack(pace), "rate" },
  })
end

---True when this machine takes what a plan of TCP asks of a socket; nil, err, code.
function M.try(plan)
  local sock <close> = assert(net.socket())
  return M.tune(sock, plan, true)
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
