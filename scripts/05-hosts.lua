#!/usr/bin/env soquete
-- getHostByName: prints the addresses of each name, and the name of each address.
--
--   05-hosts.lua NAME ...
--
-- The answers come from /etc/hosts and the name server. A name may have several
-- addresses, of IPv4 and of IPv6; gethostbyname knows one of IPv4 only, getaddrinfo all.
-- The way back (getnameinfo) often ends at another name, or at none.
--
-- Try: soquete 05-hosts.lua localhost www.uff.br 127.0.0.1 ::1 no-such-name.invalid

local net = require "net"

if #arg == 0 then
  io.stderr:write("usage: 05-hosts.lua NAME ...\n")
  os.exit(2)
end

local FAMILY = { [net.AF_INET] = "IPv4", [net.AF_INET6] = "IPv6" }

local function show(name)
  local addresses, err = net.getaddrinfo(name)
  if not addresses then
    io.stderr:write(tostring(err), "\n")
    return false
  end
  print(name)
  for _, address in ipairs(addresses) do
    local back = net.getnameinfo(address) or "no name"
    print("  " .. FAMILY[address.family], address.host, "-> " .. back)
  end
  return true
end

local all_found = true
for _, name in ipairs(arg) do
  all_found = show(name) and all_found
end
os.exit(all_found)
