-- Many datagrams at once: send_many, recv_many, joined ones, send_repeat and discard.

local net = require "net"
local T = require "harness"

local SIZE = 1000

local function address_of(s)
  return T.ok(s:getsockname())
end

-- n datagrams, each with its number in front.
local function numbered(n, size)
  local list = {}
  for i = 1, n do list[i] = ("%06d"):format(i) .. ("x"):rep((size or SIZE) - 6) end
  return list
end

-- A receiver that loses nothing of a burst.
local function roomy()
  local a, b = T.datagrams()
  b:setsockopt("SO_RCVBUF", 4 << 20)
  return a, b
end

-- Receives until `n` have come; gives them, their senders and their sizes.
local function gather(s, n, most)
  local datas, froms, sizes = {}, {}, {}
  s:settimeout(10)
  while #datas < n do
    local d, f, z = T.ok(s:recv_many(most))
    T.ok(#d > 0 and #d <= (most or 64))
    T.eq(#f, #d)
    T.eq(#z, #d)
    table.move(d, 1, #d, #datas + 1, datas)
    table.move(f, 1, #f, #froms + 1, froms)
    table.move(z, 1, #z, #sizes + 1, sizes)
  end
  return datas, froms, sizes
end

local function expect(got, wanted)
  T.eq(#got, #wanted)
  for i, data in ipairs(wanted) do T.eq(got[i], data, i) end
end

-- --- a list ----------------------------------------------------------------------------

local function a_list_arrives_whole_and_in_order()
  local a, b = roomy()
  local list = numbered(50)
  local n, figures = T.ok(a:send_many(list, { to = address_of(b) }))
  T.eq(n, 50)
  T.eq(figures.datagrams, 50)
  T.eq(figures.bytes, 50 * SIZE)
  local datas, froms, sizes = gather(b, 50, 7)
  expect(datas, list)
  for i = 1, 50 do
    T.eq(froms[i].port, address_of(a).port)
    T.eq(sizes[i], SIZE)
  end
  a:close()
  b:close()
end

T.test("a_list_arrives_whole_and_in_order", a_list_arrives_whole_and_in_order)
T.test("a_list_arrives_whole_and_in_order_in_memory", { net = "fake" },
  a_list_arrives_whole_and_in_order)
T.test("a_list_arrives_whole_and_in_order_under_faults", { net = "soft", seeds = 50 },
  a_list_arrives_whole_and_in_order)

T.test("datagrams_of_many_sizes_keep_them", function()
  local a, b = roomy()
  local list = {}
  for i = 1, 60 do list[i] = ("x"):rep(i % 7 == 0 and 0 or (i * i * 37) % 3000) end
  list[61], list[62] = ("y"):rep(65507), ""
  a:connect(address_of(b))
  T.eq(a:send_many(list), 62)
  expect(gather(b, 62), list)
  a:close()
  b:close()
end)

T.test("pairs_go_each_to_its_address", function()
  local a, b = T.datagrams()
  local c <close> = T.ok(net.udp("127.0.0.1:0"))
  local B, C = address_of(b), address_of(c)
  T.eq(a:send_many { { "1", B }, { "2", C }, { "3", C }, { "4", B } }, 4)
  expect(gather(b, 2), { "1", "4" })
  expect(gather(c, 2), { "2", "3" })
  T.eq(a:send_many({ "5", { "6", C }, { "7" } }, { to = B }), 3)
  expect(gather(b, 2), { "5", "7" })
  expect(gather(c, 1), { "6" })
  a:close()
  b:close()
end)

T.test("ipv6_takes_and_gives_many", function()
  local b <close> = net.udp("[::1]:0") or T.skip("no IPv6 here")
  local a <close> = T.ok(net.udp("[::1]:0"))
  b:setsockopt("SO_RCVBUF", 1 << 20)
  b:setsockopt("UDP_GRO", true)
  local list = numbered(70)
  T.eq(a:send_many(list, { to = address_of(b) }), 70)
  local datas, froms = gather(b, 70)
  expect(datas, list)
  T.eq(froms[70], address_of(a))
end)

T.test("a_socket_of_both_families_sends_to_an_ipv4_address", function()
  local a <close> = T.ok(net.udp())
  local b <close> = T.ok(net.udp("127.0.0.1:0"))
  T.eq(a:send_many({ "one", "two" }, { to = address_of(b) }), 2)
  local datas, froms = gather(b, 2)
  expect(datas, { "one", "two" })
  b:sendto("back", froms[1])
  local _, senders = a:recv_many()
  T.eq(senders[1], address_of(b))
end)

T.test("unix_datagrams_go_one_by_one", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local n, figures = T.ok(a:send_many { "1", "2", "3" })
  T.eq(n, 3)
  T.eq(figures.method, "sendmmsg")
  local datas, froms = b:recv_many()
  expect(datas, { "1", "2", "3" })
  T.eq(froms[1], false)
  a:close()
  b:close()
end)

T.test("a_slow_unix_receiver_gets_every_datagram", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local list = numbered(500)
  local task = net.spawn(function() return a:send_many(list) end)
  local datas = {}
  while #datas < 500 do
    net.yield()
    local d = T.ok(b:recv_many(3))
    table.move(d, 1, #d, #datas + 1, datas)
  end
  expect(datas, list)
  T.eq(task:join(), 500)
  a:close()
  b:close()
end)

T.test("who_sends_while_another_waits_for_room_comes_after_it", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local list = numbered(500)
  local many = T.waiting(a.send_many, a, list)
  local more = T.waiting(a.send_many, a, { "more" })
  local one = T.waiting(a.send, a, "one")
  local datas = {}
  while #datas < 502 do
    local d = T.ok(b:recv_many(3))
    table.move(d, 1, #d, #datas + 1, datas)
  end
  table.move({ "more", "one" }, 1, 2, 501, list)
  expect(datas, list)
  T.eq(many:join(), 500)
  T.eq(more:join(), 1)
  T.eq(one:join(), 3)
  a:close()
  b:close()
end)

T.test("a_datagram_that_was_cut_says_so", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  a:send_many { ("x"):rep(70000), "y" }
  local datas, _, sizes = b:recv_many()
  T.eq(#datas[1], 65536)
  T.eq(sizes[1], 70000)
  T.eq(sizes[2], 1)
  a:close()
  b:close()
end)

T.test("nothing_to_send_is_sent_at_once", function()
  local a <close> = T.ok(net.udp("127.0.0.1:0"))
  T.eq(a:send_many({}), 0)
  T.eq(a:send_many("", { segment_bytes = 10 }), 0)
end)

-- --- one string, cut -------------------------------------------------------------------

local function a_string_is_cut()
  local a, b = roomy()
  local text = {}
  for i = 1, 40000 do text[i] = string.char(i * 7 % 251) end
  text = table.concat(text)
  local n, figures = T.ok(a:send_many(text, { segment_bytes = 1472, to = address_of(b) }))
  T.eq(n, 28)
  T.eq(figures.bytes, 40000)
  local datas = gather(b, 28)
  T.eq(#datas[1], 1472)
  T.eq(#datas[28], 40000 - 27 * 1472)
  T.eq(table.concat(datas), text)
  a:close()
  b:close()
end

T.test("a_string_is_cut_where_it_is_told", a_string_is_cut)
T.test("a_string_is_cut_where_it_is_told_in_memory", { net = "fake" }, a_string_is_cut)
T.test("a_string_is_cut_where_it_is_told_under_faults", { net = "soft", seeds = 50 },
  a_string_is_cut)

T.test("a_train_costs_one_call", function()
  local a, b = roomy()
  local _, figures = T.ok(a:send_many(("x"):rep(44 * 1472), {
    segment_bytes = 1472, to = address_of(b),
  }))
  if figures.method ~= "gso" then T.skip("no segmentation offload here") end
  T.eq(figures.calls, 1)
  T.eq(#gather(b, 44), 44)
  a:close()
  b:close()
end)

-- --- joined ----------------------------------------------------------------------------

-- Two sockets, of which the second gets trains.
local function joining()
  local a, b = roomy()
  T.ok(b:setsockopt("UDP_GRO", true))
  a:connect(address_of(b))
  return a, b
end

T.test("a_train_is_told_apart", function()
  local a, b = joining()
  local list = numbered(60)
  list[61] = "short" -- the odd last one
  a:send_many(list)
  local datas, froms, sizes = gather(b, 61)
  expect(datas, list)
  T.eq(froms[61], address_of(a))
  T.eq(sizes[61], 5)
  a:close()
  b:close()
end)

T.test("what_recv_many_has_no_room_for_comes_next", function()
  local a, b = joining()
  local list = numbered(60)
  a:send_many(list)
  expect(gather(b, 60, 7), list)
  T.fails("EAGAIN", b:recv_many(7, net.MSG_DONTWAIT))
  a:close()
  b:close()
end)

T.test("recvfrom_gives_a_train_one_by_one", function()
  local a, b = joining()
  local list = numbered(10)
  a:send_many(list)
  a:send_many { "", "alone" }
  for i = 1, 10 do
    T.eq(b:recvfrom(6, net.MSG_PEEK), ("%06d"):format(i))
    local data, from, size = b:recvfrom(6)
    T.eq(data, ("%06d"):format(i))
    T.eq(from, address_of(a))
    T.eq(size, SIZE)
  end
  T.eq(b:recv(), "")
  T.eq(b:recv(), "alone")
  a:close()
  b:close()
end)

T.test("what_is_left_of_a_train_makes_poll_ready", function()
  local a, b = joining()
  a:send_many(numbered(3))
  T.ok(b:recvfrom())
  T.eq(T.ok(net.poll({ b }, {}, 5))[1], b)
  T.eq(#gather(b, 2), 2)
  a:close()
  b:close()
end)

T.test("recvmsg_refuses_joined_datagrams", function()
  local _, b = joining()
  T.raises("use recvfrom or recv_many", b.recvmsg, b)
  b:close()
end)

T.test("closing_drops_what_is_left_of_a_train", function()
  local a, b = joining()
  a:send_many(numbered(10))
  T.ok(b:recvfrom())
  b:close()
  T.fails("closed", b:recv_many())
  a:close()
end)

-- --- failures --------------------------------------------------------------------------

T.test("the_one_that_failed_is_named", function()
  local a, b = T.datagrams()
  local list = { "1", "2", ("x"):rep(65508), "4" }
  local err = T.fails("EMSGSIZE", a:send_many(list, { to = address_of(b) }))
  T.eq(err.op, "send_many")
  T.eq(err.sent, 2)
  T.eq(err.index, 3)
  T.eq(err.figures.datagrams, 2)
  T.match(tostring(err), "^send_many 127%.0%.0%.1:%d+: message too long")
  expect(gather(b, 2), { "1", "2" })
  T.eq(a:send_many({ "4" }, { to = address_of(b) }), 1)
  T.eq(b:recv(), "4")
  a:close()
  b:close()
end)

T.test("a_pairs_address_stands_in_its_error", function()
  local a, b = T.datagrams()
  local six = net.address("[::1]:9")
  local err = T.fails("EAFNOSUPPORT", a:send_many { { "1", address_of(b) }, { "2", six } })
  T.eq(err.index, 2)
  T.match(tostring(err), "%[::1%]:9")
  a:close()
  b:close()
end)

T.test("without_a_peer_it_fails_with_a_hint", function()
  local a <close> = T.ok(net.udp("127.0.0.1:0"))
  local err = T.fails("EDESTADDRREQ", a:send_many { "x", "y" })
  T.eq(err.sent, 0)
  T.match(err.hint, "connect first")
end)

T.test("a_refusal_is_told_once_and_the_socket_goes_on", function()
  local a, b = T.datagrams()
  local gone = T.ok(net.udp("127.0.0.1:0"))
  a:connect(address_of(gone))
  gone:close()
  T.eq(a:send_many { "x" }, 1)
  a:settimeout(5)
  T.fails("ECONNREFUSED", a:recv_many())
  a:connect(address_of(b))
  T.eq(a:send_many { "x", "y" }, 2)
  b:sendto("fine", address_of(a))
  expect(a:recv_many(), { "fine" })
  a:close()
  b:close()
end)

T.test("bad_arguments_are_named", function()
  local a <close> = T.ok(net.udp("127.0.0.1:0"))
  local to = address_of(a)
  T.raises("list, string or buffer expected, got number", a.send_many, a, 1)
  T.raises("datagram 2 is a number, not a string or a buffer", a.send_many, a, { "x", 2 })
  T.raises("datagram 1 is a nil, not a string or a buffer", a.send_many, a, { { nil, to } })
  T.raises("the address of datagram 1 is a string", a.send_many, a, { { "x", "[::1]:1" } })
  T.raises("not of this socket's family", a.send_many, a,
    { { "x", net.address("unix:@x") } })
  T.raises("one block needs segment_bytes", a.send_many, a, "x", { to = to })
  T.raises("segment_bytes cuts one block", a.send_many, a, { "x" }, { segment_bytes = 1 })
  T.raises("no option is named 'segment'", a.send_many, a, { "x" }, { segment = 1 })
  for _, size in ipairs { 0, 65508, 1.5, "1" } do
    T.raises("send_many: segment_bytes is " .. size .. "; a whole number from 1 to 65507",
      a.send_many, a, "x", { segment_bytes = size })
  end
  T.raises("send_many: to is true; an address", a.send_many, a, { "x" }, { to = true })
  T.raises("names no port", a.send_many, a, { "x" }, { to = "127.0.0.1" })
  T.raises("0 is not between 1 and 1024", a.recv_many, a, 0)
  T.raises("does not take the flags", a.recv_many, a, 1, net.MSG_OOB)
  T.fails("EAGAIN", a:recv_many(1, net.MSG_DONTWAIT)) -- nothing was sent
end)

T.test("only_datagram_sockets_have_them", function()
  local a, b = T.pair()
  T.raises("send_many: only a datagram socket has it", a.send_many, a, { "x" })
  T.raises("recv_many: only a datagram socket has it", a.recv_many, a)
  a:close()
  b:close()
end)

T.test("a_list_that_changes_meanwhile_is_refused_where_it_did", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local list = numbered(500)
  local task = net.spawn(function() return pcall(a.send_many, a, list) end)
  T.turns()
  list[400] = nil
  local got = 0
  while task:status() ~= "done" do
    got = got + #(b:recv_many(64, net.MSG_DONTWAIT) or {})
    net.yield()
  end
  local ok, message = task:join()
  T.eq(ok, false)
  T.match(message, "datagram 400 is a nil")
  while b:recv_many(64, net.MSG_DONTWAIT) do end
  T.eq(a:send_many { "x" }, 1) -- nobody holds the gate
  a:close()
  b:close()
end)

-- --- waiting ---------------------------------------------------------------------------

T.test("recv_many_gives_up_after_the_timeout_and_loses_nothing", function()
  local a, b = T.datagrams()
  b:settimeout(0.005)
  local err = T.fails("timeout", b:recv_many())
  T.eq(err.op, "recv_many")
  a:sendto("later", address_of(b))
  b:settimeout(5)
  expect(b:recv_many(), { "later" })
  a:close()
  b:close()
end)

T.test("send_many_gives_up_after_the_timeout_and_says_how_far_it_came", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  a:settimeout(0.01)
  local list = numbered(5000)
  local err = T.fails("timeout", a:send_many(list))
  T.eq(err.index, err.sent + 1)
  local got = {}
  local d = b:recv_many(64, net.MSG_DONTWAIT)
  while d do
    table.move(d, 1, #d, #got + 1, got)
    d = b:recv_many(64, net.MSG_DONTWAIT)
  end
  T.eq(#got, err.sent)
  for i = 1, #got do T.eq(got[i], list[i]) end
  a:close()
  b:close()
end)

T.test("closing_wakes_who_sends_and_who_receives_many", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  local list = numbered(5000)
  local sender = T.waiting(function() return a:send_many(list) end)
  local receivers = {}
  for i = 1, 3 do receivers[i] = T.waiting(function() return a:recv_many() end) end
  a:close()
  local err = T.fails("closed", sender:join())
  T.match(tostring(err), "test_datagrams.lua:%d+")
  T.ok(err.sent > 0)
  for i = 1, 3 do T.fails("closed", receivers[i]:join()) end
  b:close()
end)

T.test("cancel_and_deadline_end_a_wait_for_many", function()
  local a <close> = T.ok(net.udp("127.0.0.1:0"))
  local task = T.waiting(function() return a:recv_many() end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.fails("timeout", net.deadline(0.01, function() return a:recv_many() end))
end)

T.test("several_tasks_receive_many_in_turn", function()
  local a, b = T.datagrams()
  local order, tasks = {}, {}
  for i = 1, 3 do
    tasks[i] = T.waiting(function()
      local datas = b:recv_many(1)
      order[#order + 1] = i .. datas[1]
    end)
  end
  a:send_many({ "a", "b", "c" }, { to = address_of(b) })
  for i = 1, 3 do tasks[i]:join() end
  T.eq(T.list(order), "1a 2b 3c")
  a:close()
  b:close()
end)

T.test("send_many_takes_a_name_and_waits_for_its_address", { net = "fake" }, function()
  local a, b = T.datagrams()
  T.eq(a:send_many({ "x", "y" }, { to = "localhost:" .. address_of(b).port }), 2)
  expect(gather(b, 2), { "x", "y" })
  local err = T.fails("EAI_NONAME", a:send_many({ "x" }, { to = "nowhere.test:9" }))
  T.match(tostring(err), "send_many nowhere.test")
  a:close()
  b:close()
end)

T.test("recv_many_takes_what_was_read_ahead_first", function()
  local a, b = T.datagrams()
  for i = 1, 5 do a:sendto(tostring(i), address_of(b)) end
  T.eq(b:recvfrom(), "1")
  expect(gather(b, 4), { "2", "3", "4", "5" })
  a:close()
  b:close()
end)

T.test("a_finalizer_does_not_receive_many", function()
  local a, b = T.datagrams()
  local message
  setmetatable({}, { __gc = function() message = select(2, pcall(b.recv_many, b)) end })
  collectgarbage()
  T.match(message, "not for finalizers")
  a:close()
  b:close()
end)

T.test("hard_faults_are_told", { net = "hard", seeds = 100 }, function()
  local a, b = net.udp("127.0.0.1:0"), net.udp("127.0.0.1:0")
  local list, sent = numbered(30), 0
  if a and b and a:connect(b:getsockname() or "127.0.0.1:9") then
    for _ = 1, 10 do
      local n, err = a:send_many(list)
      T.ok(n == 30 or err.index == err.sent + 1)
      sent = sent + (n or err.sent)
    end
    b:settimeout(1)
    local datas, _, code
    repeat datas, _, code = b:recv_many() until datas or code == "timeout"
  end
  if a then a:close() end
  if b then b:close() end
end)

-- --- send_repeat and discard -----------------------------------------------------------

T.test("where_nothing_can_step_aside_a_long_move_goes_on", function()
  local a, b = T.datagrams() -- which has no room for them
  local options = { count = 20000, to = address_of(b) }
  local function move() return T.ok(a:send_repeat("x", options)).datagrams end
  T.eq(("x"):gsub("x", move), "20000")
  a:close()
  b:close()
end)

T.test("a_datagram_is_repeated_and_counted", function()
  local a, b = roomy()
  local task = T.waiting(function() return b:discard { count = 100 } end)
  local sent = T.ok(a:send_repeat(("x"):rep(SIZE), { count = 100, to = address_of(b) }))
  T.eq(sent.datagrams, 100)
  T.eq(sent.bytes, 100 * SIZE)
  T.eq(sent.ended, "count")
  T.ok(sent.seconds > 0 and sent.bits_per_second > 0)
  local got = T.ok(task:join())
  T.eq(got.datagrams, 100)
  T.eq(got.bytes, 100 * SIZE)
  T.eq(got.ended, "count")
  T.eq(got.dropped_datagrams or 0, 0) -- a kernel may not tell
  a:close()
  b:close()
end)

local function repeated_in_memory()
  local a, b = T.datagrams()
  local task = T.waiting(function() return b:discard { idle_seconds = 5, numbered = true } end)
  T.eq(T.ok(a:send_repeat(("x"):rep(SIZE), { count = 30, to = address_of(b),
    numbered = true })).datagrams, 30)
  local got = T.ok(task:join())
  T.eq(got.datagrams, 30)
  T.eq(got.lost_datagrams, 0)
  T.eq(got.ended, "idle")
  a:close()
  b:close()
end

T.test("a_datagram_is_repeated_in_memory", { net = "fake" }, repeated_in_memory)

T.test("each_method_sends_the_same", function()
  for _, method in ipairs { "gso", "sendmmsg" } do
    local a, b = roomy()
    b:setsockopt("UDP_GRO", method == "gso")
    a:connect(address_of(b))
    local sent, _, code = a:send_repeat("0123456789abcdef", {
      count = 130, method = method, numbered = true,
    })
    if not sent and code == "EIO" then T.skip("no segmentation offload here") end
    T.eq(sent.method, method)
    local datas = gather(b, 130)
    for i = 1, 130 do
      T.eq(string.unpack(">I8", datas[i]), i)
      T.eq(datas[i]:sub(9), "89abcdef")
    end
    a:close()
    b:close()
  end
end)

T.test("numbers_tell_what_was_lost_and_what_came_late", function()
  for _, joined in ipairs { false, true } do
    local a, b = T.datagrams()
    b:setsockopt("UDP_GRO", joined)
    local list = {}
    for i, n in ipairs { 1, 2, 5, 4, 9 } do list[i] = string.pack(">I8", n) .. "data" end
    a:send_many(list, { to = address_of(b) })
    local got = T.ok(b:discard { count = 5, numbered = true })
    T.eq(got.datagrams, 5)
    T.eq(got.lost_datagrams, 4) -- 3, 6, 7, 8
    T.eq(got.late_datagrams, 1) -- 4
    a:close()
    b:close()
  end
end)

T.test("what_the_kernel_dropped_is_told", function()
  local a, b = T.datagrams()
  b:setsockopt("SO_RCVBUF", 4096)
  local task = T.waiting(function() return b:discard { idle_seconds = 0.05 } end)
  T.ok(a:send_many(numbered(60), { to = address_of(b) })) -- one call: nobody reads meanwhile
  local got = T.ok(task:join())
  if not got.dropped_datagrams then T.skip("this kernel does not tell") end
  T.ok(got.dropped_datagrams > 0)
  T.eq(got.datagrams + got.dropped_datagrams, 60)
  a:close()
  b:close()
end)

T.test("a_train_that_was_left_is_discarded_first", function()
  local a, b = joining()
  local _, figures = T.ok(a:send_many(numbered(10)))
  T.ok(b:recvfrom())
  local got = T.ok(b:discard { count = 9 })
  T.eq(got.datagrams, 9)
  T.eq(got.bytes, 9 * SIZE)
  if figures.method == "gso" then T.eq(got.calls, 0) end
  a:close()
  b:close()
end)

T.test("a_pace_is_kept", { net = "fake" }, function()
  local a, b = T.datagrams()
  local before = net.now()
  local sent = T.ok(a:send_repeat(("x"):rep(1000), {
    count = 51, bits_per_second = 80000, to = address_of(b), -- ten a second
  }))
  T.eq(sent.datagrams, 51)
  local seconds = net.now() - before
  T.ok(seconds >= 5 and seconds < 5.2, seconds)
  a:close()
  b:close()
end)

T.test("closing_wakes_who_keeps_a_slow_pace", function()
  local a, b = T.datagrams()
  local task = T.waiting(function()
    return a:send_repeat(("x"):rep(1000), {
      count = 2, bits_per_second = 10, to = address_of(b), -- 800 seconds between the two
    })
  end)
  a:close()
  T.eq(T.fails("closed", task:join()).figures.datagrams, 1)
  b:close()
end)

T.test("a_method_that_cannot_be_is_refused", function()
  local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
  T.fails("EOPNOTSUPP", a:send_repeat("x", { count = 2, method = "gso" }))
  T.eq(T.ok(a:send_repeat("x", { count = 2 })).method, "sendmmsg")
  a:close()
  b:close()
end)

T.test("seconds_end_both", function()
  local a, b = T.datagrams()
  local seconds = 0.05 * T.slow
  local task = net.spawn(function() return b:discard { seconds = seconds } end)
  local sent = T.ok(a:send_repeat("x", { seconds = seconds, to = address_of(b) }))
  T.eq(sent.ended, "seconds")
  T.ok(sent.datagrams > 0)
  T.eq(T.ok(task:join()).ended, "seconds")
  a:close()
  b:close()
end)

T.test("silence_ends_a_discard_and_does_not_count", { net = "fake" }, function()
  local a, b = T.datagrams()
  local task = T.waiting(function() return b:discard { idle_seconds = 3 } end)
  net.sleep(1)
  a:sendto("x", address_of(b))
  local got = T.ok(task:join())
  T.eq(got.datagrams, 1)
  T.eq(got.ended, "idle")
  T.ok(got.seconds > 0.9 and got.seconds < 1.5, got.seconds)
  a:close()
  b:close()
end)

T.test("ticks_tell_how_far_they_are", { net = "fake" }, function()
  local a, b = T.datagrams()
  local told = {}
  T.ok(a:send_repeat(("x"):rep(100), {
    seconds = 3.5, bits_per_second = 8000, to = address_of(b),
    on_tick = function(f)
      told[#told + 1] = f.datagrams
      T.eq(f.bytes, f.datagrams * 100)
    end,
  }))
  T.ok(#told >= 3)
  T.ok(told[2] > told[1])
  a:close()
  b:close()
end)

T.test("a_failure_of_a_long_run_has_its_figures", function()
  local a, b = T.datagrams()
  b:settimeout(0.01)
  local err = T.fails("timeout", b:discard())
  T.eq(err.figures.datagrams, 0)
  err = T.fails("EINVAL", a:send_repeat("x", { count = 1, to = "127.0.0.1:0" }))
  T.eq(err.figures.datagrams, 0)
  T.eq(err.sent, 0)
  a:close()
  b:close()
end)

T.test("closing_ends_both", function()
  local a, b = T.datagrams()
  local waits = T.waiting(function() return b:discard() end)
  local sends = net.spawn(function()
    return a:send_repeat("x", { seconds = 60, to = address_of(a) })
  end)
  T.turns()
  a:close()
  b:close()
  T.fails("closed", waits:join())
  T.ok(T.fails("closed", sends:join()).figures.datagrams > 0)
end)

T.test("what_they_are_asked_has_to_make_sense", function()
  local a <close> = T.ok(net.udp("127.0.0.1:0"))
  T.raises("one of seconds, bytes and count", a.send_repeat, a, "x", {})
  T.raises("one of seconds, bytes and count", a.send_repeat, a, "x", { count = 1, bytes = 1 })
  T.raises("a number takes 8 bytes", a.send_repeat, a, "x", { count = 1, numbered = true })
  T.raises("there is nothing to repeat", a.send_repeat, a, "", { count = 1 })
  T.raises("more than 65507 bytes", a.send_repeat, a, ("x"):rep(65508), { count = 1 })
  T.raises("bits_per_second is 0; a number, 1 or more", a.send_repeat, a, "x",
    { count = 1, bits_per_second = 0 })
  T.raises("no method 'vmsplice' for datagrams", a.send_repeat, a, "x", { count = 1, method = "vmsplice" })
  T.raises("no method 'table: .*' for datagrams", a.send_repeat, a, "x", { count = 1, method = {} })
  T.raises("send_repeat: to is table: .*; an address", a.send_repeat, a, "x", { count = 1, to = {} })
  T.raises("send_repeat: numbered is 1; true or false", a.send_repeat, a, ("x"):rep(8),
    { count = 1, numbered = 1 })
  T.raises("discard: numbered is 1; true or false", a.discard, a, { numbered = 1 })
  T.raises("discard: idle_seconds is x; a number of seconds", a.discard, a, { idle_seconds = "x" })
  T.raises("discard: idle_seconds is %-1; a number of seconds", a.discard, a, { idle_seconds = -1 })
  T.raises("no option is named 'to'", a.discard, a, { to = 1 })
  T.eq(T.ok(a:discard { count = 0 }).datagrams, 0)
  local p, q = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_SEQPACKET))
  T.raises("carries packets", p.discard, p)
  p:close()
  q:close()
end)

T.test("other_tasks_run_beside_a_long_send", function()
  local a, b = T.datagrams()
  local turns = 0
  local ticker = net.spawn(function()
    while true do
      turns = turns + 1
      net.yield()
    end
  end)
  T.ok(a:send_repeat("x", { seconds = 0.1, to = address_of(b) }))
  ticker:cancel()
  T.ok(turns > 2, turns)
  a:close()
  b:close()
end)
