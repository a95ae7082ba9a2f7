-- Datagrams: sendto, recvfrom, sizes, senders, errors.

local net = require "net"
local T = require "harness"

T.test("recvfrom_gives_data_sender_and_size", function()
  local a, b = T.datagrams()
  T.eq(a:sendto("hello", b:getsockname()), 5)
  local data, from, size = b:recvfrom()
  T.eq(data, "hello")
  T.eq(from, a:getsockname())
  T.eq(size, 5)
end)

T.test("sendto_takes_host_and_port", function()
  local a, b = T.datagrams()
  local port = b:getsockname().port
  T.eq(a:sendto("1", "127.0.0.1", port), 1)
  T.eq(a:sendto("2", "127.0.0.1", tostring(port)), 1)
  T.eq(a:sendto("3", "127.0.0.1:" .. port), 1)
  for i = 1, 3 do T.eq(b:recvfrom(), tostring(i)) end
end)

T.test("an_empty_datagram_arrives_as_an_empty_text", function()
  local a, b = T.datagrams()
  T.eq(a:sendto("", b:getsockname()), 0)
  local data, from, size = b:recvfrom()
  T.eq(data, "")
  T.eq(from, a:getsockname())
  T.eq(size, 0)
end)

T.test("a_datagram_that_was_cut_tells_its_true_size", function()
  local a, b = T.datagrams()
  a:sendto("0123456789", b:getsockname())
  a:sendto("next", b:getsockname())
  local data, _, size = b:recvfrom(4)
  T.eq(data, "0123")
  T.eq(size, 10)
  T.eq(b:recvfrom(), "next")
end)

T.test("a_datagram_read_with_no_room_tells_its_size", function()
  local a, b = T.datagrams()
  a:sendto("0123456789", b:getsockname())
  local data, _, size = b:recvfrom(0)
  T.eq(data, "")
  T.eq(size, 10)
end)

T.test("the_largest_datagram_passes_and_a_larger_one_is_refused", function()
  local a, b = T.datagrams()
  local text = ("x"):rep(65507)
  T.eq(a:sendto(text, b:getsockname()), 65507)
  local data, _, size = b:recvfrom()
  T.ok(data == text)
  T.eq(size, 65507)
  local err = T.fails("EMSGSIZE", a:sendto(text .. "x", b:getsockname()))
  T.match(err.hint, "65507")
  T.match(tostring(err), "^sendto 127.0.0.1:%d+: message too long %(EMSGSIZE%)$")
  T.eq(a:sendto("still usable", b:getsockname()), 12)
end)

T.test("sizes_of_recvfrom_are_checked", function()
  local _, b = T.datagrams()
  T.raises("not between 0 and 65535", b.recvfrom, b, -1)
  T.raises("not between 0 and 65535", b.recvfrom, b, 65536)
  T.raises("number expected", b.recvfrom, b, "x")
end)

T.test("recv_and_send_work_on_a_connected_datagram_socket", function()
  local a, b = T.datagrams()
  T.eq(a:connect(b:getsockname()), a)
  T.eq(a:getpeername(), b:getsockname())
  T.eq(a:send("question"), 8)
  T.eq(a:send({ "frag", "ments" }), 9)
  local data, from = b:recvfrom()
  T.eq(data, "question")
  T.eq(b:recvfrom(), "fragments")
  b:sendto("answer", from)
  T.eq(a:recv(), "answer")
end)

T.test("a_connected_socket_hears_only_its_peer", function()
  local a, b = T.datagrams()
  local other <close> = net.udp("127.0.0.1:0")
  a:connect(b:getsockname())
  other:sendto("from another", a:getsockname())
  b:sendto("from the peer", a:getsockname())
  T.eq(a:recvfrom(), "from the peer")
  a:settimeout(0.01)
  T.fails("timeout", a:recvfrom())
end)

T.test("send_without_a_peer_fails_with_a_hint", function()
  local a = net.udp("127.0.0.1:0")
  local err = T.fails("EDESTADDRREQ", a:send("x"))
  T.match(err.hint, "sendto")
end)

