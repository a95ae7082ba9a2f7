#!/usr/bin/env soquete
-- TCP proxy: passes on to another server what clients send, and back what that answers.
--
--   07-proxy.lua [PORT [TARGET [TARGET-PORT]]]   12001, localhost and 12000 unless told
--
-- Port 0 lets the system choose. Each client has a task, and a connection of its own to
-- the target. `net.relay` moves the bytes both ways until both sides have ended: where
-- one has said all, the other may still answer.
--
-- Try: `soquete 02-tcp-server.lua`, beside it `soquete 07-proxy.lua`, and then
--   soquete 02-tcp-client.lua localhost 12001
-- Or before a web site: soquete 07-proxy.lua 8080 example.org 80
--   curl -H 'Host: example.org' localhost:8080

local net = require "net"

local SILENCE = 300 -- seconds without a byte, after which a connection is given up

local port, target, target_port = arg[1] or 12001, arg[2] or "localhost", arg[3] or 12000
-- What is no port, or a name that nobody knows, is told here and not at the first client.
net.address("::", target_port)
assert(net.getaddrinfo(target:match("^%[(.*)%]$") or target, target_port))

local function pass(conn, peer)
  local client <close> = conn
  local server <close>, err = net.connect(target, target_port)
  local moved
  if server then moved, err = net.relay(client, server, { idle = SILENCE }) end
  if not moved then
    io.stderr:write(peer .. ": " .. err .. "\n")
    return
  end
  local there, back = moved.a_to_b_bytes, moved.b_to_a_bytes
  print(peer .. ": " .. there .. " bytes there, " .. back .. " back")
end

local server <close> = assert(net.listen("", port))
print("listening on " .. server:getsockname())

while true do
  local conn, peer = assert(server:accept())
  net.spawn(pass, conn, peer)
end
