#!/usr/bin/env soquete
-- Web server, one client at a time: serves the files of the folder that it is started in.
--
--   03-web-server.lua [PORT [HOST]]          8001 and every IPv4 address unless told
--
-- Port 0 lets the system choose; HOST is one address of this machine. Try: `nc localhost
-- 8001`, type nothing, and `curl -i localhost:8001/FILE` beside it: it waits 10 s.

local net = require "net"
local SILENCE, SLOWEST = 10, 10000 -- seconds that a client may take; bytes a second
local TYPES = { jpg = "image/jpeg", gif = "image/gif", html = "text/html",
  js = "text/javascript", css = "text/css" }

local function send_head(conn, status, kind, size)
  conn:send("HTTP/1.0 " .. status .. "\r\n")
  conn:send("Content-Type: " .. kind .. "\r\n")
  conn:send("Content-Length: " .. size .. "\r\n\r\n")
end

local function refuse(conn, status)
  send_head(conn, status, "text/plain", #status + 1)
  return conn:send(status .. "\n")
end

local function read_request(socket_file)
  local request, err = socket_file:read("l")
  local line = request
  while line and line ~= "" do line = socket_file:read("l") end -- the header
  return request, err
end

local function answer(conn, request)
  local method, target = request:match("^(%S+) (%S+)")
  if not method then return refuse(conn, "400 Bad Request") end
  if method ~= "GET" then return refuse(conn, "501 Not Implemented") end
  local path = target:match("^/*([^?]*)"):gsub("%%(%x%x)",
    function(hex) return string.char(tonumber(hex, 16)) end)
  local file <close>, size = net.open(".", path)
  if not file then return refuse(conn, "404 Not Found") end
  local suffix = path:match("%.(%w+)$")
  send_head(conn, "200 OK", TYPES[suffix] or "application/octet-stream", size)
  conn:settimeout(SILENCE + size / SLOWEST)
  return conn:sendfile(file)
end

-- Closing with bytes unread resets the connection, and the client would lose the answer.
local function finish(conn)
  conn:shutdown(net.SHUT_WR)
  while conn:recv() do end
end

local function handle(conn)
  local client <close> = conn
  local request, err = net.deadline(SILENCE, read_request, client:makefile())
  if request then
    err = select(2, answer(client, request))
    net.deadline(SILENCE, finish, client)
  end
  if err then io.stderr:write(tostring(err), "\n") end
end

local port, host = arg[1] or 8001, arg[2] or ""
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET
local server <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(server:bind(host, port))
assert(server:listen())
print("listening on " .. server:getsockname())
while true do
  handle(assert(server:accept()))
end
