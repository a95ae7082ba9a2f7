---@meta _
-- # Files
--
-- A file that [`net.open`](net.md#netopen) gives is a regular file beneath a folder, open for
-- reading. [`sendfile`](socket.md#socketsendfile) sends its bytes without making strings of
-- them; it takes Lua's own files too.
--
-- Reading from a file blocks the whole program until the disk has answered, as all file I/O
-- of Linux does: no event tells that a file is ready. Bytes that the system's cache holds
-- take no time worth speaking of; a slow disk or a network file system stops all tasks.
--
-- `local file <close> = …` closes it when the block ends. `tostring` tells the path and the
-- size that it had when it was opened.

---@class net.file
local file = {}

-- ## Methods

---Reads bytes from where the last read ended. At the end of the file the code is `eof`;
---`"a"` gives `""` there.
---
---Codes: `eof`, `closed`, `EIO`, `EINTR`.
---
---Raises: a format other than `"a"`; a negative number.
---
---Source: pread(2).
---
---```lua
---local net = require "net"
---local f <close> = assert(io.open("abc.txt", "w"))
---f:write("abcdef"):flush()
---local file <close> = assert(net.open(".", "abc.txt"))
---print(file:read(2), file:read("a"))  --> ab	cdef
---print(select(3, file:read(2)))  --> eof
---os.remove("abc.txt")
---```
---@param n? integer|"a" bytes at most; `"a"`, what is left, unless told
---@return string? data
---@return net.error? err
---@return net.code? code
function file:read(n) end

---Tells where the next read begins, or sets it, as Lua's `file:seek` does.
---
---Codes: `EINVAL` (a place before the begin), `closed`.
---
---```lua
---local net = require "net"
---local file <close> = assert(net.open("/proc/self", "comm"))
---print(file:seek("set", 3), file:read("a"))  --> 3	uete
---```
---@param whence? "set"|"cur"|"end" where `offset` counts from; `"cur"` unless told
---@param offset? integer bytes; 0 unless told
---@return integer? position from the begin of the file
---@return net.error? err
---@return net.code? code
function file:seek(whence, offset) end

---Tells how many bytes the file has now; `net.open` told how many it had.
---
---Codes: `closed`.
---
---Source: fstat(2).
---
---```lua
---local net = require "net"
---local f <close> = assert(io.open("grows.txt", "w"))
---local file <close>, size = assert(net.open(".", "grows.txt"))
---f:write("more"):flush()
---print(size, file:size())  --> 0	4
---os.remove("grows.txt")
---```
---@return integer? bytes
---@return net.error? err
---@return net.code? code
function file:size() end

---Closes the file. A second `close` does nothing; every other method then gives the code
---`closed`.
---
---```lua
---local net = require "net"
---local file = assert(net.open("/proc/self", "comm"))
---print(file:close(), file:close())  --> true	true
---print(select(3, file:read()))  --> closed
---```
---@return boolean ok
function file:close() end