T.test("a_refused_datagram_is_told_once_and_the_socket_stays_usable", function()
  local a, b = T.datagrams()
  local gone = net.udp("127.0.0.1:0")
  local address = gone:getsockname()
  gone:close()
  a:connect(address)
  T.eq(a:send("x"), 1)
  local err = T.fails("ECONNREFUSED", a:recv())
  T.match(err.hint, "nothing listens there")
  b:connect(a:getsockname())
  a:connect(b:getsockname())
  b:send("fine")
  T.eq(a:recv(), "fine")
end)

T.test("udp_without_an_address_talks_to_both_families", function()
  local u <close> = net.udp()
  local v4 <close> = net.udp("127.0.0.1:0")
  T.eq(u:sendto("four", v4:getsockname()), 4)
  local data, from = v4:recvfrom()
  T.eq(data, "four")
  T.eq(from.host, "127.0.0.1")
  v4:sendto("back", from)
  local _, who = u:recvfrom()
  T.eq(who, v4:getsockname())
  T.eq(who.family, net.AF_INET)
  local v6 = net.udp("[::1]:0")
  if not v6 then T.skip("no IPv6 here") end
  T.eq(u:sendto("six", v6:getsockname()), 3)
  T.eq(v6:recvfrom(), "six")
  v6:close()
end)

T.test("udp_with_an_empty_host_hears_both_families", function()
  local u <close> = net.udp(":0")
  local port = u:getsockname().port
  local a <close> = net.udp()
  a:sendto("four", "127.0.0.1", port)
  local _, from = u:recvfrom()
  T.eq(from.host, "127.0.0.1")
end)

T.test("several_tasks_receive_in_turn", function()
  local a, b = T.datagrams()
  local order, tasks = {}, {}
  for i = 1, 4 do
    tasks[i] = net.spawn(function()
      local data = b:recvfrom()
      order[#order + 1] = i .. data
    end)
  end
  T.turns()
  for i = 1, 4 do a:sendto(("abcd"):sub(i, i), b:getsockname()) end
  for i = 1, 4 do tasks[i]:join() end
  T.eq(T.list(order), "1a 2b 3c 4d")
end)

T.test("a_receive_gives_up_after_the_timeout_and_loses_nothing", function()
  local a, b = T.datagrams()
  b:settimeout(0.005)
  local err = T.fails("timeout", b:recvfrom())
  T.eq(err.op, "recvfrom")
  T.fails("timeout", b:recv())
  a:sendto("later", b:getsockname())
  b:settimeout(5)
  T.eq(b:recvfrom(), "later")
end)

T.test("closing_wakes_every_task_that_receives", function()
  local _, b = T.datagrams()
  local tasks = {}
  for i = 1, 3 do tasks[i] = T.waiting(function() return b:recvfrom() end) end
  b:close()
  for i = 1, 3 do
    local err = T.fails("closed", tasks[i]:join())
    T.match(tostring(err), "test_udp.lua:%d+")
  end
end)

T.test("sendto_checks_its_arguments", function()
  local a = net.udp()
  T.raises("string expected, got table", a.sendto, a, {}, "127.0.0.1:9")
  T.raises("bad address '127.0.0.1': it names no port", a.sendto, a, "x", "127.0.0.1")
  T.raises("the port must be a whole number from 0 to 65535",
    a.sendto, a, "x", "127.0.0.1", 99999)
  T.raises("address .*expected, got no value", a.sendto, a, "x")
end)

T.test("sendto_a_name_waits_for_its_address", { net = "fake" }, function()
  local b <close> = net.udp("127.0.0.1:0")
  local a <close> = net.socket(net.AF_INET, net.SOCK_DGRAM)
  local ticks = 0
  local other = net.spawn(function()
    for _ = 1, 10 do
      net.sleep(0.1)
      ticks = ticks + 1
    end
  end)
  T.eq(a:sendto("x", "slow.test", b:getsockname().port), 1)
  T.eq(ticks, 10)
  T.eq(b:recvfrom(), "x")
  local err = T.fails("EAI_NONAME", a:sendto("x", "nowhere.test:9"))
  T.match(tostring(err), "sendto nowhere.test: name or service not known %(EAI_NONAME%)")
  T.match(err.hint, "spelling")
  other:join()
end)
