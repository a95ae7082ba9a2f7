#!/usr/bin/env soquete
-- TCP server, one task a client: sends back in upper case what a client sends.
--
--   02-tcp-server-concurrent.lua [PORT [HOST]]
--                                     12000 and every IPv4 address unless told
--
-- Port 0 lets the system choose. HOST is one address of this machine; `::` takes IPv6
-- and IPv4. accept gives a new socket for each client; the first one goes on listening.
-- Only `net.spawn(handle, conn)` differs from 02-tcp-server.lua: while one client is
-- served, the loop accepts the next.
--
-- Try: `nc localhost 12000`, type nothing, start a client beside it: it does not wait.
-- See what differs: diff 02-tcp-server.lua 02-tcp-server-concurrent.lua

local net = require "net"

local SILENCE = 10 -- seconds that a client may say nothing

-- Answers each piece as it arrives. Gives nil and what went wrong, unless nothing did.
-- A letter's bytes may come in two pieces: `rest` holds the first ones until then.
local function answer(conn)
  local rest = ""
  while true do
    local piece, err, code = conn:recv(65536)
    if code == "eof" then return conn:send(rest) end
    if not piece then return nil, err end
    local upper
    upper, rest = utf8.upper(rest .. piece)
    local sent, problem = conn:send(upper)
    if not sent then return nil, problem end
  end
end

local function handle(conn)
  local client <close> = conn
  client:settimeout(SILENCE)
  local ok, err = answer(client)
  if not ok then io.stderr:write(tostring(err), "\n") end
end

local port, host = arg[1] or 12000, arg[2] or ""
local family = host:find(":", 1, true) and net.AF_INET6 or net.AF_INET

local server <close> = assert(net.socket(family, net.SOCK_STREAM))
assert(server:bind(host, port))
assert(server:listen())
print("listening on " .. server:getsockname())

while true do
  local conn = assert(server:accept())
  net.spawn(handle, conn)
end
