-- Upper-cases datagrams: soquete udp.lua PORT
local net = require "net"

local server <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
assert(server:bind("127.0.0.1:" .. arg[1]))
while true do
  local data, from = assert(server:recvfrom(4096))
  server:sendto(data:upper(), from)
end
