-- Pairs, packets, descriptors and credentials: what Unix sockets can beyond streams.

local net = require "net"
local T = require "harness"

local kinds = {
  stream = net.SOCK_STREAM, datagram = net.SOCK_DGRAM, packet = net.SOCK_SEQPACKET,
}

local function pair(kind)
  return T.ok(net.socketpair(net.AF_UNIX, kinds[kind or "stream"]))
end

local function close_all(list)
  for _, s in ipairs(list) do s:close() end
end

-- --- pairs -----------------------------------------------------------------------------

T.test("a_pair_is_connected_both_ways", function()
  for kind in pairs(kinds) do
    local a, b = pair(kind)
    a:send("to b")
    T.eq(b:recv(), "to b", kind)
    b:send("to a")
    T.eq(a:recv(), "to a", kind)
    a:close()
    b:close()
  end
end)

T.test("a_pair_is_made_of_unix_streams_unless_told", function()
  local a, b = T.ok(net.socketpair())
  T.eq(a:getsockopt("SO_TYPE"), net.SOCK_STREAM)
  T.eq(a:getsockopt("SO_DOMAIN"), net.AF_UNIX)
  T.match(tostring(b), "^socket %(unix")
  T.raises("AF_UNIX", net.socketpair, net.AF_INET)
  T.raises("none of SOCK_STREAM", net.socketpair, net.AF_UNIX, 99)
  a:close()
  b:close()
end)

T.test("pairs_are_closed_on_exec_and_never_block", function()
  local a, b = pair()
  for _, s in ipairs { a, b } do
    local cloexec, nonblock = T.descriptor_flags(s:fileno())
    T.eq(cloexec, true)
    T.eq(nonblock, true)
  end
  a:close()
  b:close()
end)

