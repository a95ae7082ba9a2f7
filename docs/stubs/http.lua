---@meta _
-- # The module net.http
--
-- `require "net.http"` gives a web server. A handler gets a request and answers it; each
-- connection is a task of its own, so a handler may wait for anything.
--
-- <!-- fragment -->
-- ```lua
-- local http = require "net.http"
-- assert(http.serve(":8080", function(req, res)
--   res:send(200, "hello " .. (req.query.name or "world"))
-- end))
-- ```
--
-- **What the server does by itself.** HTTP/1.1 and 1.0, kept-open connections, pipelining,
-- HEAD, bodies of known length and chunked, `Expect: 100-continue`, `Date` and `Server`.
-- A head that breaks a rule of RFC 9112 never reaches a handler: it is answered (400, 408,
-- 414, 417, 431, 501, 505), with the rule in the body, and the connection ends. So does one
-- over a limit.
--
-- **Errors.** An error in a handler is answered with 500 and nothing else; the traceback
-- goes to standard error. An error object with a field `status` from 400 to 599, as failed
-- reads of a body have it, is answered with that status instead: `assert(req:json())` answers 400 to what
-- is no JSON, and 413 to what is too long. When the head of the answer has gone already,
-- the connection is closed in the middle of the body, so that the client can see it.
--
-- **Options** of `http.serve` and `http.server`, with what holds unless told:
--
-- | option | unless told | what it limits |
-- |---|---|---|
-- | `head` | 16384 | bytes of a request's head; 431 |
-- | `line` | 8192 | bytes of its first line; 414 |
-- | `fields` | 100 | its header fields; 431 |
-- | `body` | 1048576 | bytes that `req:body()` and its like read unless told; 413 |
-- | `head_timeout` | 10 | seconds from the first byte of a head to its last; 408 |
-- | `body_timeout` | 60 | seconds of patience for a body, and for a client that takes an answer; 408 |
-- | `rate` | 500 | bytes that lengthen that patience by a second; long answers go in steps of 512 KiB |
-- | `idle_timeout` | 60 | seconds between two requests; then the connection is closed |
-- | `requests` | 10000 | requests of one connection |
-- | `connections` | 10000 | connections at one time; one more is answered 503 |
-- | `grace` | 5 | seconds that running requests have when the server stops |
-- | `log` | none | `"common"`, `"json"`, a function of the entry, or `{format=, file=}` |
-- | `signals` | true | `http.serve` only: SIGINT and SIGTERM stop the server |
--
-- Times may be `false` for no limit. A log line that cannot be written is dropped and
-- counted. An entry has `time`, `peer`, `status`, `bytes`, and for a request that reached
-- the handler `method`, `target`, `version`, `seconds`, `referer`, `user_agent`. Of a field
-- that comes more than once a line in JSON has the first, a function's entry all, joined.

local http = {}

-- ## Serving

---Serves until SIGINT or SIGTERM comes: then no connection is accepted any more, idle ones
---are closed, and running requests have the grace to end. A second signal ends the program
---at once. With the option `signals = false` signals keep their meaning, and it serves
---until it is cancelled. `assert` it: a port that is taken gives `nil, err, code`, and the
---program would end in silence.
---
---Codes: those of `net.listen`.
---
---Raises: the handler is not a function and cannot be called; an option that does not
---exist, or has a wrong value.
---
---Source: RFC 9110, RFC 9112.
---
---<!-- fragment -->
---```lua
---local http = require "net.http"
---assert(http.serve(":8080", function(req, res) res:send(200, "hello") end, { log = "common" }))
---```
---@param where string|net.address|net.socket what to listen on, or a listening socket
---@param handler fun(req:net.http.request,res:net.http.response) or a router
---@param options? table see above
---@return true? ok once a signal has stopped it
---@return net.error? err
---@return net.code? code
function http.serve(where, handler, options) end

---Makes a server that listens and does not run yet.
---
---Codes: those of `net.listen`.
---
---Raises: as `http.serve`.
---
---```lua
---local net = require "net"
---local http = require "net.http"
---local server = assert(http.server("127.0.0.1:0", function(req, res)
---  res:send(200, "you asked for " .. req.path)
---end))
---net.spawn(server.run, server)
---local client <close> = assert(net.connect(server.address))
---client:send("GET /tea HTTP/1.1\r\nHost: example\r\n\r\n")
---client:read_until("\r\n\r\n")
---print(client:read_exact(18))  --> you asked for /tea
---server:stop()
---```
---@param where string|net.address|net.socket what to listen on, or a listening socket
---@param handler fun(req:net.http.request,res:net.http.response) or a router
---@param options? table see above
---@return net.http.server? server
---@return net.error? err
---@return net.code? code
function http.server(where, handler, options) end

