---@meta _
-- # Responses
--
-- What a handler of [net.http](http.md) answers with, called `res`. It answers its own
-- request, once. `Date`, `Server`, `Content-Length`, `Transfer-Encoding` and `Connection`
-- are the server's to write. Field values are checked: a control byte in one, or a name
-- that is no token, raises, and nothing is sent.

---@class net.http.response
---@field status integer? what was sent; set it before the first `write`
---@field sent boolean the head has gone
local response = {}

-- ## Whole answers

---Sends the whole answer. Text is `text/plain; charset=utf-8` unless told. HEAD, 204 and
---304 never carry the body.
---
---Codes: `timeout` (the client takes nothing), `EPIPE`, `ECONNRESET`.
---
---Raises: the request has been answered, or is over; a bad status or field; a body that is
---not as long as the script's own `Content-Length`.
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  res:send(200, "<p>hello</p>", { ["Content-Type"] = "text/html" })
---end
---```
---@param status integer 200 to 999
---@param body? string
---@param headers? table name -> text, number, or list of them
---@return true? ok
---@return net.error? err
---@return net.code? code
function response:send(status, body, headers) end

---Sends a value as JSON. An empty table is `{}`, also inside another one: an empty list goes
---as a text, `res:send(200, "[]", { ["Content-Type"] = "application/json" })`.
---
---Codes: those of `send`.
---
---Raises: the value has no form in JSON.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:json { path = req.path } end
---```
---@param value any
---@param status? integer 200 unless told
---@param headers? table
---@return true? ok
---@return net.error? err
---@return net.code? code
function response:json(value, status, headers) end

---Answers with a file, as `http.files` does: type, version, preconditions, ranges, HEAD. The
---path is a path, not a part of a URL, and cannot lead out of the root. When there is no such
---file, the answer is the status that tells so.
---
---Codes: those of `net.open`, after the answer has gone.
---
---Source: RFC 9110 sections 8.8, 13 and 14.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:file("reports", req.params.id .. ".pdf") end
---```
---@param root string a folder, opened at its first use
---@param path string
---@return true? ok
---@return net.error? err
---@return net.code? code
function response:file(root, path) end

---Sends the client elsewhere.
---
---Codes: those of `send`.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:redirect("/login", 303) end
---```
---@param target string for the `Location` field
---@param status? integer 302 unless told
---@return true? ok
---@return net.error? err
---@return net.code? code
function response:redirect(target, status) end

-- ## Header fields

---Sets a field for the answer, and replaces what was set before. A list gives a line for
---each value; nil takes the field back.
---
---Raises: the field cannot go, or the head has gone.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:header("Cache-Control", "no-store"):send(200, "fresh") end
---```
---@param name string
---@param value string|number|table|nil
---@return net.http.response res
function response:header(name, value) end

---Adds a field beside what was set before.
---
---Raises: as `header`.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:add_header("Link", "</a.css>; rel=preload"):send(200) end
---```
---@param name string
---@param value string|number|table
---@return net.http.response res
function response:add_header(name, value) end

---Sets a cookie: a field `Set-Cookie` as [`http.cookie`](http.md#httpcookie) writes it.
---
---Raises: as `http.cookie`.
---
---<!-- fragment -->
---```lua
---return function(req, res) res:cookie("id", 42, { http_only = true }):send(200) end
---```
---@param name string
---@param value string|number
---@param options? table
---@return net.http.response res
function response:cookie(name, value, options) end

-- ## Answers in pieces

---Sends a piece of the body. The first one sends the head with `res.status` (200), and
---waits, as all do, until the client takes it. The pieces go as chunks; without them where
---the script has set `Content-Length`, or the client speaks HTTP/1.0. The answer ends when
---the handler returns.
---
---Codes: those of `send`.
---
---Raises: more bytes than the `Content-Length`; a status that has no body.
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  res:header("Content-Type", "text/csv")
---  for i = 1, 1000000 do assert(res:write(i .. ";" .. i * i .. "\n")) end
---end
---```
---@param piece string
---@return true? ok
---@return net.error? err
---@return net.code? code
function response:write(piece) end

---Begins a stream of server-sent events. It ends when the handler returns.
---
---Codes: those of `send`.
---
---Source: the HTML standard, "Server-sent events".
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  local events = assert(res:events())
---  while events:send { event = "time", data = os.date() } do net.sleep(1) end
---end
---```
---@return net.http.events? events
---@return net.error? err
---@return net.code? code
function response:events() end

---@class net.http.events
local events = {}

---Sends an event: a text, or a table of `event`, `id`, `data`, `retry` (milliseconds).
---
---Codes: those of `response:send`, once the client has gone.
---
---<!-- fragment -->
---```lua
---events:send { id = 7, data = "two\nlines" }
---```
---@param event string|table
---@return true? ok
---@return net.error? err
---@return net.code? code
function events:send(event) end

---Sends a comment, which clients pass over: keeps a quiet connection alive.
---
---Codes: those of `response:send`.
---
---<!-- fragment -->
---```lua
---events:comment()
---```
---@param text? string
---@return true? ok
---@return net.error? err
---@return net.code? code
function events:comment(text) end

-- ## Another protocol

---Answers 101 and hands the connection over: what follows on the socket is not HTTP. The
---socket is closed when the handler returns.
---
---Codes: those of `send`; `invalid` when the client does not ask for that protocol, with
---the status 400.
---
---Raises: the request's body has not been read.
---
---Source: RFC 9110 section 7.8.
---
---<!-- fragment -->
---```lua
---return function(req, res)
---  if not req.upgrade then return res:send(426, nil, { Upgrade = "shout" }) end
---  local socket = assert(res:upgrade("shout"))
---  for line in socket:lines() do socket:send(line:upper() .. "\n") end
---end
---```
---@param protocol string for the `Upgrade` field
---@return net.socket? socket
---@return net.error? err
---@return net.code? code
function response:upgrade(protocol) end
