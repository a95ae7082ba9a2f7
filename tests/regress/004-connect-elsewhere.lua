-- A connect timed out and stayed under way. Asked for another address, the socket connected
-- to the first one and said that it had succeeded.

local net = require "net"
local T = require "harness"

T.test("a_connect_to_another_address_gives_the_pending_one_up", function()
  local full <close> = T.ok(net.socket())
  T.ok(full:bind("127.0.0.1:0"))
  T.ok(full:listen(0))
  local first <close> = T.ok(net.connect(full:getsockname()))
  local l <close> = T.listener()
  local s <close> = T.ok(net.socket())
  s:settimeout(0.05)
  T.fails("timeout", s:connect(full:getsockname()))
  s:settimeout(5)
  T.ok(s:connect(l:getsockname()))
  T.eq(s:getpeername(), l:getsockname())
  first:close()
end)