T.test("a_pair_that_cannot_be_made_leaves_nothing", function()
  T.limit_files(T.open_files() + 5)
  local all = {}
  local before, code
  repeat
    before = T.open_files()
    local a, b, c = net.socketpair()
    code = c
    if a then all[#all + 1] = a end
    if a then all[#all + 1] = b end
  until not a
  T.eq(code, "EMFILE")
  T.eq(T.open_files(), before)
  close_all(all)
end)

-- --- packets ---------------------------------------------------------------------------

T.test("packets_keep_their_borders_over_a_connection", function()
  local name = "unix:@soquete-packets-" .. math.random(0, 1 << 40)
  local l <close> = T.ok(net.socket(net.AF_UNIX, net.SOCK_SEQPACKET))
  T.ok(l:bind(name))
  T.ok(l:listen())
  local a <close> = T.ok(net.socket(net.AF_UNIX, net.SOCK_SEQPACKET))
  T.ok(a:connect(name))
  local b <close> = T.ok(l:accept())
  T.match(tostring(b), "unix seqpacket")
  a:send("one")
  a:send("two")
  local data, _, size = b:recv(2)
  T.eq(data, "on")
  T.eq(size, 3)
  T.eq(b:recv(), "two")
  a:close()
  T.fails("eof", b:recv())
  T.fails("eof", b:recvmsg())
end)

T.test("a_receiver_of_packets_waits_and_is_woken_by_the_end", function()
  local a, b = pair("packet")
  local waiting = T.waiting(b.recv, b)
  a:send("x")
  T.eq(waiting:join(), "x")
  waiting = T.waiting(b.recv, b)
  a:close()
  T.fails("eof", waiting:join())
  b:close()
end)

T.test("packets_are_sent_over_connections_only", function()
  local s <close> = T.ok(net.socket(net.AF_UNIX, net.SOCK_SEQPACKET))
  T.raises("not connected", s.send, s, "x")
  T.raises("not connected", s.recv, s)
  T.raises("one peer", s.sendto, s, "x", "unix:@x")
  T.raises("is for Unix", net.socket, net.AF_INET, net.SOCK_SEQPACKET)
  local a, b = pair("packet")
  T.raises("empty packet", a.send, a, "")
  T.raises("empty packet", a.sendmsg, a, "")
  T.raises("datagram socket", a.read, a)
  a:close()
  b:close()
end)

-- --- descriptors -----------------------------------------------------------------------

-- The campaign has let no net take a descriptor, which the message tells; or what a
-- descriptor is stay unknown, which makes it a file.
local function spoiled(m)
  local op = T.fault()
  return op == "adopt" and m.control_truncated or op == "getopt"
end

T.test("a_descriptor_travels_and_the_copy_works", function()
  for kind in pairs(kinds) do
    local a, b = pair(kind)
    local x, y = pair()
    T.eq(T.ok(a:sendmsg("take", { fds = { x } })), 4)
    x:close()
    local data, m = T.ok(b:recvmsg())
    if spoiled(m) then return end
    T.eq(data, "take", kind)
    T.eq(#m.fds, 1)
    T.eq(m.truncated, false)
    T.eq(m.control_truncated, false)
    T.eq(m.size, 4)
    m.fds[1]:send("through the copy")
    T.eq(y:recv(), "through the copy")
    close_all { a, b, y, m.fds[1] }
  end
end)

T.test("received_descriptors_are_closed_on_exec", function()
  local a, b = pair()
  a:sendmsg("x", { fds = { a } })
  local _, m = b:recvmsg()
  if spoiled(m) then return end
  T.eq((T.descriptor_flags(m.fds[1]:fileno())), true)
  close_all { a, b, m.fds[1] }
end)

T.test("a_received_socket_is_what_it_was", function()
  local a, b = pair()
  local listener, udp = T.listener(), T.ok(net.udp("127.0.0.1:0"))
  a:sendmsg("x", { fds = { listener, udp, 0 } })
  local _, m = b:recvmsg()
  if spoiled(m) then return end
  T.match(tostring(m.fds[1]), "tcp.*listening")
  T.eq(m.fds[1]:getsockname(), listener:getsockname())
  T.match(tostring(m.fds[2]), "udp")
  T.match(tostring(m.fds[3]), "file")
  T.fails("eof", m.fds[3]:recv()) -- /dev/null
  local client = T.ok(net.connect(listener:getsockname()))
  T.ok(m.fds[1]:accept()):close()
  close_all { a, b, listener, udp, client, table.unpack(m.fds) }
end)

T.test("descriptors_that_are_dropped_are_closed", function()
  local a, b = pair()
  local before = T.open_files()
  for _ = 1, 50 do
    a:sendmsg("x", { fds = { a, b, 0 } })
    local _, m = b:recvmsg()
    if spoiled(m) then return end
    T.eq(#m.fds, 3)
  end
  collectgarbage()
  collectgarbage()
  T.eq(T.open_files(), before)
  for _ = 1, 50 do
    a:sendmsg("x", { fds = { a, b } })
    T.eq(b:recv(), "x") -- recv drops what travels beside
  end
  T.eq(T.open_files(), before)
  a:close()
  b:close()
end)

T.test("descriptors_beyond_the_limit_are_closed_and_it_is_told", function()
  local a, b = pair("datagram")
  local before = T.open_files()
  for max = 0, 4 do
    a:sendmsg("x", { fds = { a, b, 0 } })
    local _, m = b:recvmsg(10, max)
    if spoiled(m) then return end
    T.eq(#m.fds, math.min(max, 3))
    T.eq(m.control_truncated, max < 3)
    close_all(m.fds)
    T.eq(T.open_files(), before)
  end
  a:close()
  b:close()
end)

-- How many of one descriptor arrive: none when the campaign lets no net take it, which
-- control_truncated tells.
local function one_arrives()
  return T.fault() == "adopt" and 0 or 1
end

T.test("as_many_descriptors_as_a_message_carries", function()
  local a, b = pair()
  local list = {}
  for i = 1, 253 do list[i] = a end
  T.eq(T.ok(a:sendmsg("x", { fds = list })), 1)
  local _, m = b:recvmsg(1, 253)
  T.ok(not m.control_truncated or T.fault(), "not enough memory for the descriptors")
  T.eq(#m.fds < 253, m.control_truncated)
  close_all(m.fds)
  list[254] = a
  T.raises("253 at most", a.sendmsg, a, "x", { fds = list })
  a:close()
  b:close()
end)

T.test("no_room_for_descriptors_is_told_and_nothing_leaks", function()
  local a, b = pair()
  a:sendmsg("x", { fds = { a, b, a, b } })
  local before = T.open_files()
  T.limit_files(before + 2)
  local data, m = T.ok(b:recvmsg())
  T.eq(data, "x")
  T.eq(#m.fds < 4, true)
  T.eq(m.control_truncated, true)
  close_all(m.fds)
  T.eq(T.open_files(), before)
  a:close()
  b:close()
end)

T.test("queued_bytes_go_before_a_message", function()
  local a, b = pair()
  a:send("first ")
  a:sendmsg("second ", { fds = { 0 } })
  a:send("third")
  a:close()
  local text, fds = "", 0
  while true do
    local data, m = b:recvmsg()
    if not data then break end
    text, fds = text .. data, fds + #m.fds
    close_all(m.fds)
  end
  T.eq(text, "first second third")
  T.eq(fds, one_arrives())
  b:close()
end)

T.test("recvmsg_gives_what_the_buffer_holds_first", function()
  local a, b = pair()
  a:send("line\nmore")
  T.eq(b:read(), "line")
  local data, m = T.ok(b:recvmsg())
  T.eq(data, "more")
  T.eq(#m.fds, 0)
  a:close()
  T.fails("eof", b:recvmsg())
  b:close()
end)

T.test("a_large_message_goes_whole_with_its_descriptor_once", function()
  local a, b = pair()
  local big = ("0123456789"):rep(100000)
  local sender = net.spawn(function() return a:sendmsg(big, { fds = { 0 } }) end)
  local pieces, fds, size = {}, 0, 0
  while size < #big do
    local data, m = T.ok(b:recvmsg())
    pieces[#pieces + 1] = data
    size, fds = size + #data, fds + #m.fds
    close_all(m.fds)
  end
  T.eq(table.concat(pieces) == big, true)
  T.eq(fds, one_arrives())
  T.eq(sender:join(), #big)
  a:close()
  b:close()
end)

T.test("sendmsg_checks_its_options", function()
  local a, b = pair()
  local udp <close> = T.ok(net.udp("127.0.0.1:0"))
  T.raises("no option is named 'fd'", a.sendmsg, a, "x", { fd = { a } })
  T.raises("fds must be a list", a.sendmsg, a, "x", { fds = a })
  T.raises("fds%[2%] is a string", a.sendmsg, a, "x", { fds = { a, "3" } })
  T.raises("fds%[1%] is no descriptor", a.sendmsg, a, "x", { fds = { -1 } })
  T.raises("fds%[1%] is no descriptor", a.sendmsg, a, "x", { fds = { 2 ^ 31 | 0 } })
  T.raises("at least one byte", a.sendmsg, a, "", { fds = { a } })
  T.raises("one peer", a.sendmsg, a, "x", { to = "unix:@x" })
  T.raises("only Unix", udp.sendmsg, udp, "x", { fds = { a } })
  T.raises("only Unix", udp.sendmsg, udp, "x", { credentials = true })
  T.raises("flags", a.sendmsg, a, "x", { flags = 1 << 20 })
  T.fails("EBADF", a:sendmsg("x", { fds = { 999999 } }))
  T.eq(a:send("still fine"), 10)
  T.eq(b:recv(), "still fine")
  local closed = pair()
  closed:close()
  T.raises("fds%[1%] is closed", a.sendmsg, a, "x", { fds = { closed } })
  a:close()
  b:close()
end)

T.test("recvmsg_waits_and_times_out", function()
  local a, b = pair()
  b:settimeout(0.01)
  T.fails("timeout", b:recvmsg())
  b:settimeout(nil)
  local waiting = T.waiting(b.recvmsg, b)
  T.raises("is reading this stream", b.recvmsg, b)
  a:sendmsg("x")
  T.eq(waiting:join(), "x")
  waiting = T.waiting(b.recvmsg, b)
  b:close()
  T.fails("closed", waiting:join())
  T.fails("closed", b:recvmsg())
  T.fails("closed", b:sendmsg("x"))
  a:close()
end)

T.test("sendmsg_waits_for_room_and_keeps_the_order_of_senders", function()
  local a, b = pair("datagram")
  while a:sendmsg(("x"):rep(1000), { flags = net.MSG_DONTWAIT }) do end
  local first = T.waiting(a.sendmsg, a, "first")
  local second = T.waiting(a.sendmsg, a, "second")
  local data, last
  repeat
    last = data
    data = b:recvmsg()
  until data == "second"
  T.eq(last, "first")
  T.eq(first:join(), 5)
  T.eq(second:join(), 6)
  a:close()
  b:close()
end)

-- --- credentials and what else is told --------------------------------------------------

T.test("credentials_are_told_where_the_receiver_asks", function()
  for kind in pairs(kinds) do
    local a, b = pair(kind)
    T.ok(b:setsockopt("SO_PASSCRED", true))
    a:sendmsg("x", { credentials = true })
    local _, m = b:recvmsg()
    local own = a:getsockopt("SO_PEERCRED")
    T.eq(m.credentials.pid, own.pid, kind)
    T.eq(m.credentials.uid, own.uid)
    T.eq(m.credentials.gid, own.gid)
    a:close()
    b:close()
  end
end)

T.test("a_message_of_udp_tells_sender_hops_and_local_address", function()
  local a, b = T.datagrams()
  for _, name in ipairs { "IP_RECVTTL", "IP_RECVTOS", "IP_PKTINFO", "SO_TIMESTAMPNS" } do
    T.ok(b:setsockopt(name, true))
  end
  a:setsockopt("IP_TTL", 9)
  a:setsockopt("IP_TOS", net.IPTOS_LOWDELAY)
  T.eq(T.ok(a:sendmsg("abcdef", { to = b:getsockname() })), 6)
  local data, m = T.ok(b:recvmsg(4))
  T.eq(data, "abcd")
  T.eq(m.size, 6)
  T.eq(m.truncated, true)
  T.eq(m.from, a:getsockname())
  T.eq(m.ttl, 9)
  T.eq(m.tos, net.IPTOS_LOWDELAY)
  T.eq(m.local_host, "127.0.0.1")
  T.eq(m.interface, 1)
  T.eq(m.time_ns > 1e18, true)
  a:close()
  b:close()
end)

T.test("a_message_of_udp6_tells_the_same", function()
  local a = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  if not a:bind("[::1]:0") then T.skip("no IPv6") end
  local names = { "IPV6_RECVHOPLIMIT", "IPV6_RECVPKTINFO", "IPV6_RECVTCLASS" }
  for _, name in ipairs(names) do T.ok(a:setsockopt(name, true)) end
  T.ok(a:setsockopt("IPV6_UNICAST_HOPS", 9))
  T.ok(a:setsockopt("IPV6_TCLASS", 8))
  T.ok(a:setsockopt("SO_TIMESTAMP", true))
  T.ok(a:sendmsg("", { to = a:getsockname() }))
  local data, m = T.ok(a:recvmsg())
  T.eq(data, "")
  T.eq(m.ttl, 9)
  T.eq(m.tos, 8)
  T.eq(m.local_host, "::1")
  T.eq(m.time_us > 1e15, true)
  a:close()
end)

T.test("datagrams_that_were_dropped_are_counted", function()
  local a, b = T.datagrams()
  T.ok(b:setsockopt("SO_RXQ_OVFL", true))
  T.ok(b:setsockopt("SO_RCVBUF", 1))
  for _ = 1, 100 do a:sendto(("x"):rep(500), b:getsockname()) end
  b:settimeout(0)
  while b:recv() do end
  a:sendto("last", b:getsockname())
  b:settimeout(5)
  local data, m = T.ok(b:recvmsg())
  T.eq(data, "last")
  T.eq(m.dropped > 0, true)
  a:close()
  b:close()
end)

T.test("recvmsg_gives_what_was_read_ahead", function()
  local a, b = T.pair()
  local first = T.waiting(function() return b:recv(2) end)
  a:send("abcdef") -- read ahead when it comes, because somebody waits
  T.eq(first:join(), "ab")
  T.eq(b:recv(2, net.MSG_PEEK), "cd")
  T.eq(T.ok(b:recvmsg(2)), "cd")
  T.eq(b:recv(), "ef")
  a:close()
  b:close()
end)
