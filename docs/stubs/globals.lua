---@meta _
-- # Changed globals
--
-- Lua's own library is there, with a few functions replaced so that waiting works in
-- them. What is not named here is as the [reference manual of Lua
-- 5.4](https://www.lua.org/manual/5.4/) says; `print` and `io.write` are Lua's own.
-- Standard output is written line by line, also into a pipe.
--
-- `arg` holds the script's name at 0 and its arguments from 1.
--
-- ## Standard input
--
-- Reading the keyboard, a pipe or a file stops the task, not the program. `O_NONBLOCK` is
-- never set on descriptor 0, because the shell shares it. After `io.input(file)` the
-- default input is Lua's own file, and reading it stops the program.

---Reads from standard input. The formats are Lua's: `"l"` (a line, the default), `"L"`
---(with its end), `"n"` (a number), `"a"` (all), or a number of bytes. Unlike Lua's own,
---`"l"` strips CRLF too.
---
---Codes: `closed`; the message is a string here, as Lua's is.
---
---```lua
---local first, rest = io.read("l", "a")   -- a line, then all the rest
---print(first, rest)  --> nil	nil
---```
---@param ... string|integer formats
---@return string|number|nil ... one value a format; nil at the end of the input
function io.read(...) end

---Iterates over the lines of standard input; with a path, over those of a file, as Lua
---does.
---
---```lua
---for line in io.lines() do print(line) end
---```
---@param path? string file to read instead
---@param ... string|integer formats
---@return fun():string? next
function io.lines(path, ...) end

---Gives the default input, or sets it.
---
---```lua
---print(io.input() == io.stdin)  --> true
---```
---@param file? string|file*|net.view a path, a file, or a view of a socket
---@return file*|net.view input
function io.input(file) end

---Tells whether a value is a file: `io.stdin` and the views of sockets count as one.
---
---```lua
---print(io.type(io.stdin), io.type(1))  --> file	nil
---```
---@param value any what to look at
---@return string? kind `"file"`, `"closed file"`, or nil
function io.type(value) end

-- `io.stdin` is [a view](view.md): it has the methods of Lua's files. It cannot be written.

-- ## Text

---Gives the upper case of UTF-8 text, and the incomplete character at its end: the first
---bytes of a letter whose rest is still to come. Put them before the next piece. Invalid
---bytes pass unchanged. The result may be longer than the text.
---
---It maps code point by code point: "ß" becomes "ẞ", and "ﬁ" stays.
---
---Source: RFC 3629 section 4 (well-formed UTF-8), the Unicode simple case mapping.
---
---```lua
---print(utf8.upper("ação"))  --> AÇÃO	
---local upper, rest = utf8.upper("a\xc3")   -- the first half of "ç"
---print(upper, #rest)  --> A	1
---print(utf8.upper(rest .. "\xa7"))  --> Ç	
---```
---@param s string bytes, most of them UTF-8
---@return string upper the upper case of all complete characters
---@return string rest 0 to 3 bytes that lack their end
function utf8.upper(s) end

-- ## Loading
--
-- Source and modules are text; bytecode is refused
-- ([decision 0007](../decisions/0007-text-only.md)).

---Compiles a text, as Lua's `load` does, with the mode `"t"`.
---
---```lua
---print(load("return 1 + 1")())  --> 2
---print(load(string.dump(print == nil and print or function() end)))
-----> nil	attempt to load a binary chunk (mode is 't')
---```
---@param chunk string|function text, or a function that gives it in pieces (it cannot wait)
---@param name? string name for messages
---@param mode? string `"t"` or `"bt"`; `"b"` fails
---@param env? table the globals of the chunk
---@return function? chunk
---@return string? message
function load(chunk, name, mode, env) end

---Compiles a file, as Lua's `loadfile` does, with the mode `"t"`.
---
---```lua
---print((loadfile("no-such-file.lua")))  --> nil
---```
---@param path? string the file; standard input without one
---@param mode? string `"t"` or `"bt"`; `"b"` fails
---@param env? table the globals of the chunk
---@return function? chunk
---@return string? message
function loadfile(path, mode, env) end

---Runs a file. The file may wait.
---
---Raises: the file cannot be read or compiled, or what it raises.
---
---```lua
---print(pcall(dofile, "no-such-file.lua"))
-----> false	…no-such-file.lua…
---```
---@param path string the file
---@return any ... what the file returns
function dofile(path) end

---Loads a module once, as Lua's `require` does. The module may wait while it loads; a
---second task that asks meanwhile waits for the first. The places, in order:
---`package.preload`; the folder `SOQUETE_PATH` names and the folder `lua/` beside the
---script; the modules inside the program; the script's own folder and Lua's
---`package.path`; the C modules of `package.cpath`.
---
---Raises: no place has the module, the module fails, or modules load each other in a
---loop.
---
---```lua
---package.preload.slow = function() require("net").sleep(0.01) return "ready" end
---print(require "slow")  --> ready	:preload:
---```
---@param name string module name
---@return any module what the module returned, or true
---@return string? where it was found; nil when it was loaded before
function require(name) end

---Compiles a module that is inside the program.
---
---```lua
---print(package.embedded("net") ~= nil, package.embedded("no.such"))  --> true	nil
---```
---@param name string module name
---@return function? loader
function package.embedded(name) end

---the places that come before the modules inside the program, as `package.path` writes
---them
package.overrides = ""

---the list of functions that `require` asks in turn
package.searchers = {}

-- ## What blocks or ends the process
--
-- These are Lua's own, but hand everything to the kernel first that scripts have sent:
-- the bytes are on their way before the process blocks or ends.

---Runs a shell command, as Lua's does. All tasks stand still until it has ended.
---
---```lua
---print(os.execute("exit 3"))  --> nil	exit	3
---```
---@param command? string nil asks whether there is a shell
---@return boolean? ok true when it ended with status 0
---@return string kind `"exit"` or `"signal"`
---@return integer status exit status, or the signal's number
function os.execute(command) end

---Starts a program and gives a file that reads its output or writes its input, as Lua's
---does. Reading and closing that file stop all tasks.
---
---```lua
---local f = io.popen("echo hello")
---print(f:read())  --> hello
---f:close()
---```
---@param command string a shell command
---@param mode? string `"r"` (the default) or `"w"`
---@return file*? file
---@return string? message
---@return integer? errno
function io.popen(command, mode) end

---Ends the program at once, as Lua's does: `<close>` variables of the tasks do not run. It
---waits up to 10 seconds for peers that are slow to take what was sent to them.
---
---```lua
---io.write("over\n")  --> over
---os.exit(true)
---```
---@param status? boolean|integer true (the default) is 0, false is 1
---@param close? boolean close the Lua state first
function os.exit(status, close) end

-- ## Protected calls and coroutines
--
-- A wait inside a script's own coroutine reaches the scheduler, not the script's
-- `resume`: `resume` returns only when the coroutine yields or ends.

---As Lua's. An interruption (deadline, cancel, signal) that it catches is raised again by
---the next wait.
---
---```lua
---print(pcall(error, "broken", 0))  --> false	broken
---```
---@param fn function what to call
---@param ... any its arguments
---@return boolean ok
---@return any ... the results, or the error
function pcall(fn, ...) end

---As Lua's; the same holds as for `pcall`. The handler cannot wait.
---
---```lua
---print(xpcall(error, function(e) return "told: " .. e end, "broken", 0))
-----> false	told: broken
---```
---@param fn function what to call
---@param handler fun(err:any):any gets the error where it was raised
---@param ... any arguments of `fn`
---@return boolean ok
---@return any ... the results, or what the handler returned
function xpcall(fn, handler, ...) end

---As Lua's. Resuming a coroutine that is inside a wait (another task runs it) gives
---`false` and `coroutine is waiting: sleep`.
---
---```lua
---local net = require "net"
---local co = coroutine.create(function()
---  net.sleep(0.01)
---  coroutine.yield("yielded")
---end)
---print(coroutine.resume(co))  --> true	yielded
---```
---@param co thread what to resume
---@param ... any what `yield` returns in it
---@return boolean ok
---@return any ... what it yields or returns, or the error
function coroutine.resume(co, ...) end

---As Lua's; the function may wait.
---
---```lua
---local net = require "net"
---local ticks = coroutine.wrap(function()
---  for i = 1, 2 do net.sleep(0.01) coroutine.yield(i) end
---end)
---print(ticks(), ticks())  --> 1	2
---```
---@param fn function what runs in the coroutine
---@return fun(...):any... resume
function coroutine.wrap(fn) end

---As Lua's. A task's own body is no script's coroutine: it cannot yield, nor out of
---`net.deadline`.
---
---Raises: outside a coroutine of the script.
---
---```lua
---print(pcall(coroutine.yield))
-----> false	attempt to yield from outside a coroutine
---```
---@param ... any what `resume` returns
---@return any ... what the next `resume` passes
function coroutine.yield(...) end

---As Lua's; a wait inside is cancelled first. `<close>` variables cannot wait here.
---
---```lua
---local co = coroutine.create(function() coroutine.yield() end)
---coroutine.resume(co)
---print(coroutine.close(co), coroutine.status(co))  --> true	dead
---```
---@param co thread what to close
---@return boolean ok
---@return any err what it died of
function coroutine.close(co) end

---Tells whether `coroutine.yield` can be called: not in a task's own body.
---
---```lua
---print(coroutine.isyieldable())  --> false
---print(coroutine.wrap(coroutine.isyieldable)())  --> true
---```
---@param co? thread the running one unless told
---@return boolean yieldable
function coroutine.isyieldable(co) end

---As Lua's; a task's own body counts as the main coroutine.
---
---```lua
---print(select(2, coroutine.running()))  --> true
---```
---@return thread running
---@return boolean main
function coroutine.running() end
