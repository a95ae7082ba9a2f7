-- LuaSocket: lua5.4 throughput_luasocket.lua receive|send PORT
local socket = require "socket"
local role, port = arg[1], tonumber(arg[2])

if role == "send" then
  local conn = assert(socket.connect("127.0.0.1", port))
  local buffer, stop = ("x"):rep(8192), socket.gettime() + 3600
  repeat assert(conn:send(buffer)) until socket.gettime() >= stop
else
  local server = assert(socket.bind("127.0.0.1", port))
  local conn = assert(server:accept())
  while conn:receive(8192) do end
end
