-- A task waited in a coroutine inside another. When the outer one was closed, the inner one
-- was still taken for parked; closing it too ran the task again, which had ended: the count
-- of tasks went below zero and the run ended with a deadlock report.

local net = require "net"
local T = require "harness"

T.test("closing_the_inner_coroutine_of_a_closed_one_leaves_the_task_alone", function()
  local inner = coroutine.create(function() net.sleep(100) end)
  local outer = coroutine.create(function() coroutine.resume(inner) end)
  local task = net.spawn(function() return (coroutine.resume(outer)) end)
  net.yield()
  T.ok(coroutine.close(outer))
  T.eq(task:join(), false)
  T.ok(coroutine.close(inner))
  net.yield()
  T.eq(task:status(), "done")
end)
