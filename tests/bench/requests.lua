-- Upper-cases one line for each connection and closes it: soquete requests.lua PORT
local net = require "net"

local function serve(conn)
  local c <close> = conn
  local data = c:recv(4096)
  if data then c:send(data:upper()) end
end

local server <close> = assert(net.listen("127.0.0.1:" .. arg[1]))
while true do net.spawn(serve, (assert(server:accept()))) end