---Makes a handler that chooses by method and path. A route is `"/path"` or
---`"METHOD /path"`, the method in capitals; a segment `:name` stands for one that is not empty, `*` or `*name` at
---the end for the rest. `req.params` tells what they stand for, decoded. The most specific
---route wins: a literal before `:name`, that before `*`; a route with a method before one
---without. HEAD is answered by GET. Where only the method is wrong, the answer is 405 with
---`Allow`, and OPTIONS is answered. A path that only lacks the slash before `*` is
---redirected.
---
---A handler below `*` finds the raw rest of the path in `req.rest`; a router there goes on
---with it.
---
---Raises: two routes match the same path and neither is more specific; a route that means
---nothing; a handler that cannot be called.
---
---```lua
---local http = require "net.http"
---local router = http.router {
---  ["GET /users/:id"] = function(req, res) res:send(200, req.params.id) end,
---  ["/static/*"] = function(req, res) res:send(404) end,
---}
---print(pcall(http.router, { ["/:a/x"] = router, ["/y/:b"] = router }))
-----> false	…router: "/:a/x" and "/y/:b" match the same, and neither is more specific
---```
---@param routes table route -> handler
---@return fun(req:net.http.request,res:net.http.response) router
function http.router(routes) end

---Makes a handler that serves the files beneath a folder, for GET and HEAD: with type,
---version (`ETag`, `Last-Modified`), preconditions, ranges, and compressed siblings
---(`a.html.br`, `a.html.gz`) for clients that take them. A folder is its index, or 403.
---
---| option | unless told | |
---|---|---|---|
---| `index` | `{"index.html"}` | the names that stand for a folder, the first that is there |
---| `listing` | false | a folder without an index is a page of its names |
---| `dotfiles` | false | names that begin with a dot are served |
---| `compressed` | true | siblings are looked for |
---| `types` | none | suffix -> media type, before those that are known |
---| `cache_control` | none | the value of `Cache-Control` |
---
---No path leads out of the folder: not by `..`, encoded or not, nor by a link; 404. An
---encoded slash, backslash or control byte is 400; other methods are 405; 406 where plain
---bytes are excluded (`identity;q=0`) and no sibling is taken. FIFOs, devices and
---sockets are not served. The folder is opened once.
---
---Files up to 512 KiB that have not changed for a second are kept as ready answers, 32 MiB
---of them, where the handler is this one or a router with it, and the server has no log, or
---one to a file of Lua's, `"common"` or `"json"`. A change shows in the next answer.
---
---Raises: there is no such folder; an option that does not exist, or is of another type.
---
---Source: RFC 9110 sections 8.8, 13 and 14; openat2(2), inotify(7).
---
---<!-- fragment -->
---```lua
---assert(http.serve(":8080", http.router {
---  ["/static/*"] = http.files("public", { cache_control = "max-age=3600" }),
---}))
---```
---@param root string a folder
---@param options? table see above
---@return fun(req:net.http.request,res:net.http.response) handler
function http.files(root, options) end

---A cookie as the value of `Set-Cookie`; `res:cookie` sets it.
---
---Raises: the name is no token, the value holds a byte that cookies cannot (encode it), an
---attribute that does not exist.
---
---Source: RFC 6265 section 4.1.
---
---```lua
---local http = require "net.http"
---print(http.cookie("id", 42, { http_only = true, max_age = 3600 }))
-----> id=42; Max-Age=3600; HttpOnly
---```
---@param name string
---@param value string|number
---@param options? table path, domain, max_age (seconds), expires (seconds since 1970), same_site, secure, http_only
---@return string text
function http.cookie(name, value, options) end

-- ## A server

---@class net.http.server
---@field address net.address where it listens
local server = {}

---Accepts and serves until the server is stopped.
---
---Codes: what broke the listener.
---
---<!-- fragment -->
---```lua
---net.spawn(server.run, server)
---```
---@return true? ok
---@return net.error? err
---@return net.code? code
function server:run() end

---Stops: closes the listener and idle connections, waits for running requests, and cancels
---those that take longer than the grace.
---
---<!-- fragment -->
---```lua
---net.on_signal("SIGHUP", function() server:stop(30) end)
---```
---@param grace? number seconds, the option's unless told
---@return true ok
function server:stop(grace) end

---Stops at once: running requests are cancelled. `local server <close> = …` does so.
---
---<!-- fragment -->
---```lua
---server:close()
---```
function server:close() end

---How the server does: `connections` that are open, `requests` that have come, how many of
---those were given a `ready` answer (`http.files`), `refused` heads, `dropped` lines of the
---log.
---
---<!-- fragment -->
---```lua
---print(server:counts().connections)
---```
---@return table counts
function server:counts() end
