-- Many datagrams at once from and into buffers: no string is made of any.

local net = require "net"
local T = require "harness"

local function address_of(s)
  return T.ok(s:getsockname())
end

-- Two sockets, of which the second loses nothing of a burst; it gets trains where they are
-- known, and `joined` is not false.
local function pair(joined)
  local a, b = T.datagrams()
  b:setsockopt("SO_RCVBUF", 4 << 20)
  if joined ~= false then T.ok(b:setsockopt("UDP_GRO", true)) end
  b:settimeout(10)
  a:connect(address_of(b))
  return a, b
end

-- n bytes, each place different from its neighbours.
local function pattern(n)
  local text = {}
  for i = 1, n do text[i] = string.char(i * 7 % 251) end
  return table.concat(text)
end

-- The datagrams of a call, cut as its lists tell.
local function datas_of(buffer, trains)
  local datas = {}
  for i = 1, trains.n do
    local at, behind, each = trains.at[i], trains.at[i] + trains.bytes[i], trains.segment_bytes[i]
    repeat
      local n = math.min(each, behind - at)
      datas[#datas + 1] = buffer:sub(at, at + n - 1)
      at = at + n
    until at >= behind
  end
  return datas
end

-- Receives until `n` have come.
local function gather(b, buffer, n, room)
  local datas, trains = {}, {}
  while #datas < n do
    local count, bytes, same = T.ok(b:recv_many_into(buffer, trains, room))
    local now = datas_of(buffer, trains)
    T.ok(same == trains)
    T.eq(#now, count)
    T.eq(#table.concat(now), bytes)
    table.move(now, 1, count, #datas + 1, datas)
  end
  T.eq(#datas, n)
  return datas, trains
end

-- --- receiving -------------------------------------------------------------------------

local function a_list_arrives_whole_and_in_order(joined)
  local a, b = pair(joined)
  local list = {}
  for i = 1, 50 do list[i] = ("%03d"):format(i) .. pattern(i % 7 * 100) end
  T.eq(a:send_many(list), 50)
  local datas, trains = gather(b, net.buffer(1 << 20), 50)
  for i = 1, 50 do T.eq(datas[i], list[i], i) end
  for i = 1, trains.n do T.eq(trains.from[i], address_of(a)) end
  a:close()
  b:close()
end

T.test("datagrams_arrive_in_a_buffer", function() a_list_arrives_whole_and_in_order(false) end)
T.test("joined_datagrams_arrive_in_a_buffer", a_list_arrives_whole_and_in_order)
T.test("datagrams_arrive_in_a_buffer_in_memory", { net = "fake" },
  a_list_arrives_whole_and_in_order)
T.test("datagrams_arrive_in_a_buffer_under_faults", { net = "soft", seeds = 50 },
  a_list_arrives_whole_and_in_order)

T.test("a_train_is_one_piece", function()
  local a, b = pair()
  local text = pattern(10 * 1472 - 100)
  local _, figures = a:send_many(text, { segment_bytes = 1472 })
  if figures.method ~= "gso" then T.skip("no segmentation offload here") end
  local buffer = net.buffer(65536)
  local count, bytes, trains = T.ok(b:recv_many_into(buffer))
  T.eq(count, 10)
  T.eq(bytes, #text)
  T.eq(trains.n, 1)
  T.eq(trains.at[1], 1)
  T.eq(trains.bytes[1], #text)
  T.eq(trains.size[1], #text)
  T.eq(trains.segment_bytes[1], 1472)
  T.ok(buffer:sub(1, bytes) == text)
  a:close()
  b:close()
end)

T.test("lists_of_an_earlier_call_are_used_again", function()
  local a, b = pair(false)
  local buffer = net.buffer(1000)
  a:send_many { "one", "two", "three" }
  local _, _, trains = T.ok(b:recv_many_into(buffer, nil, 100))
  T.eq(trains.n, 3)
  local at, from = trains.at, trains.from
  a:send("four")
  T.eq(b:recv_many_into(buffer, trains, 100), 1)
  T.eq(trains.n, 1)
  T.ok(trains.at == at and trains.from == from)
  T.eq(datas_of(buffer, trains)[1], "four")
  a:close()
  b:close()
end)

-- A metamethod could receive, and the lists would tell of that.
T.test("lists_are_found_without_metamethods", function()
  local a, b = pair()
  local function fail() error("asked") end
  local trains = setmetatable({}, { __index = fail, __newindex = fail })
  a:send("x")
  T.eq(T.ok(b:recv_many_into(net.buffer(100), trains)), 1)
  T.eq(trains.n, 1)
  T.eq(trains.bytes[1], 1)
end)

T.test("another_sender_takes_the_place_of_the_former", function()
  local a, b = pair(false)
  local c <close> = T.ok(net.udp("127.0.0.1:0"))
  local buffer, trains = net.buffer(100), {}
  for i = 1, 4 do
    local s = i % 2 == 0 and a or c
    s:sendto("x", address_of(b))
    T.eq(b:recv_many_into(buffer, trains), 1)
    T.eq(trains.from[1], address_of(s))
  end
  a:close()
  b:close()
end)

T.test("an_empty_datagram_is_a_datagram", function()
  local a, b = pair()
  a:send("")
  local count, bytes, trains = b:recv_many_into(net.buffer(100))
  T.eq(count, 1)
  T.eq(bytes, 0)
  T.eq(trains.segment_bytes[1], 0)
  a:close()
  b:close()
end)

T.test("what_does_not_fit_into_its_room_is_told", function()
  local a, b = pair(false)
  local buffer = net.buffer(".........")
  a:send_many { "abcdef", "gh" }
  local count, bytes, trains = T.ok(b:recv_many_into(buffer, {}, 4))
  T.eq(count, 2)
  T.eq(bytes, 6)
  T.eq(T.list(trains.bytes), "4 2")
  T.eq(T.list(trains.size), "6 2")
  T.eq(T.list(trains.at), "1 5")
  T.eq(buffer:sub(), "abcdgh...")
  a:close()
  b:close()
end)

T.test("what_is_held_of_a_train_comes_first", function()
  local a, b = pair()
  local list = {}
  for i = 1, 20 do list[i] = ("%04d"):format(i) end
  local _, figures = a:send_many(list)
  if figures.method ~= "gso" then T.skip("no segmentation offload here") end
  T.eq(b:recvfrom(), "0001")
  a:send("later")
  local small = net.buffer(10)
  local count, bytes, trains = T.ok(b:recv_many_into(small))
  T.eq(count, 2) -- no third one fits
  T.eq(bytes, 8)
  T.eq(small:sub(1, 8), "00020003")
  T.eq(trains.from[2], address_of(a))
  local datas = gather(b, net.buffer(65536), 18)
  for i = 1, 17 do T.eq(datas[i], list[i + 3]) end
  T.eq(datas[18], "later")
  a:close()
  b:close()
end)

T.test("a_held_datagram_that_is_longer_than_the_buffer_is_cut", function()
  local a, b = pair()
  a:send_many { "12345", "67890" }
  T.eq(b:recvfrom(), "12345")
  local buffer = net.buffer(3)
  local count, bytes, trains = T.ok(b:recv_many_into(buffer))
  T.eq(T.list { count, bytes, trains.size[1] }, "1 3 5")
  T.eq(buffer:sub(), "678")
  a:close()
  b:close()
end)

T.test("a_unix_sender_without_a_name_is_false", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  a:send("x")
  local _, _, trains = T.ok(b:recv_many_into(net.buffer(10)))
  T.eq(trains.from[1], false)
  a:close()
  b:close()
end)

T.test("the_buffer_is_busy_while_it_waits", function()
  local a, b = pair()
  local buffer = net.buffer(100)
  local task = T.waiting(function() return b:recv_many_into(buffer) end)
  T.raises("this buffer is busy", buffer.set, buffer, 1, "x")
  T.raises("this buffer is busy", b.recv_many_into, b, buffer)
  T.raises("this buffer is busy", a.sendto, a, buffer, address_of(b))
  T.raises("this buffer is busy", a.send_many, a, buffer, { segment_bytes = 1 })
  T.raises("datagram 2 is a busy buffer", a.send_many, a, { "x", buffer })
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(tostring(buffer), "buffer (100 bytes)")
  a:send("there")
  T.eq(b:recv_many_into(buffer), 1)
  a:close()
  b:close()
end)

T.test("timeout_close_and_dontwait_end_it", function()
  local a, b = pair()
  local buffer = net.buffer(10)
  T.fails("EAGAIN", b:recv_many_into(buffer, nil, nil, net.MSG_DONTWAIT))
  b:settimeout(0.005)
  T.eq(T.fails("timeout", b:recv_many_into(buffer)).op, "recv_many_into")
  b:settimeout(nil)
  local waiters = {}
  for i = 1, 2 do
    waiters[i] = T.waiting(function() return b:recv_many_into(net.buffer(10)) end)
  end
  b:close()
  for i = 1, 2 do T.fails("closed", waiters[i]:join()) end
  T.fails("closed", b:recv_many_into(buffer))
  a:close()
end)

T.test("bad_arguments_of_recv_many_into_are_named", function()
  local a, b = pair()
  local buffer = net.buffer(10)
  T.raises("buffer expected, got number", b.recv_many_into, b, 10)
  T.raises("the buffer has no room", b.recv_many_into, b, net.buffer(0))
  T.raises("table expected, got number", b.recv_many_into, b, buffer, 1)
  T.raises("11 is not between 1 and 10", b.recv_many_into, b, buffer, nil, 11)
  T.raises("0 is not between 1 and 10", b.recv_many_into, b, buffer, nil, 0)
  T.raises("does not take the flags", b.recv_many_into, b, buffer, nil, nil, net.MSG_OOB)
  local message
  setmetatable({}, { __gc = function()
    message = select(2, pcall(b.recv_many_into, b, buffer))
  end })
  collectgarbage()
  T.match(message, "not for finalizers")
  a:close()
  b:close()
  local c, d = T.pair()
  T.raises("only a datagram socket has it; use recv_into", c.recv_many_into, c, buffer)
  c:close()
  d:close()
end)

-- --- sending ---------------------------------------------------------------------------

local function a_buffer_is_cut()
  local a, b = pair()
  local text = pattern(40000)
  local n, figures = T.ok(a:send_many(net.buffer(text), { segment_bytes = 1472 }))
  T.eq(n, 28)
  T.eq(figures.bytes, 40000)
  T.ok(table.concat((gather(b, net.buffer(1 << 20), 28))) == text)
  a:close()
  b:close()
end

T.test("a_buffer_is_cut_where_it_is_told", a_buffer_is_cut)
T.test("a_buffer_is_cut_where_it_is_told_in_memory", { net = "fake" }, a_buffer_is_cut)
T.test("a_buffer_is_cut_where_it_is_told_under_faults", { net = "soft", seeds = 50 },
  a_buffer_is_cut)

T.test("a_long_buffer_goes_in_several_calls", function()
  local a, b = pair()
  local text = pattern(1 << 20)
  local got = {}
  local reader = net.spawn(function()
    local buffer, trains, bytes = net.buffer(1 << 20), {}, 0
    while bytes < #text do
      local _, more = T.ok(b:recv_many_into(buffer, trains))
      bytes = bytes + more
      table.move(datas_of(buffer, trains), 1, 1 << 16, #got + 1, got)
    end
  end)
  local block = net.buffer(text)
  local _, figures = T.ok(a:send_many(block, { segment_bytes = 1000, last = 1 << 19 }))
  T.eq(figures.bytes, 1 << 19)
  net.yield()
  T.ok(a:send_many(block, { segment_bytes = 1000, first = (1 << 19) + 1 }))
  reader:join()
  T.ok(table.concat(got) == text)
  a:close()
  b:close()
end)

T.test("first_and_last_name_a_part_of_a_block", function()
  local a, b = pair(false)
  local function sent(block, options)
    options.segment_bytes = 4
    local n = T.ok(a:send_many(block, options))
    return T.list(n > 0 and b:recv_many() or {})
  end
  for _, block in ipairs { "abcdefghij", net.buffer("abcdefghij") } do
    T.eq(sent(block, {}), "abcd efgh ij")
    T.eq(sent(block, { first = 3 }), "cdef ghij")
    T.eq(sent(block, { last = 5 }), "abcd e")
    T.eq(sent(block, { first = 4, last = 4 }), "d")
    T.eq(sent(block, { first = 4, last = 3 }), "")
    T.eq(sent(block, { first = 11 }), "")
    T.raises("first is 12; a whole number from 1 to 11", a.send_many, a, block,
      { segment_bytes = 1, first = 12 })
    T.raises("first is 0;", a.send_many, a, block, { segment_bytes = 1, first = 0 })
    T.raises("last is 11; a whole number from 0 to 10", a.send_many, a, block,
      { segment_bytes = 1, last = 11 })
    T.raises("last is 2; a whole number from 3 to 10", a.send_many, a, block,
      { segment_bytes = 1, first = 4, last = 2 })
  end
  T.raises("no option is named 'first'", a.send_many, a, { "x" }, { first = 1 })
  a:close()
  b:close()
end)

T.test("a_train_that_came_goes_on_as_a_train", function()
  local a, b = pair()
  local c <close> = T.ok(net.udp("127.0.0.1:0"))
  c:settimeout(10)
  a:send_many { "first", "secnd", "end" }
  local buffer, trains, passed, got = net.buffer(65536), {}, 0, {}
  while passed < 3 do
    passed = passed + T.ok(b:recv_many_into(buffer, trains))
    for i = 1, trains.n do
      T.ok(b:send_many(buffer, {
        first = trains.at[i], last = trains.at[i] + trains.bytes[i] - 1,
        segment_bytes = trains.segment_bytes[i], to = address_of(c),
      }))
    end
  end
  while #got < 3 do table.move(T.ok(c:recv_many()), 1, 3, #got + 1, got) end
  T.eq(T.list(got), "first secnd end")
  a:close()
  b:close()
end)

T.test("lists_and_pairs_take_buffers", function()
  local a, b = pair(false)
  local one = net.buffer("one")
  T.eq(a:send_many { one, "two", net.buffer(0), { net.buffer("three"), address_of(b) } }, 4)
  one:set(1, "ONE")
  T.eq(T.list(b:recv_many()), "one two  three")
  a:close()
  b:close()
end)

T.test("sendto_takes_a_buffer", function()
  local a, b = pair(false)
  local c <close> = T.ok(net.udp("127.0.0.1:0"))
  T.eq(c:sendto(net.buffer("abc"), address_of(b)), 3)
  T.eq(b:recv(), "abc")
  T.eq(c:sendto(net.buffer(0), "127.0.0.1", address_of(b).port), 0)
  T.eq(b:recv(), "")
  a:close()
  b:close()
end)

T.test("sendto_of_a_buffer_sends_what_it_held_when_it_was_called", { net = "fake" }, function()
  local a, b = T.datagrams()
  local buffer = net.buffer("then")
  local to = "localhost:" .. address_of(b).port
  local tasks = {
    T.waiting(function() return a:sendto(buffer, to) end),
    T.waiting(function() return a:send_many({ buffer }, { to = to }) end),
  }
  buffer:set(1, "now!")
  T.eq(tasks[1]:join(), 4)
  T.eq(tasks[2]:join(), 1)
  T.eq(b:recv(), "then")
  T.eq(b:recv(), "then")
  a:close()
  b:close()
end)

T.test("a_block_is_busy_while_its_send_waits", { net = "fake" }, function()
  local a, b = T.datagrams()
  local block = net.buffer("abcd")
  local to = "localhost:" .. address_of(b).port
  local task = T.waiting(function()
    return a:send_many(block, { segment_bytes = 2, to = to })
  end)
  T.raises("this buffer is busy", block.set, block, 1, "x")
  T.eq(task:join(), 2)
  block:set(1, "x")
  T.eq(T.list(b:recv_many()), "ab cd")
  a:close()
  b:close()
end)

T.test("a_list_of_buffers_may_change_while_its_send_waits", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local list, texts = {}, {}
  for i = 1, 500 do
    texts[i] = ("%05d"):format(i)
    list[i] = net.buffer(texts[i])
    if i % 3 == 0 then list[i] = { list[i] } end
  end
  local task = T.waiting(function() return a:send_many(list) end)
  for i = 1, 500 do (list[i][1] and i % 3 == 0 and list[i][1] or list[i]):fill(0x78) end
  local datas = {}
  while #datas < 500 do
    net.yield()
    local d = T.ok(b:recv_many(64))
    table.move(d, 1, #d, #datas + 1, datas)
  end
  T.eq(task:join(), 500)
  for i = 1, 500 do T.eq(datas[i], texts[i]) end
  a:close()
  b:close()
end)

T.test("a_block_that_waits_for_room_is_busy_and_arrives", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local text = pattern(50000)
  local block = net.buffer(text)
  local task = T.waiting(function() return a:send_many(block, { segment_bytes = 100 }) end)
  T.raises("this buffer is busy", block.fill, block)
  local datas = {}
  while #datas < 500 do
    net.yield()
    local d = T.ok(b:recv_many(64))
    table.move(d, 1, #d, #datas + 1, datas)
  end
  T.eq(task:join(), 500)
  T.ok(table.concat(datas) == text)
  block:fill()
  a:close()
  b:close()
end)
