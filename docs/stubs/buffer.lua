---@meta _
-- # Buffers
--
-- [`net.buffer`](net.md#netbuffer) makes a buffer: a fixed number of bytes that a script
-- reads and writes in place. [`recv_into`](socket.md#socketrecv_into) receives into it, and
-- [`send`](socket.md#socketsend) sends from it, without making a string.
--
-- Positions count from 1, negative ones from the end, as in Lua's strings. Unlike there, a
-- position outside of the buffer raises. `#b` is the number of bytes, `b[i]` the byte at
-- `i` (0 to 255), which can be assigned to; `tostring(b)` tells the size, and `b:sub()` is
-- all bytes as a string. A misspelt method raises an error that names the nearest one.
--
-- While a task waits in `recv_into`, or in `send`, with a buffer, the buffer is busy: what
-- would change its bytes raises. It can still be read, and several sends may use it at once.
--
-- ```lua
-- local net = require "net"
-- local b = net.buffer(4)
-- b[1] = 76
-- b:set(2, "ua")
-- print(#b, b[1], b:sub(1, 3))  --> 4	76	Lua
-- print(pcall(function() return b[5] end))
-- --> false	…: byte 5 is outside of a buffer of 4 bytes
-- ```

---@class net.buffer
local buffer = {}

-- ## Methods

---Gives the bytes `i` to `j` as a string; all of them unless told.
---
---Raises: a position outside of the buffer.
---
---```lua
---local net = require "net"
---local b = net.buffer("abcdef")
---print(b:sub(2, 3), b:sub(-2), b:sub())  --> bc	ef	abcdef
---```
---@param i? integer the first byte; 1 unless told
---@param j? integer the last byte; the buffer's unless told
---@return string bytes
function buffer:sub(i, j) end

---Copies bytes into the buffer, beginning at `at`, and gives the position behind them. They
---come from a string, or from a buffer, which may be this one: `b:set(1, b, 9, 12)` moves
---four bytes to the front. With `i` and `j` only that part of them is copied.
---
---Raises: they do not fit; a position outside; the buffer is busy.
---
---```lua
---local net = require "net"
---local b = net.buffer(8)
---print(b:set(1, "abc"), b:set(4, "xyz", 2))  --> 4	6
---b:set(1, b, 3, 5)
---print(b:sub(1, 5))  --> cyzyz
---```
---@param at integer where the first of them goes
---@param data string|number|net.buffer the bytes
---@param i? integer the first byte of `data`; 1 unless told
---@param j? integer the last byte of `data`; the last that it has unless told
---@return integer next
function buffer:set(at, data, i, j) end

---Fills bytes `i` to `j` with one value.
---
---Raises: no byte; a position outside; the buffer is busy.
---
---```lua
---local net = require "net"
---print(net.buffer(4):fill(120):fill(46, 2, 3):sub())  --> x..x
---```
---@param byte? integer 0 to 255; 0 unless told
---@param i? integer the first byte; 1 unless told
---@param j? integer the last byte; the buffer's unless told
---@return net.buffer self
function buffer:fill(byte, i, j) end

---Writes values as `string.pack` does, beginning at `at`, and gives the position behind
---them. Network byte order is `>`. Alignment (`!`) counts from `at`.
---
---Raises: what `string.pack` raises; the bytes do not fit; the buffer is busy.
---
---Source: Lua 5.4 manual section 6.4.2.
---
---```lua
---local net = require "net"
---local b = net.buffer(512)
---local at = b:pack(1, ">I2 I2 s1", 0x1234, 1, "lua")  -- identifier, flags, a label
---print(at, b:sub(6, at - 1))  --> 9	lua
---```
---@param at integer where the first byte goes
---@param format string as for `string.pack`
---@param ... any the values
---@return integer next
function buffer:pack(at, format, ...) end

---Reads values as `string.unpack` does, and gives the position behind them as the last
---result. Alignment (`!`) counts from `at`.
---
---Raises: what `string.unpack` raises, also where the buffer ends before the format does.
---
---Source: Lua 5.4 manual section 6.4.2.
---
---```lua
---local net = require "net"
---local b = net.buffer("\x12\x34\x00\x01\3lua")
---local id, flags, at = b:unpack(">I2 I2")
---print(id == 0x1234, flags, at)  --> true	1	5
---print(b:unpack("s1", at))       --> lua	9
---```
---@param format string as for `string.unpack`
---@param at? integer where the first byte is; 1 unless told
---@return any ... the values, and the position behind them
function buffer:unpack(format, at) end
