#!/usr/bin/env soquete
-- Throughput server: receives, forgets, and says how much has come and how fast.
--
--   04-throughput-server.lua [PORT [HOST]]   6789 and every IPv4 address unless told
--
-- Port 0 lets the system choose. HOST is one address of this machine; `::` takes IPv6
-- and IPv4. One client is measured at a time; the next ones wait in the listen queue.
-- When a client has ended, and everything from it has come, the server closes: so the
-- client learns that nothing is on its way any more. `discard` receives without making
-- strings.
--
-- Try: both clients, 04-throughput-client.lua and 04-throughput-fast.lua.
--   head -c 100000000 /dev/zero | nc -N localhost 6789

local net = require "net"

local SILENCE = 10 -- seconds of a window; a client that sends nothing in one is let go

-- Receives until the client ends: bytes and seconds, and what went wrong, if anything.
local function receive(conn)
  local bytes, seconds = 0, 0
  repeat
    local got, err = conn:discard { seconds = SILENCE }
    local part = got or err.figures
    local silent = part.bytes == 0 and part.ended == "seconds"
    if silent then return bytes, seconds, "silent" end
    bytes, seconds = bytes + part.bytes, seconds + part.seconds
    if not got then return bytes, seconds, err end
  until part.ended == "eof"
  return bytes, seconds
end

local function handle(conn, peer)
  local client <close> = conn
  local bytes, seconds, problem = receive(client)
  local bits = bytes * 8 / math.max(seconds, 1e-9)
  print(("%s: %d bytes in %.3f s: %.1f kb/s, %.1f Mbit/s")
    :format(peer, bytes, seconds, bits / 1024, bits / 1e6))
  if problem then io.stderr:write(tostring(peer), ": ", tostring(problem), "\n") end
end

local port, host = arg[1] or 6789, arg[2] or ""
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local server <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(server:bind(host, port))
assert(server:listen())
print("listening on " .. server:getsockname())

while true do
  local conn, peer = assert(server:accept())
  handle(conn, peer)
end
