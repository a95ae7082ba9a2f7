-- A coroutine waited under a deadline inside another one, which was closed. Resumed later by
-- another task, its deadline ended and put the scope of a task that was gone in force.

local net = require "net"
local T = require "harness"

T.test("an_abandoned_coroutine_does_not_bring_its_outer_deadlines_along", function()
  local a, b = T.pair()
  local inner, outer
  local task = net.spawn(net.deadline, 5, function()
    outer = coroutine.create(function()
      net.deadline(4, function()
        inner = coroutine.create(function()
          net.deadline(3, b.recv, b)
          net.yield()
          return "ends"
        end)
        coroutine.resume(inner)
      end)
    end)
    coroutine.resume(outer)
  end)
  T.turns()
  T.ok(coroutine.close(outer))
  task:join()
  outer, task = nil, nil
  collectgarbage()
  collectgarbage()
  a:send("x")
  local ok, result = coroutine.resume(inner)
  T.ok(ok, result)
  T.eq(result, "ends")
  a:close()
  b:close()
end)
