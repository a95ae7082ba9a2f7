-- One way over UDP, 1,472 bytes each:
--   soquete datagrams.lua receive PORT WARMUP SECONDS     recv_many with UDP_GRO
--   soquete datagrams.lua send PORT                       send_many with UDP_SEGMENT
--   soquete datagrams.lua loop PORT                       sendto, the clock read each time
-- The receiver says "begin" WARMUP seconds after the first datagram, and SECONDS later what
-- has come since, as one JSON object.
local net = require "net"

local PAYLOAD <const>, QUEUE <const> = ("x"):rep(1472), 4 * 1024 * 1024

local run = {}

function run.loop(socket, port)
  local to, stop = net.address("127.0.0.1", port), net.now() + 3600
  repeat assert(socket:sendto(PAYLOAD, to)) until net.now() >= stop
end

local role, port = arg[1], arg[2]
local socket <close> = assert(net.udp())
run[role](socket, port)
