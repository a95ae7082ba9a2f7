-- Socket options: names, types, numbers, TCP_INFO.

local net = require "net"
local T = require "harness"

local function udp()
  return T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
end

T.test("a_boolean_option_is_true_or_false", function()
  local s <close> = T.ok(net.socket())
  T.eq(s:setsockopt("SO_OOBINLINE", true), s)
  T.eq(s:getsockopt("SO_OOBINLINE"), true)
  s:setsockopt("SO_OOBINLINE", false)
  T.eq(s:getsockopt("SO_OOBINLINE"), false)
  T.raises("boolean expected", s.setsockopt, s, "SO_OOBINLINE", 1)
end)

T.test("an_integer_option_has_the_range_of_an_int", function()
  local s <close> = T.ok(net.socket())
  s:setsockopt("IP_TTL", 7)
  T.eq(s:getsockopt("IP_TTL"), 7)
  T.raises("does not fit", s.setsockopt, s, "IP_TTL", 2 ^ 31)
  T.raises("integer", s.setsockopt, s, "IP_TTL", 1.5)
  T.raises("integer", s.setsockopt, s, "IP_TTL", 0 / 0)
  T.fails("EINVAL", s:setsockopt("IP_TTL", 256))
end)

T.test("an_unsigned_option_reaches_beyond_an_int", function()
  local s <close> = T.ok(net.socket())
  T.raises("4294967295", s.setsockopt, s, "SO_MARK", -1)
  T.raises("4294967295", s.setsockopt, s, "SO_MARK", 2 ^ 32)
  local ok, _, code = s:setsockopt("SO_MARK", 4294967295)
  if not ok and code == "EPERM" then T.skip("no CAP_NET_ADMIN") end
  T.eq(s:getsockopt("SO_MARK"), 4294967295)
end)

T.test("linger_is_seconds_or_false", function()
  local s <close> = T.ok(net.socket())
  T.eq(s:getsockopt("SO_LINGER"), false)
  s:setsockopt("SO_LINGER", 3)
  T.eq(s:getsockopt("SO_LINGER"), 3)
  s:setsockopt("SO_LINGER", false)
  T.eq(s:getsockopt("SO_LINGER"), false)
end)

T.test("a_time_can_be_read_and_setting_it_points_to_settimeout", function()
  local s <close> = T.ok(net.socket())
  T.eq(s:getsockopt("SO_RCVTIMEO"), 0.0)
  T.raises("SO_SNDTIMEO can only be read: .*settimeout", s.setsockopt, s, "SO_SNDTIMEO", 1)
end)

T.test("a_text_option_is_a_string", function()
  local s <close> = T.ok(net.socket())
  T.ok(s:setsockopt("TCP_CONGESTION", "reno"))
  T.eq(s:getsockopt("TCP_CONGESTION"), "reno")
  T.eq(s:getsockopt("SO_BINDTODEVICE"), "")
  T.raises("too long", s.setsockopt, s, "TCP_CONGESTION", ("x"):rep(600))
end)

T.test("ip_options_are_raw_bytes", function()
  local s <close> = udp()
  T.eq(s:getsockopt("IP_OPTIONS"), "")
  T.ok(s:setsockopt("IP_OPTIONS", "\1\1\1\0")) -- RFC 791: three no-operations, the end
  T.eq(s:getsockopt("IP_OPTIONS"), "\1\1\1\0")
end)

T.test("the_credentials_of_a_unix_peer_are_a_table", function()
  local a, b = T.ok(net.socketpair())
  local cred = T.ok(a:getsockopt("SO_PEERCRED"))
  T.eq(cred.pid > 0, true)
  T.eq(math.type(cred.uid), "integer")
  T.eq(math.type(cred.gid), "integer")
  a:close()
  b:close()
end)

T.test("so_error_is_a_code_and_reading_clears_it", function()
  local gone = T.ok(net.udp("127.0.0.1:0"))
  local address = gone:getsockname()
  gone:close()
  local s <close> = udp()
  s:connect(address)
  s:send("x")
  local code
  repeat code = s:getsockopt("SO_ERROR") net.yield() until code
  T.eq(code, "ECONNREFUSED")
  T.eq(s:getsockopt("SO_ERROR"), nil)
end)

T.test("an_option_that_is_left_out_says_why", function()
  local s <close> = T.ok(net.socket())
  T.raises("SO_ATTACH_BPF is not offered: .*bpf", s.setsockopt, s, "SO_ATTACH_BPF", 1)
  T.raises("IP_RECVERR is not offered", s.getsockopt, s, "IP_RECVERR")
end)

T.test("an_unknown_name_raises_with_the_nearest", function()
  local s <close> = T.ok(net.socket())
  T.raises("'TCP_NODELEY'; did you mean 'TCP_NODELAY'", s.getsockopt, s, "TCP_NODELEY")
  T.raises("no socket option is named 'nothing'", s.getsockopt, s, "nothing")
end)

