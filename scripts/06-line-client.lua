#!/usr/bin/env soquete
-- Line client, the lecture's Java variant: sends each line it reads, prints the reply.
--
--   06-line-client.lua [HOST [PORT]]         localhost and 6789 unless told
--
-- HOST is a name or an address. A name is looked up for IPv4, as in the lecture.
-- A newline ends each message, so one connection carries many: the client sends a line,
-- reads a line, and goes on until its input ends (Ctrl-D).
--
-- Try: talk to the lecture's Java server (it answers one line, then falls silent).
--   printf 'one\ntwo\n' | soquete 06-line-client.lua

local net = require "net"

local host, port = arg[1] or "localhost", arg[2] or 6789
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local socket <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(socket:connect(host, port))

local function input()
  io.write("Input lowercase sentence: ")
  return io.read()
end

local sentence, problem = input()
if not sentence then error(problem or "the input ended before a sentence", 0) end
while sentence do
  assert(socket:send(sentence .. "\n"))
  print("From Server: " .. assert(socket:read("l")))
  sentence, problem = input()
end
print()
if problem then error(problem, 0) end
