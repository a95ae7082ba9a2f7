-- Tasks that do not outlive a block: `group` waits for all of them, and the first failure
-- cancels the others and is raised in the parent. `race` and `all` are made of the same.

local core = require "net.core"

-- However the block is left, none of the set's tasks is left behind.
local guard = {
  __close = function(self)
    self.over = true
    self.set:cancel()
    repeat local task = self.set:next(self.op) until not task
  end,
}

-- `op` names the waits in errors and reports.
local function guarded(op)
  return setmetatable({ op = op, set = core.join_set() }, guard)
end

-- Joins a task that has ended: raises what it failed with; a cancelled one gives nothing.
local function results(task)
  if task:status() ~= "cancelled" then return task:join() end
end

-- Raises at the line of the script that called the caller.
local function check_function(f, position, name)
  if type(f) == "function" then return end
  local message = "bad argument #%d to '%s' (function expected, got %s)"
  error(message:format(position, name, type(f)), 3)
end

local methods = core.strict({}, "a group")
local Group = { __index = methods, __name = "net.group" }

---Starts a task of the group.
function methods:spawn(f, ...)
  if getmetatable(self) ~= Group then error("call group:spawn(…) with a colon", 2) end
  check_function(f, 1, "spawn")
  if self.block.over then error("spawn: the group has ended", 2) end
  return self.block.set:spawn(f, ...)
end

local M = {}

---Runs `f(group)` and waits for every task that it spawns in the group: f's results. The
---first failure, in f or a task, cancels all the others and is raised here.
function M.group(f)
  check_function(f, 1, "group")
  local self <close> = guarded("group")
  local body = self.set:spawn(f, setmetatable({ block = self }, Group))
  local task = self.set:next("group")
  while task do
    if task ~= body then results(task) elseif task:status() == "failed" then task:join() end
    task = self.set:next("group")
  end
  return body:join()
end

---Runs the functions at the same time: the results of the one that ends first. The others
---are cancelled.
function M.race(...)
  local functions = table.pack(...)
  if functions.n == 0 then error("race: a function is needed", 2) end
  for i = 1, functions.n do check_function(functions[i], i, "race") end
  local self <close> = guarded("race")
  for _, f in ipairs(functions) do self.set:spawn(f) end
  local first = self.set:next("race")
  return first:join()
end

---Runs the functions at the same time: the first result of each, in their order. The first
---failure cancels the others and is raised.
function M.all(...)
  local functions = table.pack(...)
  for i = 1, functions.n do check_function(functions[i], i, "all") end
  local self <close> = guarded("all")
  local tasks = {}
  for i, f in ipairs(functions) do tasks[i] = self.set:spawn(f) end
  for task in function() return self.set:next("all") end do results(task) end
  local first = {}
  for i, task in ipairs(tasks) do first[i] = (task:join()) end
  return table.unpack(first, 1, #tasks)
end

return M
