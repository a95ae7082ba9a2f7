#!/usr/bin/env soquete
-- TCP client: sends a sentence, prints it as the server sends it back, in upper case.
--
--   02-tcp-client.lua [HOST [PORT]]          localhost and 12000 unless told
--
-- HOST is a name or an address. A name is looked up for IPv4, as in the lecture.
-- TCP carries bytes, not messages: a reply may come in several pieces. So the client says
-- that it has no more to send (shutdown), and reads until the server ends too.
--
-- Try: run it without a server. Run two at once, the first without typing anything:
-- 02-tcp-server.lua lets the second wait, 02-tcp-server-concurrent.lua does not.

local net = require "net"

local host, port = arg[1] or "localhost", arg[2] or 12000
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local socket <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(socket:connect(host, port))

io.write("Input lowercase sentence: ")
local sentence, problem = io.read()
if not sentence then error(problem or "the input ended before a sentence", 0) end

assert(socket:send(sentence))
assert(socket:shutdown(net.SHUT_WR))
print("From Server: " .. assert(socket:read("a")))
