-- The resume of a coroutine that had begun to wait noted that in a table. Without memory for
-- the note it raised while the task's wait was on: the next wait met it, and the task could
-- be ended twice.

local T = require "harness"
local net = require "net"

local name = "a_wait_in_a_coroutine_ends_with_its_failure_also_without_memory"

T.test(name, { net = "fake" }, function()
  local a, b = T.pair()
  local function prepare() a:settimeout(1) end
  T.starve(prepare, function() coroutine.wrap(a.recv)(a) end, function()
    a:settimeout(nil)
    net.spawn(b.send, b, "x")
    T.eq(a:recv(), "x")
  end)
end)
