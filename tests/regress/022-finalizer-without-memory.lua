-- Lua calls a finalizer only when there is memory for a call, and frees the object all the
-- same. A failed task that nobody had joined then stayed, freed, in the list of those to tell.

local T = require "harness"
local net = require "net"

local options = { status = 1, stderr = "lost 1" }

T.test("a_failure_is_told_once_also_when_its_finalizer_cannot_run", options, function()
  local failures = 0
  local function fail()
    failures = failures + 1
    local task = net.spawn(error, ("lost %d."):format(failures))
    T.turns(5)
    T.eq(task:status(), "failed")
  end
  local function told()
    collectgarbage()
    collectgarbage()
    local _, count = T.stderr():gsub("lost %d+%.", "")
    T.eq(count, failures)
  end
  -- in a new coroutine the call of a finalizer takes memory
  T.starve(fail, function() coroutine.wrap(collectgarbage)() end, told)
end)
