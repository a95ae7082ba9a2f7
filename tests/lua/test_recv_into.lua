-- recv_into: receives that make no string.

local net = require "net"
local T = require "harness"

for _, kind in ipairs { "epoll", "fake", "soft" } do
  local soft = kind == "soft"
  local options = { net = kind, seeds = soft and 20 or nil, stderr = soft and {} or nil }

  T.test("every_byte_arrives_once_and_in_order (" .. kind .. ")", options, function()
    local a, b = T.pair()
    local parts = {}
    for i = 1, 200000 do parts[i] = ("%07d."):format(i) end
    local text = table.concat(parts)
    local sender = net.spawn(function()
      a:send(text)
      a:shutdown()
    end)
    local buffer, got, size = net.buffer(70000), {}, 1
    while true do
      local n, _, code = b:recv_into(buffer, 1, size)
      if not n then
        T.eq(code, "eof")
        break
      end
      T.ok(n >= 1 and n <= size)
      got[#got + 1] = buffer:sub(1, n)
      size = size * 5 % 70000 + 1
    end
    T.ok(table.concat(got) == text)
    sender:join()
  end)

  T.test("datagrams_tell_their_sender_and_size (" .. kind .. ")", options, function()
    local a, b = T.datagrams()
    local buffer = net.buffer("........")
    b:sendto("abc", a:getsockname())
    local n, from, size = a:recv_into(buffer, 2)
    T.eq(n, 3)
    T.eq(from, b:getsockname())
    T.eq(size, 3)
    T.eq(buffer:sub(), ".abc....")
    b:sendto("0123456789", a:getsockname())
    n, from, size = a:recv_into(buffer, 5, 2)
    T.eq(T.list { n, from == b:getsockname(), size }, "2 true 10")
    T.eq(buffer:sub(), ".abc01..")
    b:sendto("", a:getsockname())
    T.eq(T.list { a:recv_into(buffer) }, "0 " .. tostring(b:getsockname()) .. " 0")
    T.eq(buffer:sub(), ".abc01..")
  end)
end

T.test("what_the_stream_holds_comes_first", function()
  local a, b = T.pair()
  local buffer = net.buffer(16)
  a:send("line\nrest")
  T.eq(b:read("l"), "line")
  T.eq(b:pending(), 4)
  T.eq(b:recv_into(buffer, 1, 3), 3)
  a:send(" and more")
  T.eq(b:peek(1), "t")
  T.eq(b:recv_into(buffer, 4), 1)
  T.eq(b:recv_into(buffer, 5), 9)
  T.eq(buffer:sub(1, 13), "rest and more")
end)

T.test("bytes_that_found_no_memory_come_first", function()
  T.starve(function()
    local a, b = T.pair()
    a:send(("0123456789"):rep(300))
    net.sleep(0.01)
    return { a = a, b = b, buffer = net.buffer(4000) }
  end, function(p)
    return p.b:read_exact(1000)
  end, function(p, ok, text)
    local n, got = 0, ok and type(text) == "string" and #text or 0
    while n + got < 3000 do n = n + T.ok(p.b:recv_into(p.buffer, n + 1)) end
    T.ok(p.buffer:sub(1, n) == ("0123456789"):rep(300):sub(got + 1))
    p.a:close()
    p.b:close()
  end)
end)

T.test("recv_into_waits_for_bytes", function()
  local a, b = T.pair()
  local buffer = net.buffer(8)
  local reader = T.waiting(function() return b:recv_into(buffer, 3, 4) end)
  a:send("abcdef")
  T.eq(reader:join(), 4)
  T.eq(buffer:sub(), "\0\0abcd\0\0")
  T.eq(b:recv(), "ef")
end)

T.test("the_end_and_failures_are_told", function()
  local a, b = T.pair()
  local buffer = net.buffer(8)
  b:settimeout(0)
  local err = T.fails("timeout", b:recv_into(buffer))
  T.eq(err.op, "recv_into")
  b:settimeout(nil)
  a:send("x")
  a:close()
  T.eq(b:recv_into(buffer), 1)
  T.fails("eof", b:recv_into(buffer))
  T.fails("eof", b:recv_into(buffer))
  local waits, _peer = T.pair()
  local reader = T.waiting(function() return waits:recv_into(buffer) end)
  waits:close()
  T.match(T.fails("closed", reader:join()).text, "closed at")
  T.fails("closed", waits:recv_into(buffer))
end)

T.test("a_reset_is_told_and_stays", { net = "fake" }, function()
  local a, b = T.pair()
  b:send("unread")
  a:send("data")
  a:close()
  local buffer = net.buffer(8)
  T.eq(b:recv_into(buffer), 4)
  T.fails("ECONNRESET", b:recv_into(buffer))
  T.fails("ECONNRESET", b:recv_into(buffer))
end)

T.test("wrong_use_of_recv_into_raises", function()
  local a, b = T.pair()
  local buffer = net.buffer(8)
  local fresh <close> = T.ok(net.socket())
  T.raises("buffer expected, got no value", a.recv_into, a)
  T.raises("buffer expected, got number", a.recv_into, a, 8)
  T.raises("10 is outside of 8 bytes", a.recv_into, a, buffer, 10)
  T.raises("0 is outside of 8 bytes", a.recv_into, a, buffer, 0)
  T.raises("the buffer has no room there", a.recv_into, a, buffer, 9)
  T.raises("the buffer has no room there", a.recv_into, a, net.buffer(0))
  T.raises("0 is not between 1 and 8", a.recv_into, a, buffer, 1, 0)
  T.raises("9 is not between 1 and 8", a.recv_into, a, buffer, 1, 9)
  T.raises("7 is not between 1 and 6", a.recv_into, a, buffer, 3, 7)
  T.raises("not connected", fresh.recv_into, fresh, buffer)
  T.waiting(function() return b:recv_into(buffer) end)
  T.raises("is reading this stream already", b.recv_into, b, net.buffer(1))
  T.raises("is reading this stream already", b.recv, b)
  b:close()
end)

T.test("receivers_of_datagrams_take_turns", function()
  local a, b = T.datagrams()
  local buffers, readers = {}, {}
  for i = 1, 3 do
    buffers[i] = net.buffer(8)
    readers[i] = T.waiting(function() return a:recv_into(buffers[i]) end)
  end
  T.raises("busy", buffers[3].fill, buffers[3])
  for i = 1, 3 do b:sendto("n" .. i, a:getsockname()) end
  for i = 1, 3 do
    T.eq(readers[i]:join(), 2)
    T.eq(buffers[i]:sub(1, 2), "n" .. i)
  end
end)

T.test("packets_end_with_their_connection", function()
  local a, b = assert(net.socketpair(net.AF_UNIX, net.SOCK_SEQPACKET))
  local buffer = net.buffer(8)
  a:send("abc")
  T.eq(T.list { b:recv_into(buffer) }, "3 nil 3")
  a:close()
  T.fails("eof", b:recv_into(buffer))
  b:close()
end)

T.test("a_receiver_leaves_the_others_their_turns", function()
  local a, b = T.pair()
  local buffer, turns, ended = net.buffer(1), 0, false
  a:send(("x"):rep(6400))
  net.sleep(0.01)
  net.spawn(function()
    while not ended do
      turns = turns + 1
      net.yield()
    end
  end)
  for _ = 1, 6400 do T.eq(b:recv_into(buffer), 1) end
  ended = true
  T.ok(turns >= 99, turns) -- 64 receives a turn
end)
