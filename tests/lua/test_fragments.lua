-- send of lists and buffers: bytes that leave from where they lie.

local net = require "net"
local T = require "harness"

local KIB, MIB = 1024, 1024 * 1024

local function period_of(seed)
  local parts = {}
  for i = 1, 1250 do parts[i] = ("%07d%s"):format(i, seed) end
  return table.concat(parts) .. "odd"
end

local periods = {}

-- A text of n bytes that differs from itself when a piece is lost or moved.
local function pattern(n, seed)
  seed = seed or "."
  periods[seed] = periods[seed] or period_of(seed)
  return periods[seed]:rep(n // #periods[seed] + 1):sub(1, n)
end

-- Fragments of many sizes and kinds, and the text that they are.
local function mixed(count, largest)
  local list, texts, size = {}, {}, 1
  for i = 1, count do
    local text = pattern(size, string.char(65 + i % 26))
    list[i] = i % 3 == 0 and net.buffer(text) or text
    if i % 7 == 0 then list[i], text = i, tostring(i) end
    if i % 11 == 0 then list[i], text = "", "" end
    if i % 13 == 0 then list[i], text = net.buffer(0), "" end
    texts[i] = text
    size = size * 3 % largest + 1
  end
  return list, table.concat(texts)
end

-- What arrives, read to the end beside the sender.
local function received(stream)
  return net.spawn(function() return stream:read("a") end)
end

for _, kind in ipairs { "epoll", "fake", "soft" } do
  local soft = kind == "soft"
  local options = { net = kind, seeds = soft and 20 or nil, stderr = soft and {} or nil }
  local large = soft and 9000 or 90000 -- by pieces of a few bytes much takes long

  T.test("fragments_arrive_in_order (" .. kind .. ")", options, function()
    local a, b = T.pair()
    local reader = received(b)
    local wanted = {}
    for _, shape in ipairs { { 5, 50 }, { 40, 3000 }, { 600, 40 }, { 700, 997 }, { 30, large },
      { 257, 400 }, { 1, 3 * large } } do
      local list, text = mixed(table.unpack(shape))
      T.eq(T.ok(a:send(list)), #text)
      T.eq(T.ok(a:send("|")), 1)
      wanted[#wanted + 1] = text .. "|"
    end
    a:shutdown()
    T.ok(reader:join() == table.concat(wanted))
  end)

  T.test("a_buffer_leaves_whole_or_in_part (" .. kind .. ")", options, function()
    local a, b = T.pair()
    local reader = received(b)
    local text = pattern(300000)
    local buffer = net.buffer(text)
    T.eq(a:send(buffer), 300000)
    T.eq(a:send(buffer, 11), 299990)
    T.eq(a:send(buffer, 2, 5), 4)
    T.eq(a:send(buffer, -3), 3)
    T.eq(a:send(buffer, 300001), 0)
    T.eq(a:write(buffer, 1, 100000), 100000)
    a:shutdown()
    T.ok(reader:join() == text .. text:sub(11) .. text:sub(2, 5) .. text:sub(-3)
      .. text:sub(1, 100000))
  end)
end

T.test("a_list_may_change_while_its_send_waits", function()
  local a, b = T.pair()
  local list, wanted = {}, {}
  for i = 1, 64 do
    list[i] = pattern(200 * KIB, string.char(64 + i))
    wanted[i] = list[i]
  end
  local sender = T.waiting(function() return a:send(list) end)
  for i = 1, 64 do list[i] = i % 2 == 0 and "changed" or nil end
  collectgarbage()
  collectgarbage()
  local text = table.concat(wanted)
  T.ok(b:read_exact(#text) == text)
  T.eq(sender:join(), #text)
  T.eq(b:pending(), 0)
end)

T.test("a_buffer_that_has_gone_may_change_while_the_rest_waits", function()
  local a, b = T.unix_pair()
  local first, second = net.buffer(("f"):rep(20 * KIB)), net.buffer(8 * MIB)
  local sender = T.waiting(function() return a:send { first, second } end)
  first:fill()
  T.raises("busy", second.fill, second)
  T.ok(b:read_exact(20 * KIB) == ("f"):rep(20 * KIB))
  T.eq(#b:read_exact(8 * MIB), 8 * MIB)
  T.eq(sender:join(), 20 * KIB + 8 * MIB)
end)

T.test("fragments_that_time_out_tell_how_much_had_gone", function()
  local a, b = T.pair()
  local list, texts = {}, {}
  for i = 1, 900 do
    texts[i] = pattern(10 * KIB + i, string.char(65 + i % 26))
    list[i] = i % 2 == 0 and net.buffer(texts[i]) or texts[i]
  end
  local text = table.concat(texts)
  a:settimeout(0.02)
  local err = T.fails("timeout", a:send(list))
  T.ok(err.sent > 0 and err.sent < #text, err.sent)
  T.eq(err.op, "send")
  a:settimeout(nil)
  local reader = received(b)
  T.eq(a:send(text:sub(err.sent + 1)), #text - err.sent)
  a:shutdown()
  T.ok(reader:join() == text)
end)

T.test("fragments_of_two_tasks_never_mix", function()
  local a, b = T.pair()
  local texts, senders = {}, {}
  for i = 1, 4 do
    local list
    list, texts[i] = mixed(300, 60000)
    senders[i] = net.spawn(function() return a:send(list) end)
  end
  local reader = received(b)
  for i = 1, 4 do T.eq(senders[i]:join(), #texts[i]) end
  a:shutdown()
  T.ok(reader:join() == table.concat(texts))
end)

T.test("a_cancelled_send_of_fragments_lets_the_next_one_go_on", function()
  local a, b = T.pair()
  local first = T.waiting(function() a:send { "head", pattern(8 * MIB) } end)
  local second = T.waiting(function() return a:send { "sec", "ond" } end)
  first:cancel()
  T.fails("cancelled", first:join())
  local reader = received(b)
  T.eq(second:join(), 6)
  a:shutdown()
  T.match(reader:join(), "second$")
end)

T.test("closing_while_fragments_wait_wakes_their_sender", function()
  local a, _b = T.pair()
  local buffer = net.buffer(8 * MIB)
  local sender = T.waiting(function() return a:send { buffer, buffer } end)
  local queued = T.waiting(function() return a:send { "x", buffer } end)
  a:close()
  local err = T.fails("closed", sender:join())
  T.ok(err.sent > 0 and err.sent < 16 * MIB, err.sent)
  T.eq(T.fails("closed", queued:join()).sent, 0)
  buffer:fill()
end)

T.test("fragments_to_a_peer_that_went_away_fail_for_good", function()
  local a, b = T.pair()
  local list = { pattern(20 * KIB), net.buffer(20 * KIB) }
  b:close()
  local n, err, code
  repeat n, err, code = a:send(list) until not n
  T.ok(code == "EPIPE" or code == "ECONNRESET", code)
  T.ok(err.sent >= 0)
  T.fails(code, a:send(list))
  T.fails(code, a:send { "x" })
  T.fails(code, a:send(list[2]))
end)

T.test("what_does_not_wait_tells_what_was_taken", function()
  local a, b = T.unix_pair()
  local list, text = mixed(200, 300000)
  local n = T.ok(a:send(list, net.MSG_DONTWAIT))
  T.ok(n > 0 and n < #text, n)
  T.ok(b:read_exact(n) == text:sub(1, n))
  T.fill(a)
  T.fails("EAGAIN", a:send(list, net.MSG_DONTWAIT))
  T.fails("EAGAIN", a:send(net.buffer(9), 1, 9, net.MSG_DONTWAIT))
  T.fails("EAGAIN", a:send({ "x" }, net.MSG_DONTWAIT))
end)

T.test("flags_go_with_lists_and_buffers", function()
  local a, b = T.pair()
  T.eq(a:send({ "a", net.buffer("b") }, net.MSG_MORE), 2)
  T.eq(a:send(net.buffer("xcd"), 2, 3, net.MSG_DONTROUTE), 2)
  T.eq(b:read_exact(4), "abcd")
  T.raises("does not take the flags", a.send, a, net.buffer("x"), 1, 1, net.MSG_PEEK)
end)

T.test("send_some_of_fragments_gives_what_the_kernel_took", function()
  local a, b = T.pair()
  local list, text = mixed(300, 200000)
  local n = a:send_some(list)
  T.ok(n > 0 and n < #text, n)
  T.ok(b:read_exact(n) == text:sub(1, n))
  T.eq(a:send_some { "small", 1 }, 6)
  local buffer = net.buffer(pattern(16 * MIB))
  local m = a:send_some(buffer, 100)
  T.ok(m > 0 and m < 16 * MIB, m)
  T.eq(a:send_some({}), 0)
  T.ok(b:read_exact(6 + m) == "small1" .. buffer:sub(100, 99 + m))
end)

T.test("send_some_of_a_buffer_waits_until_one_byte_goes", function()
  local a, b = T.unix_pair()
  local filled = T.fill(a)
  local buffer = net.buffer(MIB)
  local sender = T.waiting(function() return a:send_some(buffer, 2) end)
  T.raises("busy", buffer.fill, buffer)
  local drained = 0
  while sender:status() == "waiting" do
    drained = drained + #b:recv()
    net.yield()
  end
  local n = sender:join()
  T.ok(n > 0 and n < MIB)
  a:shutdown()
  T.eq(drained + T.drain(b), filled + n)
end)

T.test("datagrams_are_made_of_fragments_and_buffers", function()
  local a, b = T.datagrams()
  b:connect(a:getsockname())
  T.eq(b:send { "a", net.buffer("bc"), 4 }, 4)
  T.eq(b:send(net.buffer("xyz")), 3)
  T.eq(b:send(net.buffer("xyz"), 2), 2)
  T.eq(b:send(net.buffer(0)), 0)
  T.eq(T.list { (a:recv()), (a:recv()), (a:recv()), (a:recv()) }, "abc4 xyz yz ")
end)

T.test("fragments_go_to_what_is_no_socket", function()
  local name = os.tmpname()
  os.remove(name)
  os.execute("mkfifo " .. name)
  local reader = T.ok(io.open(name, "r+"))
  local fd
  for n = 3, 30 do
    local link = io.popen("readlink /proc/$PPID/fd/" .. n)
    if link:read("a") == name .. "\n" then fd = n end
    link:close()
  end
  local pipe = T.ok(net.fdopen(fd))
  local list, text = mixed(30, 3000)
  T.eq(T.ok(pipe:send(list)), #text)
  local got = ""
  while #got < #text do got = got .. T.ok(pipe:recv()) end
  T.ok(got == text)
  pipe:close()
  getmetatable(reader).__gc = nil -- its descriptor has gone
  os.remove(name)
end)

T.test("lists_that_cannot_be_sent_raise_and_send_nothing", function()
  local a, b = T.pair()
  local long = pattern(20 * KIB)
  T.raises("fragment 3 is a boolean, not a string, a number or a buffer", a.send, a,
    { long, "x", false })
  T.raises("fragment 2 is a userdata", a.send, a, { "x", io.stderr })
  T.raises("fragment 1 is a table", a.send, a, { {} })
  T.raises("fragment 1 is a nil", a.send, a, setmetatable({}, {
    __len = function() return math.maxinteger end,
  }))
  T.raises("no length", a.send, a, setmetatable({}, { __len = function() error("no length") end }))
  T.raises("9 is outside of 3 bytes", a.send, a, net.buffer(3), 9)
  T.raises("string expected, got nil", a.send, a, nil)
  T.raises("string expected, got FILE", a.send, a, io.stderr)
  a:close()
  T.eq(b:read("a"), "")
end)

T.test("metamethods_that_play_a_list_are_called_once", function()
  local a, b = T.pair()
  local calls = 0
  local list = setmetatable({}, {
    __len = function() return 3 end,
    __index = function(_, i)
      calls = calls + 1
      return pattern(10 * KIB, tostring(i))
    end,
  })
  T.eq(a:send(list), 30 * KIB)
  T.eq(calls, 3)
  T.ok(b:read_exact(30 * KIB) == pattern(10 * KIB, "1") .. pattern(10 * KIB, "2")
    .. pattern(10 * KIB, "3"))
end)

T.test("a_metamethod_may_close_the_socket", function()
  local a, _b = T.pair()
  T.fails("closed", a:send(setmetatable({}, {
    __len = function() return 1 end,
    __index = function()
      a:close()
      return "x"
    end,
  })))
end)

T.test("without_memory_fragments_are_whole_or_not_begun", function()
  local long = pattern(40 * KIB)
  T.starve(function()
    local a, b = T.pair()
    return { a = a, b = b, list = { "x", 1.5, long, net.buffer("yz") } }
  end, function(p)
    return p.a:send(p.list)
  end, function(p, ok, n)
    T.ok(not ok and tostring(n):find("not enough memory") or n == #long + 6, n)
    p.a:close()
    local got = p.b:read("a")
    T.ok(got == (ok and "x1.5" .. long .. "yz" or ""), #got)
    p.b:close()
  end)
end)
