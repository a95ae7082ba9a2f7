-- One way over TCP: soquete bulk.lua receive|send WAY PORT [SIZE]
-- WAY: plain (a loop of 8 KiB in Lua), copy (1 MiB sends, read into a buffer of 256 KiB),
-- free (what send_repeat picks, and discard), send and vmsplice (free with that method). SIZE
-- is the bytes of a plain send.
local net = require "net"

local receive, send = {}, {}

function receive.plain(conn)
  while conn:recv(8192) do end
end

function receive.copy(conn)
  local buffer = net.buffer(256 * 1024)
  while conn:recv_into(buffer) do end
end

function receive.free(conn) return conn:discard() end

receive.send, receive.vmsplice = receive.free, receive.free

function send.plain(conn, size)
  local buffer, stop = ("x"):rep(size), net.now() + 3600
  repeat assert(conn:send(buffer)) until net.now() >= stop
end

function send.copy(conn)
  return conn:send_repeat(("x"):rep(1024 * 1024), { seconds = 3600, method = "send" })
end

function send.free(conn, size, method)
  return conn:send_repeat(("x"):rep(size), { seconds = 3600, method = method })
end

function send.send(conn, size) return send.free(conn, size, "send") end

function send.vmsplice(conn, size) return send.free(conn, size, "vmsplice") end

local role, way, port, size = arg[1], arg[2], arg[3], tonumber(arg[4] or 8192)
if role == "send" then
  send[way](assert(net.connect("127.0.0.1", port)), size)
else
  local server <close> = assert(net.listen("127.0.0.1", port))
  receive[way](assert(server:accept()))
end
