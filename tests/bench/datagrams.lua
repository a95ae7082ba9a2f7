-- One way over UDP, 1,472 bytes each:
--   soquete datagrams.lua receive WAY PORT WARMUP SECONDS
--   soquete datagrams.lua send WAY PORT
-- WAY: into (send_many from a buffer and recv_many_into one), many (send_many of a string and
-- recv_many, which makes strings), repeat (send_repeat and discard): all three cut and join in
-- the kernel (UDP_SEGMENT, UDP_GRO); loop (sendto, the clock read each time).
-- The receiver says "begin" WARMUP seconds after the first datagram, and SECONDS later what
-- has come since, as one JSON object.
local net = require "net"

local PAYLOAD <const>, QUEUE <const> = ("x"):rep(1472), 4 * 1024 * 1024
local ROOM <const>, ROOMS <const> = 65536, 8
local ENDLESS <const> = 3600

local receive, send = {}, {}

-- Receives for so many seconds: datagrams and bytes.
function receive.many(socket, seconds)
  local datagrams, bytes, stop = 0, 0, net.now() + seconds
  repeat
    local list = assert(socket:recv_many(1024))
    for i = 1, #list do bytes = bytes + #list[i] end
    datagrams = datagrams + #list
  until net.now() >= stop
  return datagrams, bytes
end

function receive.into(socket, seconds)
  local datagrams, bytes, stop = 0, 0, net.now() + seconds
  local buffer, trains = net.buffer(ROOMS * ROOM), {}
  repeat
    local count, size = assert(socket:recv_many_into(buffer, trains))
    datagrams, bytes = datagrams + count, bytes + size
  until net.now() >= stop
  return datagrams, bytes
end

receive["repeat"] = function(socket, seconds)
  local got = assert(socket:discard { seconds = seconds })
  return got.datagrams, got.bytes
end

function send.many(socket, to)
  local data, cut = PAYLOAD:rep(8 * 44), { segment_bytes = #PAYLOAD, to = to }
  while true do assert(socket:send_many(data, cut)) end
end

function send.into(socket, to)
  local block = net.buffer(PAYLOAD:rep(8 * 44))
  local cut = { segment_bytes = #PAYLOAD }
  assert(socket:connect(to))
  while true do assert(socket:send_many(block, cut)) end
end

send["repeat"] = function(socket, to)
  assert(socket:connect(to))
  assert(socket:send_repeat(PAYLOAD, { seconds = ENDLESS }))
end

function send.loop(socket, to)
  local stop = net.now() + ENDLESS
  repeat assert(socket:sendto(PAYLOAD, to)) until net.now() >= stop
end

local role, way = arg[1], arg[2]
local address = net.address("127.0.0.1", arg[3])
if role == "send" then
  send[way](assert(net.udp()), address)
else
  local socket <close> = assert(net.udp(address))
  socket:setsockopt("SO_RCVBUF", QUEUE)
  socket:setsockopt("UDP_GRO", true)
  socket:recvfrom()
  receive[way](socket, tonumber(arg[4]))
  print("begin")
  io.flush()
  local begin = net.now()
  local datagrams, bytes = receive[way](socket, tonumber(arg[5]))
  print(('{"datagrams": %d, "bytes": %d, "seconds": %.6f}')
    :format(datagrams, bytes, net.now() - begin))
end
