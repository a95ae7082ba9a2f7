---@meta _
-- # Tasks
--
-- A task is what [`net.spawn`](net.md#netspawn) makes; the main script is the first.
-- Tasks share one thread: another one runs only while this one waits or steps aside. The
-- program ends when every task has ended. An error in the main script cancels all tasks
-- and ends with status 1.
--
-- **Turns.** An operation that need not wait goes on at once. After 64 of them in a row, or
-- 256 KiB, the task steps aside once, so that the others have their turn; a `recv_into` of
-- 16 KiB or more counts by its time instead, a millisecond for all of them.
-- Operations that fail at once count too: a loop on a closed socket stops nobody, and
-- `cancel` ends it.
--
-- **Where a task cannot wait.** Lua has places that cannot be suspended: a `table.sort`
-- comparator, a `string.gsub` callback, `__tostring`, `__gc`, a `load` reader. A wait
-- there raises `cannot wait inside table.sort (file:line)`. Everywhere else it can:
-- inside `pcall`, metamethods, iterators, coroutines, `require`, `<close>`.
--
-- **What stops all tasks.** The wait of the operating system is not ours: `os.execute`,
-- `io.popen`, and the files of `io.open` stop the whole program until they are done. So
-- does a task that only computes: after 100 ms of processor time it is named once on
-- standard error, with its line; `SOQUETE_WATCHDOG=off` in the environment keeps that
-- quiet. Names do not stop anybody: threads ask for them.
--
-- **Interruptions.** A deadline, `cancel`, SIGINT and SIGTERM are one mechanism. The wait
-- raises an [error object](error.md); every later operation in the same scope raises again;
-- `<close>` variables run and may wait, one second in all. A `pcall` that catches the
-- error only delays it: after 16 catches it passes every `pcall`. SIGINT and SIGTERM
-- cancel every task, and the program then ends by that signal (status 130 or 143 in the
-- shell); a second one ends it at once.
--
-- **Errors.** An error in a task is raised where the task is joined. Where nobody can join it
-- any more, because its handle is held nowhere, it is printed on standard error within a turn
-- or two. A task that is kept in a variable or a table and never joined is told when the
-- program ends. So join what you keep, keep nothing that you do not join, or use a
-- [`net.group`](net.md#netgroup). The exit status is then 1.
--
-- **When all tasks wait for each other** nothing can wake any of them. The program says
-- so, tells where each task waits, and ends with status 1. Ctrl-\ (SIGQUIT) prints the
-- same list at any time, and [`net.tasks`](net.md#nettasks) gives it as a table.
--
-- **Tasks that belong together** run in a [`net.group`](net.md#netgroup), which waits for
-- all of them and ends them all when one fails. [`net.race`](net.md#netrace) and
-- [`net.all`](net.md#netall) are made of the same; [channels](channel.md) carry values
-- from task to task.

---@class net.task
local task = {}

-- ## Methods

---Waits for the end of a task and gives what its function returned. Several tasks may
---join one, and it may be joined again later.
---
---Codes: `cancelled`. `err.sent` and `err.figures` tell then how far the operation had come in
---which the task was cut short, if it was one that tells such.
---
---Raises: the very error that the task's function raised (it is then reported nowhere
---else); a task that joins itself.
---
---```lua
---local net = require "net"
---local good = net.spawn(function() return 1, 2 end)
---local bad = net.spawn(function() error("broken", 0) end)
---local idle = net.spawn(net.sleep, 100)
---idle:cancel()
---print(good:join())             --> 1	2
---print(pcall(bad.join, bad))    --> false	broken
---print(select(3, idle:join()))  --> cancelled
---```
---@return any ... the results of the function
---@return net.error? err
---@return net.code? code
function task:join() end

---Cancels a task: its wait raises, and so does every later one. A task that has not begun
---never begins. It does not wait for the end; `join` does.
---
---```lua
---local net = require "net"
---local task = net.spawn(function()
---  local guard <close> = setmetatable({}, { __close = function() print("tidy") end })
---  net.sleep(100)
---end)
---net.yield()
---print(task:cancel())  --> true
---task:join()           --> tidy
---print(task:cancel())  --> false
---```
---@return boolean alive was the task alive
function task:cancel() end

---Tells how a task stands.
---
---```lua
---local net = require "net"
---local task = net.spawn(net.sleep, 0.01)
---print(task:status())  --> ready
---net.yield()
---print(task:status())  --> waiting
---task:join()
---print(task:status())  --> done
---```
---@return "ready"|"running"|"waiting"|"done"|"failed"|"cancelled" status
function task:status() end

-- ## Groups

---@class net.group
local group = {}

---Starts a task of a [group](net.md#netgroup). It runs later, as with `net.spawn`. It may
---be joined; the group still waits for it, and raises its failure.
---
---Raises: the group has ended or has failed; `fn` is not a function.
---
---```lua
---local net = require "net"
---print(net.group(function(g)
---  local task = g:spawn(function(a, b) return a + b end, 2, 3)
---  return task:join()
---end))  --> 5
---```
---@param fn function what the task runs
---@param ... any its arguments
---@return net.task task
function group:spawn(fn, ...) end
