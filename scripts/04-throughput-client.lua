#!/usr/bin/env soquete
-- Throughput client: sends 8 KiB again and again, and says how fast they arrived.
--
--   04-throughput-client.lua [HOST [PORT [SECONDS]]]
--                                     localhost, 6789 and ten seconds unless told
--
-- HOST is a name or an address. A name is looked up for IPv4, as in the lecture.
-- `send` says what this machine has taken, not what has arrived. So the client ends its
-- side (shutdown) and waits until the server has taken everything and ends too: that is
-- when the clock stops. A kb is 1,024 bits, as in the lecture; a Mbit is 1,000,000 bits.
--
-- Try: run it beside 04-throughput-fast.lua, against one server and against two.
-- See what differs: diff 04-throughput-client.lua 04-throughput-fast.lua

local net = require "net"

local PATIENCE = 10 -- seconds, beyond its own, for a server that does not read

local host, port = arg[1] or "localhost", arg[2] or 6789
local seconds = tonumber(arg[3] or 10)
if not seconds or seconds <= 0 then
  io.stderr:write("SECONDS is a number above 0, not '", arg[3], "'\n")
  os.exit(2)
end
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local socket <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(socket:connect(host, port))
socket:settimeout(seconds + PATIENCE)

local buffer = ("\0"):rep(8192) -- what is in it does not matter
local begin = net.now()
local bytes = 0
repeat bytes = bytes + assert(socket:send(buffer)) until net.now() - begin >= seconds

assert(socket:shutdown(net.SHUT_WR))
local _, err, code = socket:recv(1)
if code ~= "eof" then
  error(("%d bytes were sent, and how many arrived is unknown: %s")
    :format(bytes, err or "the server answers, so it is no throughput server"), 0)
end
local took = net.now() - begin
local bits = bytes * 8 / took
print(("%d bytes in %.3f s: %.1f kb/s, %.1f Mbit/s")
  :format(bytes, took, bits / 1024, bits / 1e6))
