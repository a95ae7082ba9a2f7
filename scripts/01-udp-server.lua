#!/usr/bin/env soquete
-- UDP server: sends every datagram back to its sender, in upper case.
--
--   01-udp-server.lua [PORT [HOST]]          12000 and every IPv4 address unless told
--
-- Port 0 lets the system choose. HOST is one address of this machine; `::` takes IPv6
-- and IPv4. UDP has no connections: one socket serves every client, and the address
-- that comes with each datagram says where the reply goes.
--
-- Try: two clients at once. Start it twice: the second finds the port taken.
--   soquete 01-udp-server.lua & soquete 02-tcp-server.lua     (the same port: no clash)

local net = require "net"

local port, host = arg[1] or 12000, arg[2] or ""
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local socket <close> = assert(net.socket(family, net.SOCK_DGRAM))
assert(socket:bind(host, port))
print("listening on " .. socket:getsockname())

-- Answers one datagram: the bytes sent, or nil and what went wrong.
local function answer()
  local sentence, client = socket:recvfrom()
  if not sentence then return nil, client end
  local upper, rest = utf8.upper(sentence) -- rest: it ends in the middle of a letter
  return socket:sendto(upper .. rest, client)
end

while true do
  local sent, err = answer()
  if not sent then io.stderr:write(tostring(err), "\n") end
end
