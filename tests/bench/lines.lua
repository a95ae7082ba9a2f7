-- Upper-cases what comes on kept-open connections: soquete lines.lua PORT
local net = require "net"

local function serve(conn)
  local c <close> = conn
  while true do
    local data = c:recv(4096)
    if not data then return end
    c:send(data:upper())
  end
end

local server <close> = assert(net.listen("127.0.0.1:" .. arg[1]))
while true do net.spawn(serve, (assert(server:accept()))) end
