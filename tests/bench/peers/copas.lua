-- Copas with LuaSocket: lua5.2 copas.lua lines|requests|udp PORT
local socket = require "socket"
local copas = require "copas"
local mode, port = arg[1], tonumber(arg[2])

local function serve_stream(raw)
  local conn = copas.wrap(raw)
  repeat
    local line = conn:receive("*l")
    if not line then break end
    conn:send(line:upper() .. "\n")
  until mode == "requests"
  raw:close()
end

local function serve_datagrams(raw)
  while true do
    local data, ip, from = copas.receivefrom(raw, 8192)
    if data then copas.sendto(raw, data:upper(), ip, from) end
  end
end

if mode == "udp" then
  local server = socket.udp()
  assert(server:setsockname("127.0.0.1", port))
  copas.addserver(server, serve_datagrams)
else
  local server = socket.tcp()
  server:setoption("reuseaddr", true)
  assert(server:bind("127.0.0.1", port))
  assert(server:listen(511))
  copas.addserver(server, serve_stream)
end
copas.loop()