T.test("one_way_options_refuse_the_other_way", function()
  local s <close> = T.ok(net.socket())
  T.raises("SO_TYPE can only be read", s.setsockopt, s, "SO_TYPE", 1)
  T.raises("SO_SNDBUFFORCE can only be set", s.getsockopt, s, "SO_SNDBUFFORCE")
end)

T.test("an_option_by_number_takes_integers_booleans_and_bytes", function()
  local s <close> = T.ok(net.socket())
  local NODELAY, CONGESTION = 1, 13 -- linux/tcp.h
  T.ok(s:setsockopt({ net.IPPROTO_TCP, NODELAY }, true))
  T.eq(s:getsockopt("TCP_NODELAY"), true)
  T.ok(s:setsockopt({ net.IPPROTO_TCP, NODELAY }, 0))
  T.eq(s:getsockopt { net.IPPROTO_TCP, NODELAY }, 0)
  T.ok(s:setsockopt({ net.IPPROTO_TCP, CONGESTION }, "reno"))
  T.eq(s:getsockopt({ net.IPPROTO_TCP, CONGESTION }, 16), "reno" .. ("\0"):rep(12))
  T.eq(s:getsockopt({ net.IPPROTO_TCP, CONGESTION }, 2), "re")
  T.fails("ENOPROTOOPT", s:setsockopt({ net.IPPROTO_TCP, 9999 }, 1))
  T.fails("ENOPROTOOPT", s:getsockopt { net.IPPROTO_TCP, 9999 })
end)

T.test("an_option_by_number_checks_its_arguments", function()
  local s <close> = T.ok(net.socket())
  for _, pair in ipairs { {}, { 1 }, { 1.5, 2 }, { -1, 2 }, { 1, 2 ^ 31 }, { "a", "b" } } do
    T.raises("pair of numbers", s.getsockopt, s, pair)
  end
  T.raises("not between 0 and 4096", s.getsockopt, s, { 6, 1 }, 4097)
  T.raises("not between 0 and 4096", s.getsockopt, s, { 6, 1 }, -1)
  T.raises("value expected", s.setsockopt, s, { 6, 1 })
  T.raises("number expected", s.setsockopt, s, { 6, 1 }, {})
end)

T.test("reuseaddr_by_number_counts_as_chosen", function()
  local s <close> = T.ok(net.socket())
  local REUSEADDR = 2
  s:setsockopt({ net.SOL_SOCKET, REUSEADDR }, false)
  T.ok(s:bind("127.0.0.1:0"))
  T.eq(s:getsockopt("SO_REUSEADDR"), false)
end)

T.test("options_of_a_closed_socket_give_closed", function()
  local s = T.ok(net.socket())
  s:close()
  T.fails("closed", s:setsockopt("SO_KEEPALIVE", true))
  T.fails("closed", s:getsockopt("SO_KEEPALIVE"))
  T.fails("closed", s:getsockopt { 6, 1 })
  T.fails("closed", s:info())
end)

T.test("info_names_the_state_and_counts_bytes", function()
  local a, b = T.pair()
  a:send(("x"):rep(1000))
  T.eq(#b:read_exact(1000), 1000)
  b:send("y")
  a:recv()
  local i = T.ok(a:info())
  T.eq(i.state, "ESTABLISHED")
  T.eq(i.bytes_acked, 1001) -- the kernel counts the SYN (RFC 9293 section 3.4)
  T.eq(i.bytes_received, 1)
  T.eq(i.snd_cwnd_segments > 0, true)
  T.eq(i.rtt_us > 0, true)
  T.eq(i.rto_us >= 200000, true)
  T.eq(i.retransmits, 0)
  T.eq(type(i.sack), "boolean")
  T.eq(a:getsockopt("TCP_INFO").state, "ESTABLISHED")
  b:close()
  repeat net.yield() i = a:info() until i.state ~= "ESTABLISHED"
  T.eq(i.state, "CLOSE-WAIT")
  a:close()
end)

T.test("info_raises_on_what_is_not_tcp", function()
  local s <close> = udp()
  T.raises("only a TCP socket", s.info, s)
end)

T.test("info_of_a_listener_says_so", function()
  local l <close> = T.listener()
  T.eq(l:info().state, "LISTEN")
end)

T.test("a_misspelt_field_of_a_membership_raises", function()
  local s <close> = udp()
  local wrong = { group = "239.255.1.9", interfase = "lo" }
  T.raises("no option is named 'interfase': it has group, interface", s.setsockopt, s,
    "IP_ADD_MEMBERSHIP", wrong)
  T.raises("no option is named", s.setsockopt, s, "IP_ADD_SOURCE_MEMBERSHIP", wrong)
  local six <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  T.raises("no option is named", six.setsockopt, six, "IPV6_ADD_MEMBERSHIP",
    { group = "ff12::9", interfase = "lo" })
end)
