---@meta _
-- # The client of net.http
--
-- `http.get`, `http.post` and `http.request` ask a web server and give its answer.
--
-- <!-- fragment -->
-- ```lua
-- local http = require "net.http"
-- local res = assert(http.get("http://127.0.0.1:8080/list", { query = { page = 2 } }))
-- for line in res:lines() do print(line) end
-- ```
--
-- **Options**, and what holds unless told:
--
-- | option | unless told | meaning |
-- |---|---|---|
-- | `url` | | an absolute `http://` URL, with its blanks and letters beyond ASCII percent-encoded already |
-- | `method` | GET, with a body POST | |
-- | `headers` | | name -> text, number, or list of them; they replace our own in any case |
-- | `body` | | a text, a table of form fields, or a function that gives one piece after the other and then nil |
-- | `json` | | a value that is sent as JSON |
-- | `query` | | a table name -> value or list, or an encoded text; it is added to the URL |
-- | `timeout` | none | seconds for the whole call: connect, send, head, and the body to its last byte |
-- | `silence` | 30, none with `timeout` | seconds in which the server may neither say nor take anything |
-- | `redirects` | 10 | how many are followed; false: none |
-- | `max` | 67108864 | bytes that `res:body()` and `res:json()` read |
-- | `lenient` | false | takes heads whose lines LF alone ends, as some old servers write them |
-- | `to` | | a path, or a file that is open for writing: a body of status 2xx goes there |
-- | `on_progress` | | `function(received, length)`, called as the body comes; `length` may be nil |
--
-- **What a server does wrong is an error**, never a shorter body: an answer that ends early
-- is `eof`, one that breaks a rule of RFC 9112 is `invalid`, and `tostring(err)` names the
-- rule. `err.url` is what was asked for last. A status such as 404 is no error: see `res.ok`.
--
-- **Bodies.** `Content-Length` and `Transfer-Encoding` are written by the client. A body from
-- a function goes in chunks, or plain where the script sets `Content-Length`. A server may
-- answer before it has the whole body. An answer other than 2xx ends the sending. One of 2xx is
-- given at once, and read while a task goes on sending; who reads its body to the end has also
-- sent all of the request. `res:close()` ends both. What the function raises, the call or the
-- read raises.
--
-- **Redirects** are followed as browsers do: 301 and 302 make GET of POST, 303 makes GET of
-- everything but HEAD, 307 and 308 send the body again, which one from a function cannot.
-- `Authorization`, `Cookie`, `Proxy-Authorization` and `Host` are not sent to another server.
-- A loop, or one redirect too many, is `invalid`.
--
-- **Connections** are kept for the next request to the same host and port: at most 8 a server
-- and 64 in all, for 30 seconds. They keep no program alive. When a server closes one just as
-- a request goes out, and nothing of an answer has come, GET, HEAD, PUT, DELETE, OPTIONS and
-- TRACE are tried once more over a fresh connection.
--
-- `https://` is not there yet: such a URL, also as the target of a redirect, is `invalid`.

local http = {}

-- ## Asking

---Asks for a URL with GET.
---
---Codes: `timeout`, `eof`, `invalid` (the URL, the answer, or the redirects), those of
---`net.connect`; with `to` those of files, `ENOSPC` for instance.
---
---Raises: an option that does not exist, or has a wrong value; a field that cannot go.
---
---Source: RFC 9110, RFC 9112.
---
---```lua
---local net = require "net"
---local http = require "net.http"
---local server = assert(http.server("127.0.0.1:0", function(req, res)
---  res:send(200, "hello " .. req.query.name)
---end))
---net.spawn(server.run, server)
---local res = assert(http.get("http://" .. server.address, { query = { name = "Ada" } }))
---print(res.status, res:body())  --> 200	hello Ada
---server:stop()
---```
---@param url string
---@param options? table see above
---@return net.http.answer? res
---@return net.error? err
---@return net.code? code
function http.get(url, options) end

