-- Multicast, broadcast, and the errors of datagrams, over the loopback interface.

local net = require "net"
local T = require "harness"

local GROUP, GROUP6 = "239.255.77.77", "ff02::77:77"

local function receiver(group)
  local s = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.ok(s:bind("0.0.0.0:0"))
  local ok, _, code = s:join(group, "lo")
  if not ok and (code == "ENODEV" or code == "EADDRNOTAVAIL") then
    T.skip("the loopback interface takes no groups")
  end
  T.eq(ok, s)
  s:settimeout(5)
  return s, s:getsockname().port
end

local function sender()
  local s = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.ok(s:setsockopt("IP_MULTICAST_IF", "lo"))
  return s
end

T.test("a_group_is_joined_and_left", function()
  local s, port = receiver(GROUP)
  local from = sender()
  T.ok(s:setsockopt("IP_MULTICAST_ALL", false))
  T.ok(from:sendto("one", GROUP, port))
  T.eq(s:recv(), "one")
  T.eq(s:leave(GROUP, "lo"), s)
  T.ok(from:sendto("two", GROUP, port))
  T.fails("EAGAIN", s:recv(10, net.MSG_DONTWAIT))
  T.fails("EADDRNOTAVAIL", s:leave(GROUP, "lo"))
  s:close()
  from:close()
end)

-- An interface with a link-local address; the loopback one takes no groups of IPv6.
local function interface6()
  local f <close> = io.open("/proc/net/if_inet6") or T.skip("no IPv6")
  for line in f:lines() do
    local name = line:match("^fe80.-(%S+)$")
    if name then return name end
  end
  T.skip("no interface has a link-local address")
end

T.test("a_group_of_ipv6_is_joined_and_left", function()
  local interface = interface6()
  local s <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  T.ok(s:bind("[::]:0"))
  T.eq(s:join(GROUP6, interface), s)
  s:settimeout(5)
  local from <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  T.ok(from:setsockopt("IPV6_MULTICAST_IF", interface))
  T.ok(from:setsockopt("IPV6_MULTICAST_HOPS", 0)) -- it does not leave this machine
  local to = ("[%s]:%d"):format(GROUP6, s:getsockname().port)
  T.ok(from:sendto("one", to))
  T.eq(s:recv(), "one")
  T.eq(s:leave(GROUP6, interface), s)
  T.ok(from:sendto("two", to))
  T.fails("EAGAIN", s:recv(10, net.MSG_DONTWAIT))
end)

T.test("a_socket_of_both_families_joins_a_group_of_ipv4", function()
  local s = T.ok(net.udp(":0"))
  local port = s:getsockname().port
  T.ok(s:join(GROUP, "lo"))
  s:settimeout(5)
  local from = sender()
  T.ok(from:sendto("x", GROUP, port))
  local data, peer = s:recvfrom()
  T.eq(data, "x")
  T.eq(peer.family, net.AF_INET)
  s:close()
  from:close()
end)

T.test("an_interface_is_a_name_an_index_or_an_address", function()
  for _, interface in ipairs { "lo", 1, "127.0.0.1", net.address("127.0.0.1:0") } do
    local s <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
    T.eq(s:join(GROUP, interface), s)
    T.eq(s:leave(GROUP, interface), s)
    T.eq(s:setsockopt("IP_MULTICAST_IF", interface), s)
    T.eq(s:setsockopt("IP_ADD_MEMBERSHIP", { group = GROUP, interface = interface }), s)
    T.eq(s:setsockopt("IP_DROP_MEMBERSHIP", { group = GROUP, interface = interface }), s)
  end
  local s <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  s:setsockopt("IP_MULTICAST_IF", "127.0.0.1")
  T.eq(s:getsockopt("IP_MULTICAST_IF"), "127.0.0.1")
  T.fails("ENODEV", s:join(GROUP, "nosuch0"))
  T.fails("ENODEV", s:setsockopt("IP_MULTICAST_IF", "nosuch0"))
end)

T.test("a_group_may_name_its_zone", function()
  local s <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  T.eq(s:join(GROUP6 .. "%lo"), s)
  T.eq(s:leave(GROUP6, 1), s)
end)

