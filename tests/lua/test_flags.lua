-- Flags of send and recv: MSG_PEEK, MSG_DONTWAIT, MSG_OOB.

local net = require "net"
local T = require "harness"

-- --- MSG_DONTWAIT ------------------------------------------------------------------------

T.test("dontwait_gives_eagain_where_there_is_nothing", function()
  local a, b = T.pair()
  T.fails("EAGAIN", b:recv(10, net.MSG_DONTWAIT))
  local u, v = T.datagrams()
  T.fails("EAGAIN", u:recvfrom(10, net.MSG_DONTWAIT))
  T.fails("EAGAIN", u:recv(nil, net.MSG_DONTWAIT))
  T.fails("EAGAIN", u:recvmsg(10, 0, net.MSG_DONTWAIT))
  a:send("x")
  T.eq(b:recv(), "x") -- a failed try has not spoilt the wait
  v:sendto("y", u:getsockname())
  T.eq(u:recv(10), "y")
  for _, s in ipairs { a, b, u, v } do s:close() end
end)

T.test("dontwait_sends_what_goes_at_once", function()
  local a, b = T.pair()
  local big = ("x"):rep(20000000)
  local n = T.ok(a:send(big, net.MSG_DONTWAIT))
  T.eq(n > 0 and n < #big, true)
  local sent, err, code
  repeat sent, err, code = a:send(big, net.MSG_DONTWAIT) until not sent
  T.fails("EAGAIN", sent, err, code)
  T.eq(err.sent, 0)
  local got = #b:read_exact(n)
  T.eq(got, n)
  a:close()
  b:close()
end)

T.test("dontwait_does_not_queue_behind_another_sender", function()
  local a, b = T.pair()
  T.fill(a)
  local first = T.waiting(a.send, a, ("y"):rep(100000))
  T.fails("EAGAIN", a:send("z", net.MSG_DONTWAIT))
  b:close()
  first:join()
  a:close()
end)

T.test("dontwait_on_a_full_unix_datagram_socket", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local code
  repeat
    local n, _, c = a:send("x", net.MSG_DONTWAIT)
    code = c
  until not n
  T.eq(code, "EAGAIN")
  local waiting = T.waiting(a.send, a, "last")
  repeat until b:recv() == "last"
  T.eq(waiting:join(), 4)
  a:close()
  b:close()
end)

-- --- MSG_PEEK ----------------------------------------------------------------------------

T.test("peek_leaves_the_bytes_of_a_stream", function()
  local a, b = T.pair()
  a:send("hello")
  T.eq(b:recv(4, net.MSG_PEEK), "hell")
  T.eq(b:recv(100, net.MSG_PEEK), "hello")
  T.eq(b:recv(), "hello")
  T.fails("EAGAIN", b:recv(1, net.MSG_PEEK | net.MSG_DONTWAIT))
  a:close()
  T.fails("eof", b:recv(1, net.MSG_PEEK))
  b:close()
end)

T.test("peek_leaves_a_datagram_whole", function()
  local a, b = T.datagrams()
  a:sendto("hello", b:getsockname())
  local data, from, size = b:recvfrom(2, net.MSG_PEEK)
  T.eq(data, "he")
  T.eq(from, a:getsockname())
  T.eq(size, 5)
  T.eq(b:recvfrom(), "hello")
  a:close()
  b:close()
end)

-- --- MSG_OOB -----------------------------------------------------------------------------

T.test("an_urgent_byte_passes_the_stream", function()
  local a, b = T.pair()
  a:send("before")
  T.eq(a:send("!", net.MSG_OOB), 1)
  a:send("after")
  T.eq(b:recv(1, net.MSG_OOB), "!")
  T.eq(b:read_exact(11), "beforeafter")
  a:close()
  b:close()
end)

T.test("recv_waits_for_an_urgent_byte", function()
  local a, b = T.pair()
  T.fails("EAGAIN", b:recv(1, net.MSG_OOB | net.MSG_DONTWAIT))
  b:settimeout(0.01)
  T.fails("timeout", b:recv(1, net.MSG_OOB))
  b:settimeout(5)
  local waiting = T.waiting(b.recv, b, 1, net.MSG_OOB)
  a:send("stream")
  T.turns()
  T.eq(waiting:status(), "waiting")
  a:send("!", net.MSG_OOB)
  T.eq(waiting:join(), "!")
  T.eq(b:recv(), "stream")
  a:close()
  b:close()
end)

T.test("waiting_for_an_urgent_byte_ends_with_the_stream", function()
  local a, b = T.pair()
  local waiting = T.waiting(b.recv, b, 1, net.MSG_OOB)
  a:close()
  T.fails("eof", waiting:join())
  T.fails("eof", b:recv(1, net.MSG_OOB))
  b:close()
end)

T.test("urgent_bytes_stay_in_the_stream_where_it_is_asked", function()
  local a, b = T.pair()
  b:setsockopt("SO_OOBINLINE", true)
  a:send("ab")
  a:send("!", net.MSG_OOB)
  a:send("cd")
  T.eq(b:read_exact(5), "ab!cd")
  T.fails("EINVAL", b:recv(1, net.MSG_OOB))
  a:close()
  b:close()
end)

T.test("a_reader_that_waits_for_the_stream_is_not_lost_at_an_urgent_byte", function()
  local a, b = T.pair()
  for i = 1, 20 do
    a:send("x")
    a:send("!", net.MSG_OOB)
    a:send("y")
    if i % 2 == 0 then T.eq(b:recv(1, net.MSG_OOB), "!") end
    T.eq(b:read_exact(2), "xy", "round " .. i) -- and an urgent byte that it passes is lost
  end
  a:close()
  b:close()
end)

T.test("urgent_bytes_keep_their_place_among_queued_sends", function()
  local a, b = T.pair()
  b:setsockopt("SO_OOBINLINE", true)
  local expected = {}
  for i = 1, 50 do
    a:send(i .. " ")
    a:send("!", net.MSG_OOB)
    expected[i] = i .. " !"
  end
  a:close()
  T.eq(b:read("a"), table.concat(expected))
  b:close()
end)

T.test("more_gathers_a_datagram", function()
  local a, b = T.datagrams()
  a:connect(b:getsockname())
  a:send("one ", net.MSG_MORE)
  a:send("two")
  T.eq(b:recv(), "one two")
  a:close()
  b:close()
end)

T.test("flags_that_a_socket_does_not_take_raise", function()
  local a, b = T.pair()
  local u, v = T.datagrams()
  T.raises("recv: this socket does not take the flags 256", a.recv, a, 1, 0x100)
  T.raises("send: this socket does not take the flags 2", a.send, a, "x", net.MSG_PEEK)
  T.raises("does not take the flags 1", u.recvfrom, u, 1, net.MSG_OOB)
  T.raises("does not take the flags 1", u.send, u, "x", net.MSG_OOB)
  T.raises("number expected", a.recv, a, 1, "peek")
  T.eq(a:send("x", net.MSG_NOSIGNAL), 1)
  for _, s in ipairs { a, b, u, v } do s:close() end
end)
