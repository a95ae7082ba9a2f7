---@meta _
-- # Requests
--
-- What a handler of [net.http](http.md) gets first. Its fields are made when they are
-- read; a script may add its own. The head can be read as long as the object lives, the
-- body only while the request is handled.

---@class net.http.request
---@field method string `"GET"`
---@field path string? decoded once, without the query; nil where a `%` has no two digits
---@field raw_path string as it came
---@field query table name -> value, decoded; the last where a name comes twice
---@field query_string string as it came
---@field target string the whole request target as it came
---@field version string `"1.1"` or `"1.0"`
---@field headers net.http.headers
---@field cookies table name -> value
---@field host string? host and port that the client asks for
---@field peer net.address who asks
---@field params table? what the names of a route stand for
---@field rest string? the raw rest of the path below a route's `*`
---@field length integer? bytes of the body; nil: not known before its end
---@field chunked boolean the body comes in chunks
---@field keep_alive boolean the client lets the connection go on
---@field upgrade boolean the client asks for another protocol
---@field raw string the head as it came
local request = {}

-- ## Bodies
--
-- A failed read gives `nil, err, code`. `err.status` is what the server answers when the
-- handler raises it: 400, 408, 411, 413 or 415.

---Reads the whole body. A second time gives it again.
---
---Codes: `oversized` (before it is read, where its length is told), `invalid` (bad chunks),
---`eof`, `timeout`.
---
---Raises: the request is over.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:send(200, assert(req:body())) end
---```
---@param max? integer bytes, the option `body` unless told
---@return string? body
---@return net.error? err
---@return net.code? code
function request:body(max) end

---Reads a piece of the body as it comes.
---
---Codes: `invalid` (bad chunks), `eof`, `timeout`.
---
---Raises: the request is over.
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  local bytes = 0
---  for piece in function() return req:read() end do bytes = bytes + #piece end
---  res:send(200, bytes .. " bytes")
---end
---```
---@param n? integer at most so many bytes, 65,536 unless told
---@return string? piece nil at the end of the body
---@return net.error? err
---@return net.code? code
function request:read(n) end

---The lines of the body without their ends, LF or CRLF.
---
---Raises: what fails; a line that is longer than `max` (413).
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  for line in req:lines() do print(line) end
---  res:send(204)
---end
---```
---@param max? integer bytes of a line, 1 MiB unless told
---@return fun():string? iterator
function request:lines(max) end

---Reads the body as JSON. `null` is a value of its own, as in lua-cjson.
---
---Codes: `invalid`, and those of `body`.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:json { got = assert(req:json()) } end
---```
---@param max? integer bytes, the option `body` unless told
---@return any value
---@return net.error? err
---@return net.code? code
function request:json(max) end

---Reads the fields of a form, urlencoded or multipart: name -> value, the last where a name
---comes twice. Files are passed over; `parts` gives them.
---
---Codes: `invalid`, and those of `body`.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:send(200, "hello " .. assert(req:form()).name) end
---```
---@param max? integer bytes of the body
---@return table? fields
---@return net.error? err
---@return net.code? code
function request:form(max) end

---The parts of a multipart form as they arrive: a file of any size passes through.
---
---Raises: what fails, limits too: bad forms (400), other types (415), too many bytes or
---parts (413).
---
---Source: RFC 7578.
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  for part in req:parts { max = 1 << 30 } do
---    if part.filename then assert(part:save("/tmp/upload")) end
---  end
---  res:send(201)
---end
---```
---@param options? table `max` bytes of the body (64 MiB unless told), `parts` (100)
---@return fun():net.http.part? iterator
function request:parts(options) end

---All values of a name in the query, in their order.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:send(200, table.concat(req:query_all("tag"), ", ")) end
---```
---@param name string
---@return string[] values
function request:query_all(name) end

-- ## Header fields

---The fields of a head: `req.headers["Content-Type"]`, whatever the case of the name, or
---nil. Several lines of one name are joined by `", "`. `pairs` gives each line in its
---order, names in lower case; `#` counts them.
---@class net.http.headers
local headers = {}

---The values of all lines of a name.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:json(req.headers:all("Forwarded")) end
---```
---@param name string
---@return string[] values
function headers:all(name) end

-- ## Parts of a form

---@class net.http.part
---@field name string of the form's field
---@field filename string? what the client calls the file, without folders; do not trust it
---@field type string? its media type, as the client tells it
---@field headers table lower-case name -> value
local part = {}

---Reads the next bytes.
---
---Codes: `invalid`, and those of `request:read`.
---
---<!-- fragment -->
---```lua
---for piece in function() return part:read() end do file:write(piece) end
---```
---@return string? piece nil at the end of the part
---@return net.error? err
---@return net.code? code
function part:read() end

---Reads the whole part.
---
---Codes: `invalid` (it is longer than `max`, too), and those of `request:read`.
---
---<!-- fragment -->
---```lua
---print(part.name, assert(part:text(1000)))
---```
---@param max? integer bytes, 1 MiB unless told
---@return string? text
---@return net.error? err
---@return net.code? code
function part:text(max) end

---Writes the part to a file. One that is named by its path is removed again when the part
---does not arrive whole or the disk is full.
---
---Codes: those of open(2) and write(2), `ENOSPC` for instance; and those of `part:text`.
---
---<!-- fragment -->
---```lua
---assert(part:save(os.tmpname(), 1 << 30))
---```
---@param where string|file* path, or an open file
---@param max? integer bytes
---@return integer? bytes
---@return net.error? err
---@return net.code? code
function part:save(where, max) end
