-- A script called the finalizer of a task that was still waiting. The task left the list of
-- tasks, so that nothing could cancel it any more, and the process never ended.

local net = require "net"
local T = require "harness"

T.test("a_task_has_no_finalizer_to_call", function()
  local task = T.waiting(net.sleep, 1e9)
  T.eq(getmetatable(task), false)
  task:cancel()
  T.fails("cancelled", task:join())
end)
