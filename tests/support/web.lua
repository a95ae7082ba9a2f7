-- HTTP tests: a server in a task of the test, and clients that send raw bytes.
--
--   local web = require "web"
--   local site <close> = web.serve(function(req, res) res:send(200, "hi") end)
--   T.eq(site:ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "HTTP/1.1 200 OK …")

local net = require "net"
local http = require "net.http"
local T = require "harness"

local web = {}

local Site = {}
Site.__index = Site

function web.serve(handler, options)
  local server = T.ok(http.server("127.0.0.1:0", handler, options))
  return setmetatable({ server = server, task = net.spawn(server.run, server) }, Site)
end

Site.__close = function(self)
  self.server:stop()
  T.eq(self.task:join(), true)
end

function Site:connect()
  return T.ok(net.connect(self.server.address))
end

-- Sends the bytes, a list of them one after the other in turns of their own, and reads
-- until the server closes: everything it said, without its Date and Server lines.
function Site:ask(bytes, keep_open)
  local s <close> = self:connect()
  for _, piece in ipairs(type(bytes) == "table" and bytes or { bytes }) do
    if not s:send(piece) then break end
    T.turns(1)
  end
  if not keep_open then s:shutdown() end
  return web.plain(T.ok(s:read("a")))
end

-- One request by its parts, with the fields that it needs; the connection closes after it.
function Site:get(path, fields)
  return self:ask(("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n")
    :format(path, fields or ""))
end

function Site:post(path, body, fields)
  return self:ask(("POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n%s")
    :format(path, fields or "", #body, body))
end

function web.plain(text)
  return (text:gsub("Date: [^\r]*GMT\r\n", ""):gsub("Server: soquete\r\n", ""))
end

-- What stands behind the head.
function web.body(answer)
  return T.ok(answer:match("\r\n\r\n(.*)$"), answer)
end

function web.status(answer)
  return tonumber(answer:match("^HTTP/1%.1 (%d%d%d) ")) or answer
end

-- The statuses of several answers.
function web.statuses(text)
  local list = {}
  for status in text:gmatch("HTTP/1%.1 (%d%d%d) ") do list[#list + 1] = status end
  return table.concat(list, " ")
end

return web
