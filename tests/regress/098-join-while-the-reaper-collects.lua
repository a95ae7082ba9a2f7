-- A failed task that was joined in a finalizer of the very collection that had found it stayed
-- in the registry for ever: it had been put there to be told, and was told by the join.

local net = require "net"
local T = require "harness"

T.test("a_task_that_a_finalizer_joins_is_collected", function()
  local alive, told = setmetatable({}, { __mode = "k" }), nil
  do
    local holder = setmetatable({}, {
      __gc = function(self) told = select(2, pcall(self.task.join, self.task)) end,
    })
    -- younger than its holder, so finalized before it; keeps it until then
    holder.task = net.spawn(function(_) error("oops", 0) end, holder)
    alive[holder.task] = true
  end
  T.turns()
  T.eq(told, "oops")
  collectgarbage()
  collectgarbage()
  T.eq(next(alive), nil)
end)

-- The same where the error of another task, whose text is being told, joins it.
T.test("a_task_that_an_errors_text_joins_is_collected", { stderr = "told", status = 1 }, function()
  local alive = setmetatable({}, { __mode = "k" })
  do
    local tasks = {}
    local text = { __tostring = function()
      for _, task in ipairs(tasks) do pcall(task.join, task) end
      return "told"
    end }
    for i = 1, 2 do
      tasks[i] = net.spawn(error, setmetatable({}, text))
      alive[tasks[i]] = true
    end
  end
  T.turns()
  for _ = 1, 3 do collectgarbage() end
  T.eq(next(alive), nil)
end)
