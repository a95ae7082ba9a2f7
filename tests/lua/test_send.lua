-- Sending on streams: all of it or a failure, fragments, queues, what the kernel takes.

local net = require "net"
local T = require "harness"

local MIB = 1024 * 1024

-- A text of n bytes that differs from itself when a piece is lost or moved.
local function pattern(n, seed)
  local parts = {}
  for i = 1, 1250 do parts[i] = ("%07d%s"):format(i, seed or ".") end
  local period = table.concat(parts) .. "odd"
  return period:rep(n // #period + 1):sub(1, n)
end

T.test("send_hands_over_everything_to_a_slow_reader", function()
  local a, b = T.pair()
  local text = pattern(4 * MIB)
  local sender = net.spawn(function() return a:send(text) end)
  local parts, size = {}, 1
  local got = 0
  while got < #text do
    local piece = T.ok(b:recv(size))
    parts[#parts + 1] = piece
    got = got + #piece
    size = size * 3 % 40000 + 1
    if #parts % 8 == 0 then net.yield() end
  end
  T.ok(table.concat(parts) == text)
  T.eq(sender:join(), #text)
end)

T.test("send_waits_for_room", function()
  local a, b = T.pair()
  T.fill(a)
  local sender = T.waiting(function() return a:send("last") end)
  a:shutdown(net.SHUT_RD)
  net.spawn(function()
    sender:join()
    a:shutdown()
  end)
  T.match(b:read("a"), "xlast$")
end)

T.test("send_takes_numbers_and_fragments", function()
  local a, b = T.pair()
  T.eq(a:send(42), 2)
  T.eq(a:send({ "a", 1, "b", 2.5, "" }), 6)
  T.eq(a:send({}), 0)
  T.eq(a:send(""), 0)
  T.eq(a:write("w"), 1)
  a:shutdown()
  T.eq(b:read("a"), "42a1b2.5w")
end)

T.test("send_refuses_what_is_no_text", function()
  local a, _b = T.pair()
  T.raises("fragment 2 is a boolean, not a string", a.send, a, { "a", true })
  T.raises("fragment 1 is a table", a.send, a, { {} })
  T.raises("string expected, got nil", a.send, a, nil)
  T.raises("string expected, got boolean", a.send, a, true)
  T.raises("fragment 2 is a nil", a.send, a, setmetatable({ "a" }, {
    __len = function() return 2 end,
  }))
end)

T.test("fragments_go_through_metamethods", function()
  local a, b = T.pair()
  local list = setmetatable({}, {
    __len = function() return 3 end,
    __index = function(_, i) return "<" .. i .. ">" end,
  })
  T.eq(a:send(list), 9)
  T.eq(b:recv(), "<1><2><3>")
end)

T.test("send_some_gives_what_the_kernel_took", function()
  local a, b = T.pair()
  local text = pattern(16 * MIB)
  local n = a:send_some(text)
  T.ok(n > 0 and n < #text, n)
  a:shutdown()
  T.ok(b:read("a") == text:sub(1, n))
end)

T.test("send_some_waits_until_one_byte_goes", function()
  local a, b = T.pair()
  local filled = T.fill(a)
  local sender = T.waiting(function() return a:send_some(("y"):rep(MIB)) end)
  local drained = 0
  while sender:status() == "waiting" do
    drained = drained + #b:recv()
    net.yield()
  end
  local n = sender:join()
  T.ok(n > 0 and n <= MIB)
  a:shutdown()
  T.eq(drained + T.drain(b), filled + n)
end)

T.test("a_send_that_times_out_tells_how_much_had_gone", function()
  local a, b = T.pair()
  local text = pattern(8 * MIB)
  a:settimeout(0.02)
  local err = T.fails("timeout", a:send(text))
  T.ok(err.sent > 0 and err.sent < #text, err.sent)
  T.eq(err.op, "send")
  a:settimeout(nil)
  local rest = net.spawn(function()
    a:send(text:sub(err.sent + 1))
    a:shutdown()
  end)
  T.ok(b:read("a") == text)
  rest:join()
end)

T.test("a_send_whose_turn_does_not_come_in_time_has_sent_nothing", function()
  local a, b = T.pair()
  local first = T.waiting(function() return a:send(pattern(8 * MIB)) end)
  a:settimeout(0.01)
  local err = T.fails("timeout", a:send("late"))
  T.eq(err.sent, 0)
  a:settimeout(nil)
  net.spawn(function()
    first:join()
    a:shutdown()
  end)
  T.ok(b:read("a") == pattern(8 * MIB))
end)

T.test("two_tasks_send_on_one_stream_and_bytes_stay_whole", function()
  local a, b = T.pair()
  local texts, senders = {}, {}
  for i = 1, 4 do
    texts[i] = pattern(2 * MIB + i, string.char(96 + i))
    senders[i] = net.spawn(function() return a:send(texts[i]) end)
  end
  net.spawn(function()
    for i = 1, 4 do T.eq(senders[i]:join(), #texts[i]) end
    a:shutdown()
  end)
  local parts = {}
  while true do
    local piece = b:recv(50000)
    if not piece then break end
    parts[#parts + 1] = piece
    if #parts % 16 == 0 then net.yield() end
  end
  T.ok(table.concat(parts) == table.concat(texts), "the bytes of two sends were mixed")
end)

T.test("many_small_sends_of_many_tasks_stay_whole_and_in_order", function()
  local a, b = T.pair()
  local tasks = {}
  for i = 1, 20 do
    tasks[i] = net.spawn(function()
      for j = 1, 50 do a:send(("%02d:%03d\n"):format(i, j)) end
    end)
  end
  net.spawn(function()
    for i = 1, 20 do tasks[i]:join() end
    a:shutdown()
  end)
  local last, count = {}, 0
  for line in b:lines() do
    local i, j = line:match("^(%d%d):(%d%d%d)$")
    T.ok(i, line)
    T.eq(tonumber(j), (last[i] or 0) + 1)
    last[i] = tonumber(j)
    count = count + 1
  end
  T.eq(count, 1000)
end)

T.test("a_cancelled_sender_lets_the_next_one_go_on", function()
  local a, b = T.pair()
  local first = T.waiting(function() a:send(pattern(8 * MIB)) end)
  local second = T.waiting(function() return a:send("second") end)
  first:cancel()
  T.fails("cancelled", first:join())
  net.spawn(function()
    second:join()
    a:shutdown()
  end)
  T.match(b:read("a"), "second$")
  T.eq(second:join(), 6)
end)

T.test("a_cancelled_task_leaves_the_queue", function()
  local a, b = T.pair()
  local first = T.waiting(function() a:send(pattern(8 * MIB)) end)
  local second = T.waiting(function() a:send("second") end)
  local third = T.waiting(function() a:send("third") end)
  second:cancel()
  T.fails("cancelled", second:join())
  net.spawn(function()
    first:join()
    third:join()
    a:shutdown()
  end)
  local all = b:read("a")
  T.eq(#all, 8 * MIB + 5)
  T.match(all, "third$")
end)

T.test("a_send_to_a_peer_that_went_away_fails_for_good", function()
  local a, b = T.pair()
  b:close()
  local err, code
  repeat
    local n
    n, err, code = a:send(("x"):rep(65536))
  until not n
  T.ok(code == "EPIPE" or code == "ECONNRESET", code)
  T.eq(type(err.sent), "number")
  for _ = 1, 3 do
    local n, again, same = a:send("more")
    T.eq(n, nil)
    T.eq(same, code)
    T.eq(again.sent, 0)
  end
  T.fails(code, a:send_some("more"))
end)

T.test("a_reset_stays_the_answer_of_reading", { net = "fake" }, function()
  local a, b = T.pair()
  b:send("unread by a")
  a:send("data")
  a:close()
  T.eq(b:recv(), "data")
  for _ = 1, 3 do
    local err = T.fails("ECONNRESET", b:recv())
    T.match(err.hint, "bytes unread")
    T.fails("ECONNRESET", b:read())
    T.fails("ECONNRESET", b:read("a"))
  end
end)

T.test("send_counts_of_empty_texts_are_zero_also_when_the_buffer_is_full", function()
  local a, _b = T.pair()
  T.fill(a)
  a:settimeout(0)
  T.eq(a:send(""), 0)
  T.fails("timeout", a:send("x"))
end)

T.test("closing_while_a_send_waits_wakes_it_and_tells_how_much_had_gone", function()
  local a, _b = T.pair()
  local sender = T.waiting(function() return a:send(pattern(8 * MIB)) end)
  a:close()
  local err = T.fails("closed", sender:join())
  T.ok((err.sent or 0) > 0, "err.sent is " .. tostring(err.sent))
end)

T.test("closing_wakes_those_who_queue_to_send", function()
  local a, _b = T.pair()
  local senders = {}
  for i = 1, 4 do senders[i] = T.waiting(function() return a:send(pattern(8 * MIB)) end) end
  a:close()
  for i = 1, 4 do T.fails("closed", senders[i]:join()) end
end)

T.test("queued_sends_of_every_size_keep_their_order", function()
  local a, b = T.pair()
  local sizes = { 1, 16383, 7, 16384, 16385, 2, 100000, 3, 65536, 9 }
  local parts = {}
  for i = 1, 60 do parts[i] = pattern(sizes[i % #sizes + 1], string.char(65 + i % 26)) end
  net.spawn(function()
    for _, part in ipairs(parts) do T.eq(a:send(part), #part) end
    a:close()
  end)
  T.ok(T.ok(b:read("a")) == table.concat(parts))
end)

T.test("close_delivers_everything_that_was_sent", function()
  local a, b = T.pair()
  for i = 1, 20000 do a:send(("%08d\n"):format(i)) end
  a:close()
  local n = 0
  for line in b:lines() do
    n = n + 1
    T.eq(tonumber(line), n)
  end
  T.eq(n, 20000)
end)

T.test("queued_sends_wait_for_room", function()
  local a, b = T.pair()
  local sent = 0
  local sender = net.spawn(function()
    for _ = 1, 100000 do sent = sent + a:send(("x"):rep(100)) end
    a:close()
  end)
  while sender:status() ~= "waiting" do net.yield() end
  T.ok(sent < 10000000)
  T.eq(T.drain(b), 10000000)
  T.eq(sender:join(), nil)
end)

T.test("the_error_of_a_queued_send_is_told_by_the_next_call", function()
  local a, b = T.pair()
  b:setsockopt("SO_LINGER", 0)
  b:close()
  net.sleep(0.001)
  local n, err, code = a:send("x")
  if n then
    net.yield()
    n, err, code = a:send("x")
  end
  T.eq(n, nil)
  T.ok(code == "ECONNRESET" or code == "EPIPE", err)
  T.fails(code == "EPIPE" and code or "ECONNRESET", a:send("x"))
end)
