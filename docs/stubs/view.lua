---@meta _
-- # Views
--
-- [`socket:makefile`](socket.md#socketmakefile) gives a view: the socket's stream with the
-- methods of Lua's files. `io.stdin` is a view of standard input, which cannot be written.
--
-- A view has no buffer of its own. It reads from the stream's one buffer, so the socket's own
-- methods and any number of views take turns; and what is written goes to `send` at once.
-- Closing a view leaves the socket open.
--
-- `io.type` calls a view a file, `io.input(view)` makes it the default input, and
-- `local view <close> = …` closes it when the block ends.

---@class net.view
local view = {}

-- ## Methods

---Reads one value a format: `"l"` (a line without its end, LF or CRLF), `"L"` (with it), `"n"`
---(a number), `"a"` (all that comes until the end), or a number of bytes. At the end of
---the stream a value is nil, and no code comes with it.
---
---Codes: as [`socket:read`](socket.md#socketread), but for `eof`. A failure at the first
---value is `nil, err, code`; later ones end the list with nil, and the next read tells. A
---failed read takes nothing.
---
---Raises: a closed view; an unknown format; what `socket:read` raises for.
---
---```lua
---local net = require "net"
---local a <close>, b = net.socketpair()
---local view = b:makefile()
---a:send("GET /index.html\n2 0x10 rest")
---print(view:read())  --> GET /index.html
---print(view:read("n", "n"))  --> 2	16
---a:close()
---print(view:read("a"), view:read())  -->  rest	nil
---b:close()
---```
---@param ... string|integer formats; `"l"` unless told
---@return string|number|nil ... one value a format
function view:read(...) end

---Gives an iterator over what `read` with these formats gives, until the end of the stream.
---
---Raises: any other failure, with its error object.
---
---```lua
---local net = require "net"
---local a, b <close> = net.socketpair()
---a:send("one\ntwo\n")
---a:close()
---for line in b:makefile():lines() do print(line) end
-----> one
-----> two
---```
---@param ... string|integer formats; `"l"` unless told
---@return fun():string|number|nil next
function view:lines(...) end

---Sends strings and numbers, all in one piece; nothing is kept back.
---
---Codes: as [`socket:send`](socket.md#socketsend); `EBADF` for standard input.
---
---Raises: a closed view; a value that is neither string nor number.
---
---```lua
---local net = require "net"
---local a, b = net.socketpair()
---a:makefile():write("Content-Length: ", 12, "\r\n"):close()
---print(b:read())  --> Content-Length: 12
---a:close()
---b:close()
---```
---@param ... string|number what to send
---@return net.view? view itself, for the next method
---@return net.error? err
---@return net.code? code
function view:write(...) end

---Does nothing: what was written is on its way. Raises for a closed view.
---
---```lua
---local net = require "net"
---local a <close>, _ = net.socketpair()
---print(a:makefile():flush())  --> true
---```
---@return boolean ok
function view:flush() end

---Does nothing: there is nothing to buffer. Raises for a closed view.
---
---```lua
---print(io.stdin:setvbuf("no"))  --> true
---```
---@return boolean ok
function view:setvbuf() end

---Fails: a stream has no position.
---
---```lua
---print(io.stdin:seek("set"))  --> nil	standard input cannot seek	ESPIPE
---```
---@return nil
---@return string message
---@return string code
function view:seek() end

---Closes the view: every later call of its methods raises, as with Lua's files. The socket
---stays open. Closing `io.stdin` ends reading; descriptor 0 itself stays open, because
---others share it.
---
---```lua
---local net = require "net"
---local a <close>, b = net.socketpair()
---local view = a:makefile()
---print(view:close(), io.type(view), (pcall(view.read, view)))  --> true	closed file	false
---a:send("the socket is open\n")
---print(b:read())  --> the socket is open
---b:close()
---```
---@return boolean ok
function view:close() end