---Sends a body with POST.
---
---Codes, raises: as `http.get`; the body's function may raise its own.
---
---```lua
---local net = require "net"
---local http = require "net.http"
---local server = assert(http.server("127.0.0.1:0", function(req, res)
---  res:send(200, req.headers["content-type"] .. ": " .. assert(req:body()))
---end))
---net.spawn(server.run, server)
---local url = "http://" .. server.address
---print(assert(http.post(url, { name = "Ada", age = 36 })):body())
-----> application/x-www-form-urlencoded: age=36&name=Ada
---print(assert(http.post(url, nil, { json = { 1, 2 } })):body())  --> application/json: [1,2]
---server:stop()
---```
---@param url string
---@param body? string|number|table|function
---@param options? table see above
---@return net.http.answer? res
---@return net.error? err
---@return net.code? code
function http.post(url, body, options) end

---One request, by its options alone.
---
---Codes, raises: as `http.get`.
---
---<!-- fragment -->
---```lua
---local res = assert(http.request {
---  method = "PUT",
---  url = "http://127.0.0.1:8080/notes/1",
---  headers = { Authorization = "Bearer 1234" },
---  json = { text = "milk" },
---  timeout = 5,
---})
---```
---@param options table see above
---@return net.http.answer? res
---@return net.error? err
---@return net.code? code
function http.request(options) end

---Closes the connections that are kept for the next request.
---
---<!-- fragment -->
---```lua
---http.close_idle()
---```
function http.close_idle() end

-- ## The answer

---@class net.http.answer
---@field status integer `200`
---@field reason string the words behind the status; may be empty
---@field ok boolean the status is one of 200 to 299
---@field headers net.http.headers as those of [requests](http_request.md): any case, `all(name)`
---@field url string where the answer came from, behind all redirects
---@field length integer? bytes of the body; nil: not known before its end
---@field received integer bytes of the body that have been read
---@field version string `"1.1"` or `"1.0"`
---@field raw string the head as it came
local answer = {}

---Reads what is left of the body. A second time gives it again.
---
---Codes: `oversized` (before it is read, where its length is told), `eof` (the answer ends
---early), `invalid` (bad chunks), `timeout`, `closed`. A failure stays.
---
---<!-- fragment -->
---```lua
---local text = assert(res:body())
---```
---@param max? integer bytes; the option's unless told
---@return string? text
---@return net.error? err
---@return net.code? code
function answer:body(max) end

---Reads what has come of the body, up to n bytes; nil alone at its end. No limit but memory
---that the script keeps.
---
---Codes: as `body`, without `oversized`.
---
---<!-- fragment -->
---```lua
---for piece in function() return res:read() end do count = count + #piece end
---```
---@param n? integer 65536 unless told
---@return string? piece
---@return net.error? err
---@return net.code? code
function answer:read(n) end

---The lines of the body, without LF or CRLF. The iterator raises what fails: an answer that
---ends early is no short list.
---
---Raises: the error of a read; a line that is too long.
---
---<!-- fragment -->
---```lua
---for line in res:lines() do print(line) end
---```
---@param max? integer bytes of a line; 1048576 unless told
---@return fun():string? iterator
function answer:lines(max) end

---Reads the body as JSON. `null` is `require("net.http.json").null`.
---
---Codes: as `body`; `invalid` for what is no JSON.
---
---<!-- fragment -->
---```lua
---local list = assert(res:json())
---```
---@param max? integer bytes
---@return any value
---@return net.error? err
---@return net.code? code
function answer:json(max) end

---Gives the rest of the body up, and its connection. Only an answer whose body is not read to
---its end needs it; `local res <close> = …` does it too.
---
---<!-- fragment -->
---```lua
---local res <close> = assert(http.get(url))
---if res.length and res.length < 1000 then print(res:body()) end
---```
function answer:close() end