T.test("loop_and_hops_are_options_of_both_families", function()
  local s <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.eq(s:getsockopt("IP_MULTICAST_TTL"), 1)
  T.eq(s:getsockopt("IP_MULTICAST_LOOP"), true)
  s:setsockopt("IP_MULTICAST_TTL", 7):setsockopt("IP_MULTICAST_LOOP", false)
  T.eq(s:getsockopt("IP_MULTICAST_TTL"), 7)
  T.eq(s:getsockopt("IP_MULTICAST_LOOP"), false)
  local s6 <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  s6:setsockopt("IPV6_MULTICAST_HOPS", 9):setsockopt("IPV6_MULTICAST_LOOP", false)
  T.eq(s6:getsockopt("IPV6_MULTICAST_HOPS"), 9)
  T.eq(s6:getsockopt("IPV6_MULTICAST_LOOP"), false)
  T.eq(s6:setsockopt("IPV6_MULTICAST_IF", "lo"):getsockopt("IPV6_MULTICAST_IF"), 1)
end)

T.test("a_membership_may_be_for_one_sender", function()
  local s <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.ok(s:bind("0.0.0.0:0"))
  local one = { group = GROUP, source = "127.0.0.9", interface = "127.0.0.1" }
  T.ok(s:setsockopt("IP_ADD_SOURCE_MEMBERSHIP", one))
  T.ok(s:setsockopt("IP_MULTICAST_ALL", false))
  local from <close> = sender()
  T.ok(from:sendto("from another", GROUP, s:getsockname().port))
  T.fails("EAGAIN", s:recv(20, net.MSG_DONTWAIT))
  local chosen <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.ok(chosen:bind("127.0.0.9:0"))
  T.ok(chosen:setsockopt("IP_MULTICAST_IF", "lo"))
  T.ok(chosen:sendto("from it", GROUP, s:getsockname().port))
  s:settimeout(5)
  T.eq(s:recv(), "from it")
  T.ok(s:setsockopt("IP_DROP_SOURCE_MEMBERSHIP", one))
end)

T.test("wrong_groups_raise", function()
  local s <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  local stream <close> = T.ok(net.socket())
  T.raises("only a UDP", stream.join, stream, GROUP)
  T.raises("must be an IP address", s.join, s, "all-hosts")
  T.raises("must be an IP address", s.join, s)
  T.raises("name or an index", s.join, s, GROUP, {})
  T.raises("name or an index", s.join, s, GROUP, -1)
  T.raises("IPv4 address is needed", s.setsockopt, s, "IP_ADD_MEMBERSHIP", GROUP6)
  T.raises("IPv6 address is needed", s.setsockopt, s, "IPV6_ADD_MEMBERSHIP", GROUP)
  T.raises("table expected", s.setsockopt, s, "IP_BLOCK_SOURCE", GROUP)
  T.fails("EINVAL", s:join("127.0.0.1"))
  s:close()
  T.fails("closed", s:join(GROUP))
end)

T.test("a_broadcast_needs_the_option", function()
  local a <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  local b <close> = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.ok(b:bind("0.0.0.0:0"))
  local port = b:getsockname().port
  local err = T.fails("EACCES", a:sendto("x", "127.255.255.255", port))
  T.match(err.hint, "SO_BROADCAST")
  T.ok(a:setsockopt("SO_BROADCAST", true))
  T.eq(a:sendto("x", "127.255.255.255", port), 1)
  b:settimeout(5)
  T.eq(b:recv(), "x")
end)

-- --- errors of datagrams -------------------------------------------------------------------

T.test("a_refused_datagram_is_told_once_and_the_socket_goes_on", function()
  local gone = T.ok(net.udp("127.0.0.1:0"))
  local address = gone:getsockname()
  gone:close()
  local s <close> = T.ok(net.udp("127.0.0.1:0"))
  T.ok(s:connect(address))
  T.ok(s:send("x"))
  s:settimeout(5)
  T.fails("ECONNREFUSED", s:recv())
  T.fails("EAGAIN", s:recv(1, net.MSG_DONTWAIT))
  local back <close> = T.ok(net.udp(address))
  T.eq(s:send("now"), 3)
  T.eq(back:recv(), "now")
  back:sendto("yes", s:getsockname())
  T.eq(s:recv(), "yes")
end)

T.test("a_refused_datagram_wakes_who_waits", function()
  local gone = T.ok(net.udp("127.0.0.1:0"))
  local address = gone:getsockname()
  gone:close()
  local s <close> = T.ok(net.udp("127.0.0.1:0"))
  T.ok(s:connect(address))
  local waiting = T.waiting(s.recv, s)
  T.ok(s:send("x"))
  T.fails("ECONNREFUSED", waiting:join())
end)

T.test("a_datagram_that_is_too_long_is_told_and_the_next_one_goes", function()
  local a, b = T.datagrams()
  T.fails("EMSGSIZE", a:sendto(("x"):rep(65508), b:getsockname()))
  T.eq(a:sendto(("x"):rep(65507), b:getsockname()), 65507)
  T.eq(#b:recv(), 65507)
  a:close()
  b:close()
end)
