#!/usr/bin/env soquete
-- UDP client: sends a sentence, prints it as the server sends it back, in upper case.
--
--   01-udp-client.lua [HOST [PORT]]          localhost and 12000 unless told
--
-- HOST is a name or an address. A name is looked up for IPv4, as in the lecture.
-- A datagram may get lost: the client waits 2 s for the reply, and asks three times in
-- all. Anybody may send to its port: it takes a reply only from the address it asked.
--
-- Try: run it without a server. Run it twice: the server sees another source port.
--   echo ação | soquete --trace 01-udp-client.lua

local net = require "net"

local TRIES, SECONDS = 3, 2

local host, port = arg[1] or "localhost", arg[2] or 12000
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET
local question = { family = family, type = net.SOCK_DGRAM }
local server = net.address(assert(net.getaddrinfo(host, nil, question))[1].host, port)

local socket <close> = assert(net.socket(family, net.SOCK_DGRAM))

io.write("Input lowercase sentence: ")
local sentence, problem = io.read()
if not sentence then error(problem or "the input ended before a sentence", 0) end

local function receive_from_server()
  local reply, from
  repeat reply, from = socket:recvfrom() until not reply or from == server
  return reply, from
end

for try = 1, TRIES do
  assert(socket:sendto(sentence, server))
  local reply, err, code = net.deadline(SECONDS, receive_from_server)
  if reply then
    print("From Server " .. server .. ": " .. reply)
    return
  end
  if code ~= "timeout" then error(err) end
  io.stderr:write("try ", try, ": no reply in ", SECONDS, " s\n")
end
error("no reply from " .. server .. "; is it running, and does the reply fit?", 0)
