-- accept backs off when the process has no descriptor, and says so once. With a timeout of 0
-- it said "timed out" alone: in a select loop nobody learned why no client came.

local net = require "net"
local T = require "harness"

T.test("accept_that_may_not_wait_tells_of_a_lack_of_descriptors", {
  net = "full", stderr = "accept: .*; new clients have to wait",
}, function()
  local l <close> = T.listener()
  local c <close> = T.ok(net.connect(l:getsockname()))
  T.ok(c)
  l:settimeout(0)
  T.fails("timeout", l:accept())
end)
