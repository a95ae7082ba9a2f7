#!/usr/bin/env soquete
-- Line server, the lecture's Java variant: sends each line back in upper case.
--
--   06-line-server.lua [PORT [HOST]]         6789 and every IPv4 address unless told
--
-- Port 0 lets the system choose. HOST is one address of this machine; `::` takes IPv6
-- and IPv4. A newline ends a message. A client may send many lines over its connection;
-- each client has a task of its own, so none waits for another.
--
-- Try: `nc localhost 6789` in two windows at once, typing by turns.
--   printf 'one\ntwo\n' | nc -N localhost 6789

local net = require "net"

-- Answers each line. Gives nil and what went wrong, unless nothing did.
local function answer(conn)
  while true do
    local line, err, code = conn:read("l")
    if code == "eof" then return true end
    if not line then return nil, err end
    local upper, rest = utf8.upper(line) -- rest: the line ends in the middle of a letter
    local sent, problem = conn:send(upper .. rest .. "\n")
    if not sent then return nil, problem end
  end
end

local function handle(conn)
  local client <close> = conn
  local ok, err = answer(client)
  if not ok then io.stderr:write(tostring(err), "\n") end
end

local port, host = arg[1] or 6789, arg[2] or ""
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local server <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(server:bind(host, port))
assert(server:listen())
print("listening on " .. server:getsockname())

while true do
  local conn = assert(server:accept())
  net.spawn(handle, conn)
end
