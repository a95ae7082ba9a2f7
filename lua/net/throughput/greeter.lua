-- The server's side of UDP streams: a greeting comes to the port, and gets a socket of its
-- own that is connected to its sender. A greeting names no test; the one that has waited
-- longest for that host gets it.

local net = require "net"
local sockets = require "net.throughput.sockets"

local M = {}

local Greeter = {}
Greeter.__index = Greeter

local function open(self)
  local at = self.at
  local sock, err, code = net.socket(at.family, net.SOCK_DGRAM)
  if not sock then return nil, err, code end
  local ok
  ok, err, code = sock:setsockopt("SO_REUSEADDR", true)
  if ok and at.family == net.AF_INET6 then
    ok, err, code = sock:setsockopt("IPV6_V6ONLY", self.only_ipv6)
  end
  if ok then ok, err, code = sock:bind(at) end
  if ok then return sock end
  sock:close()
  return nil, err, code
end

-- The test that waits for a stream from that host.
local function waiting(self, host)
  for _, test in ipairs(self.expecting) do
    if test.peer.host == host and test.missing > 0 then return test end
  end
end

local function welcome(self, from)
  local test = waiting(self, from.host)
  if not test then return end
  local sock = open(self)
  if not sock then return end
  self.welcomed = self.welcomed + 1
  local ok = sock:connect(from)
  if ok and test.plan.window then ok = sockets.before(sock, test.plan) end
  if ok then ok = sock:send(sockets.ANSWER) end
  if ok and test.arrivals:put { conn = sock, number = self.welcomed } then
    test.missing = test.missing - 1
    return
  end
  sock:close()
end

local function listen(self)
  while true do
    local data, from, code = self.sock:recvfrom(64)
    if data == sockets.HELLO then welcome(self, from) end
    if not data and code ~= "ECONNREFUSED" then return end
  end
end

---A test waits for its UDP streams: true, or nil, err, code.
function Greeter:expect(test)
  if not self.sock then
    local sock, err, code = open(self)
    if not sock then return nil, err, code end
    self.sock = sock
    self.task = net.spawn(listen, self)
  end
  test.missing = test.plan.bidir and 2 * test.plan.streams or test.plan.streams
  self.expecting[#self.expecting + 1] = test
  return true
end

---A test waits no longer.
function Greeter:forget(test)
  for i, one in ipairs(self.expecting) do
    if one == test then table.remove(self.expecting, i) end
  end
end

function Greeter:close()
  if self.sock then self.sock:close() end
end

Greeter.__close = Greeter.close

---Greets on the address of the listening socket, and as it does of IPv6 alone or of both.
function M.new(listener)
  local at = listener:getsockname()
  return setmetatable({
    at = at, expecting = {}, welcomed = 0,
    only_ipv6 = at.family == net.AF_INET6 and listener:getsockopt("IPV6_V6ONLY"),
  }, Greeter)
end

return M
