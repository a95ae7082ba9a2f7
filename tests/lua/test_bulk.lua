-- send_repeat and discard: bytes that a script neither makes nor sees.

local net = require "net"
local T = require "harness"

local MIB = 1024 * 1024
local METHODS = { "send", "vmsplice", "sendfile", "zerocopy" }

-- The first n bytes of the data, again and again.
local function stream(data, n)
  return data:rep(n // #data + 1):sub(1, n)
end

-- A text of n bytes that differs from itself when a piece is lost or moved.
local function pattern(n)
  local parts = {}
  for i = 1, 1250 do parts[i] = ("%07d."):format(i) end
  return stream(table.concat(parts) .. "odd", n)
end

local function read_all(b)
  return T.ok(b:read("a", { max = 1 << 30 }))
end

-- Sends with the options; gives the figures, having checked that the reader got the stream.
local function send(a, b, data, options)
  local sender = net.spawn(function()
    local figures = T.ok(a:send_repeat(data, options))
    a:shutdown()
    return figures
  end)
  local text = read_all(b)
  local figures = sender:join()
  T.eq(figures.bytes, #text)
  T.ok(text == stream(tostring(data), #text), "other bytes than were sent")
  return figures
end

-- --- what is sent ----------------------------------------------------------------------

for _, kind in ipairs { "epoll", "fake", "soft" } do
  local options = { net = kind, seeds = kind == "soft" and 20 or nil,
    stderr = kind == "soft" and {} or nil }
  T.test("send_repeat_sends_the_data_as_one_stream (" .. kind .. ")", options, function()
    for _, size in ipairs { 1, 7, 1000, 32768, 100003 } do
      local a, b = T.pair()
      local figures = send(a, b, pattern(size), { bytes = 300001 })
      T.eq(figures.bytes, 300001)
      T.eq(figures.ended, "bytes")
      T.eq(figures.method, "send")
      T.ok(figures.calls > 0 and figures.seconds >= 0 and figures.bits_per_second >= 0)
    end
  end)

  T.test("discard_takes_what_it_is_told_and_no_more (" .. kind .. ")", options, function()
    local a, b = T.pair()
    local sender = net.spawn(function()
      a:send_repeat("0123456789", { bytes = 500005 })
      a:send(";tail")
      a:shutdown()
    end)
    local figures = T.ok(b:discard { bytes = 300003 })
    T.eq(figures.bytes, 300003)
    T.eq(figures.ended, "bytes")
    T.eq(b:read_exact(2), "34")
    T.eq(T.ok(b:discard { bytes = 200000 }).bytes, 200000)
    T.eq(b:read("a"), ";tail")
    sender:join()
  end)

  T.test("discard_ends_with_the_peer (" .. kind .. ")", options, function()
    local a, b = T.pair()
    local sender = net.spawn(function()
      local figures = T.ok(a:send_repeat("0123456789", { count = 50001 }))
      a:shutdown()
      return figures
    end)
    local figures = T.ok(b:discard())
    T.eq(figures.ended, "eof")
    T.eq(figures.bytes, 500010)
    T.eq(T.ok(b:discard()).bytes, 0)
    T.fails("eof", b:recv())
    local sent = sender:join()
    T.eq(sent.bytes, 500010)
    T.eq(sent.ended, "count")
  end)
end

for _, method in ipairs(METHODS) do
  local function at_any_size(make)
    for _, size in ipairs { 1, 7, 4096, 5000, 100003, MIB + 1 } do
      local a, b = make()
      local figures = send(a, b, pattern(size), { bytes = 2 * MIB + 12345, method = method })
      T.eq(figures.method, method)
      T.eq(figures.bytes, 2 * MIB + 12345)
    end
  end

  T.test("every_byte_arrives_once_and_in_order_by_" .. method, function()
    at_any_size(T.pair)
  end)

  if method ~= "zerocopy" then
    T.test("every_byte_arrives_over_a_unix_socket_by_" .. method, function()
      at_any_size(T.unix_pair)
    end)
  end

  T.test("what_was_sent_before_and_after_stands_around_it_by_" .. method, function()
    local a, b = T.pair()
    local sender = net.spawn(function()
      a:send("head;")
      for _ = 1, 3 do
        T.ok(a:send_repeat("ab", { bytes = 99999, method = method }))
        a:send(";")
      end
      a:shutdown()
    end)
    local part = stream("ab", 99999) .. ";"
    T.ok(read_all(b) == "head;" .. part:rep(3))
    sender:join()
  end)

  T.test("a_timeout_tells_what_had_gone_by_" .. method, function()
    local a, b = T.pair()
    a:settimeout(0.02)
    local err = T.fails("timeout", a:send_repeat(pattern(5000), {
      seconds = 1000, method = method }))
    T.eq(err.op, "send_repeat")
    T.eq(err.figures.bytes, err.sent)
    T.eq(err.figures.method, method)
    T.eq(err.figures.ended, nil)
    T.ok(err.sent > 0)
    a:settimeout(nil)
    local reader = net.spawn(read_all, b)
    T.ok(a:shutdown())
    T.ok(reader:join() == stream(pattern(5000), err.sent))
  end)

  T.test("nothing_stays_open_by_" .. method, function()
    local a, b = T.pair()
    local reader = net.spawn(b.discard, b)
    local before = T.open_files()
    T.ok(a:send_repeat("success", { count = 1000, method = method }))
    T.eq(T.open_files(), before)
    local c, d = T.pair()
    local task = T.waiting(function()
      T.ok(c:send_repeat("cancelled", { seconds = 1000, method = method }))
    end)
    T.ok(task:cancel())
    T.eq(select(3, task:join()), "cancelled")
    T.eq(T.open_files(), before + 2)
    T.raises("my own", a.send_repeat, a, "an error", {
      seconds = 1000, method = method, every = 0.001, on_tick = function() error("my own") end })
    T.eq(T.open_files(), before + 2)
    d:close()
    T.ok(not c:send_repeat("failure", { seconds = 1000, method = method }))
    T.eq(T.open_files(), before + 1)
    a:close()
    reader:join()
  end)
end

T.test("a_buffer_is_repeated_as_it_was", function()
  local a, b = T.pair()
  local buffer = net.buffer("0123456789")
  local sender = net.spawn(function()
    a:send_repeat(buffer, { bytes = 9 * MIB + 5 })
    a:shutdown()
  end)
  T.turns()
  buffer:fill(0)
  T.ok(read_all(b) == stream("0123456789", 9 * MIB + 5))
  sender:join()
end)

T.test("what_cannot_be_used_gives_way_to_plain_sends", function()
  local a, b = T.pair()
  local large = pattern(9 * MIB)
  local reader = net.spawn(read_all, b)
  T.limit_files(1)
  local figures = T.ok(a:send_repeat(large, { bytes = 36 * MIB + 1 }))
  T.limit_files(1024)
  a:shutdown()
  T.eq(figures.method, "send")
  T.ok(reader:join() == stream(large, 36 * MIB + 1))
end)

T.test("a_forced_method_that_cannot_be_used_fails", function()
  local a, b = T.unix_pair()
  local err = T.fails("EOPNOTSUPP", a:send_repeat("x", { count = 1, method = "zerocopy" }))
  T.match(err.hint, "not for this socket")
  T.eq(err.figures.bytes, 0)
  T.limit_files(1)
  local vmsplice = { a:send_repeat("x", { count = 1, method = "vmsplice" }) }
  local sendfile = { a:send_repeat("x", { count = 1, method = "sendfile" }) }
  T.limit_files(1024)
  T.fails("EMFILE", table.unpack(vmsplice, 1, 3))
  T.fails("EMFILE", table.unpack(sendfile, 1, 3))
  a:send("still usable")
  a:shutdown()
  T.eq(b:read("a"), "still usable")
end)

T.test("nothing_is_sent_where_nothing_is_asked_for", { net = "fake" }, function()
  local a, b = T.pair()
  for _, options in ipairs { { bytes = 0 }, { count = 0 }, { seconds = 0 } } do
    local figures = T.ok(a:send_repeat("x", options))
    T.eq(figures.bytes, 0)
    T.eq(figures.calls, 0)
    T.eq(figures.bits_per_second, 0.0)
    T.eq(figures.ended, (next(options)))
  end
  T.eq(T.ok(b:discard { bytes = 0 }).ended, "bytes")
  T.eq(T.ok(b:discard { seconds = 0 }).ended, "seconds")
end)

-- --- when it ends ------------------------------------------------------------------------

T.test("seconds_end_both_sides", function()
  local a, b = T.pair()
  local receiver = net.spawn(b.discard, b, { seconds = 1000 })
  local sent = T.ok(a:send_repeat("x", { seconds = 0.05 }))
  T.eq(sent.ended, "seconds")
  T.ok(sent.seconds >= 0.05)
  T.eq(sent.bits_per_second, sent.bytes * 8 / sent.seconds)
  a:shutdown()
  local received = receiver:join()
  T.eq(received.ended, "eof")
  T.eq(received.bytes, sent.bytes)
  T.eq(T.ok(b:discard { seconds = 0.01 }).ended, "eof")
end)

T.test("seconds_end_where_nothing_moves", { net = "fake" }, function()
  local a, b = T.pair()
  T.eq(T.ok(a:send_repeat("x", { seconds = 2.5 })).ended, "seconds")
  T.eq(T.ok(b:discard { seconds = 2.5 }).ended, "seconds")
  local figures = T.ok(b:discard { seconds = 2.5 })
  T.eq(figures.bytes, 0)
  T.ok(math.abs(figures.seconds - 2.5) < 1e-6, figures.seconds)
end)

T.test("more_than_4_gib_are_counted", { seconds = 120 }, function()
  local bytes = T.slow > 1 and 64 * MIB or (4 << 30) + 5
  local a, b = T.pair()
  local receiver = net.spawn(b.discard, b, { bytes = bytes })
  local sent = T.ok(a:send_repeat("01234567", { bytes = bytes }))
  T.eq(sent.bytes, bytes)
  T.eq(receiver:join().bytes, bytes)
end)

T.test("a_peer_that_resets_is_a_failure_with_figures", function()
  local a, b = T.pair()
  local sender = net.spawn(a.send_repeat, a, "x", { seconds = 1000 })
  T.ok(b:discard { bytes = 1 * MIB })
  b:setsockopt("SO_LINGER", 0)
  b:close()
  local figures, err, code = sender:join()
  T.eq(figures, nil)
  T.ok(code == "ECONNRESET" or code == "EPIPE", code)
  T.ok(err.figures.bytes >= MIB)
  T.eq(err.sent, err.figures.bytes)
  T.fails(code, a:send_repeat("x", { count = 1 }))
  local c, d = T.pair()
  local receiver = T.waiting(d.discard, d)
  c:send("some")
  T.turns()
  c:setsockopt("SO_LINGER", 0)
  c:close()
  figures, err, code = receiver:join()
  T.eq(figures, nil)
  T.eq(code, "ECONNRESET")
  T.eq(err.op, "discard")
  T.eq(err.figures.bytes, 4)
  T.eq(err.figures.ended, nil)
end)

T.test("timeouts_deadlines_and_cancels_tell_how_far_it_came", { net = "fake" }, function()
  local a, b = T.pair()
  T.ok(a:send_repeat("x", { bytes = 1000 }))
  b:settimeout(2)
  local err = T.fails("timeout", b:discard())
  T.eq(err.figures.bytes, 1000)
  T.ok(math.abs(err.figures.seconds - 2) < 1e-6)
  T.ok(a:send_repeat("x", { bytes = 500 }))
  b:settimeout(nil)
  err = T.fails("timeout", net.deadline(3, b.discard, b))
  T.eq(err.op, "discard")
  T.eq(err.figures.bytes, 500)
  T.eq(err.sent, nil)
  local caught
  local task = T.waiting(function()
    caught = select(2, pcall(a.send_repeat, a, "x", { seconds = 1000 }))
    error(caught)
  end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(caught.figures.bytes, 65536)
  T.eq(caught.sent, 65536)
  T.eq(b:recv(3), "xxx") -- the gate is free
  T.ok(a:send("y"))
end)

T.test("who_waits_is_told_that_the_socket_was_closed", { net = "fake" }, function()
  local a, b = T.pair()
  local sender = T.waiting(a.send_repeat, a, "x", { seconds = 1000 })
  a:close()
  local err = T.fails("closed", sender:join())
  T.match(tostring(err), "closed at .*test_bulk")
  T.eq(err.figures.bytes, 65536)
  T.fails("closed", a:send_repeat("x", { count = 1 }))
  local c, d = T.pair()
  c:send("some")
  local receiver = T.waiting(d.discard, d, { bytes = 5 })
  d:close()
  T.eq(T.fails("closed", receiver:join()).figures.bytes, 4)
  T.fails("closed", d:discard())
  T.eq(T.ok(b:discard()).bytes, 65536)
end)

-- --- few bytes that wake nobody -----------------------------------------------------------

-- A fast sender's 8 MiB, then five bytes; `b` discards all of them, and more.
local function fast_then_slow(b, a, options)
  local task = net.spawn(b.discard, b, options)
  T.ok(a:send_repeat(pattern(8192), { bytes = 8 << 20 }))
  a:send("12345")
  T.turns() -- now the kernel has them
  return task
end

T.test("a_tick_counts_few_bytes_too", function()
  local a, b = T.pair()
  local total <const> = (8 << 20) + 5
  local task = fast_then_slow(b, a, {
    every = 0.01,
    on_tick = function(figures)
      if figures.bytes == total then a:shutdown() end
    end,
  })
  T.eq(T.ok(task:join()).bytes, total)
  T.eq(b:getsockopt("SO_RCVLOWAT"), 1)
  a:close()
  b:close()
end)

T.test("the_last_bytes_that_are_waited_for_end_it", function()
  local a, b = T.pair()
  local task = fast_then_slow(b, a, { bytes = (8 << 20) + 7 })
  T.turns()
  a:send("67 and what comes after it")
  T.eq(T.ok(task:join()).bytes, (8 << 20) + 7)
  T.eq(b:recv(4), " and")
  a:close()
  b:close()
end)

T.test("what_wakes_a_reader_is_afterwards_as_it_was", function()
  local a, b = T.pair()
  b:setsockopt("SO_RCVLOWAT", 3)
  local task = fast_then_slow(b, a, {})
  T.turns()
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(b:getsockopt("SO_RCVLOWAT"), 3)
  T.fails("timeout", net.deadline(0.05, function()
    net.spawn(a.send_repeat, a, "x", { bytes = 4 << 20 })
    return b:discard()
  end))
  T.eq(b:getsockopt("SO_RCVLOWAT"), 3)
  a:close()
  b:close()
end)

-- --- whose turn it is ----------------------------------------------------------------------

T.test("a_second_sender_waits_for_its_turn", function()
  for _, method in ipairs(METHODS) do
    local a, b = T.pair()
    local data = pattern(5000)
    local first = T.waiting(a.send_repeat, a, data, { bytes = 40 * MIB, method = method })
    local second = T.waiting(a.send, a, "second;")
    local third = T.waiting(a.send_repeat, a, "third", { count = 2, method = method })
    net.spawn(function()
      T.eq(first:join().bytes, 40 * MIB)
      T.eq(second:join(), 7)
      T.eq(third:join().bytes, 10)
      a:shutdown()
    end)
    T.ok(read_all(b) == stream(data, 40 * MIB) .. "second;thirdthird", method)
  end
end)

T.test("who_waits_for_a_turn_can_be_late", { net = "fake" }, function()
  local a, b = T.pair()
  local first = T.waiting(a.send_repeat, a, "x", { bytes = 100000 })
  a:settimeout(1)
  local err = T.fails("timeout", a:send_repeat("y", { count = 1 }))
  T.eq(err.figures.bytes, 0)
  T.eq(err.figures.seconds, 0.0)
  net.spawn(b.discard, b, { bytes = 100000 })
  T.eq(first:join().bytes, 100000)
end)

T.test("nobody_else_reads_what_is_discarded", { net = "fake" }, function()
  local a, b = T.pair()
  local receiver = T.waiting(b.discard, b)
  T.raises("is reading this stream already", b.recv, b)
  T.raises("discard: task %d+, spawned at .*is reading", b.discard, b)
  a:close()
  receiver:join()
end)

T.test("what_the_buffer_holds_comes_first", function()
  local a, b = T.pair()
  a:send("line\n0123456789")
  T.eq(b:read(), "line")
  local figures = T.ok(b:discard { bytes = 4 })
  T.eq(figures.bytes, 4)
  T.eq(figures.calls, 0)
  a:send_repeat("abcd", { bytes = 100 })
  T.eq(T.ok(b:discard { bytes = 7 }).bytes, 7)
  T.eq(b:recv(3), "bcd")
end)

T.test("what_was_read_ahead_comes_first", function()
  local a, b = T.pair()
  local reader = T.waiting(b.recv, b, 1) -- now what comes is read ahead
  a:send_repeat("0123456789", { bytes = 5000 })
  T.eq(reader:join(), "0")
  T.eq(T.ok(b:discard { bytes = 3333 }).bytes, 3333)
  T.eq(b:recv(3), "456")
end)

T.test("the_other_tasks_have_their_turns", { seconds = 60 }, function()
  local a, b = T.pair()
  local turns, ended = 0, false
  net.spawn(function()
    while not ended do
      turns = turns + 1
      net.yield()
    end
  end)
  local receiver = net.spawn(b.discard, b)
  T.ok(a:send_repeat("x", { bytes = (T.slow > 1 and 64 or 256) * MIB }))
  a:shutdown()
  receiver:join()
  ended = true
  T.ok(turns >= 10, turns)
end)

T.test("short_moves_leave_the_others_their_turns_too", { net = "fake" }, function()
  local a, b = T.pair()
  local turns, ended = 0, false
  net.spawn(function()
    while not ended do
      turns = turns + 1
      net.yield()
    end
  end)
  for _ = 1, 1000 do
    T.ok(a:send_repeat("x", { count = 2 }))
    T.ok(b:discard { bytes = 2 })
  end
  ended = true
  T.ok(turns >= 30, turns)
end)

T.test("it_works_where_nothing_can_wait", function()
  local a, b = T.pair()
  T.eq(("x"):gsub("x", function() return a:send_repeat("ab", { count = 500 }).bytes end), "1000")
  T.eq(b:peek(1), "a") -- they are there
  T.eq(("x"):gsub("x", function() return b:discard { bytes = 1000 }.bytes end), "1000")
  T.raises("cannot wait inside", string.gsub, "x", "x", function() return b:discard() end)
  T.raises("cannot wait inside", string.gsub, "x", "x", function()
    a:send_repeat("x", { seconds = 1000 })
  end)
  T.waiting(function() return a:send(("x"):rep(1 << 24)) end):cancel() -- the gate is free
end)

-- --- on_tick ---------------------------------------------------------------------------------

T.test("ticks_come_at_absolute_times_and_tell_the_figures", { net = "fake" }, function()
  local a, b = T.pair()
  local seen, told = {}, 0
  net.spawn(b.discard, b, { bytes = 30000 })
  local figures = T.ok(a:send_repeat("x", { seconds = 3.75, every = 1, on_tick = function(f)
    seen[#seen + 1] = math.floor(f.seconds * 1000 + 0.5)
    told = told + f.interval_bytes
    T.eq(f.bytes, told)
    T.eq(f.method, "send")
    T.ok(f.interval_seconds > 0)
    net.sleep(0.3) -- its time counts: the ticks do not drift
  end }))
  T.eq(table.concat(seen, " "), "1000 2000 3000")
  T.eq(figures.bytes, told)
  T.eq(figures.interval_bytes, nil)
  seen = {}
  T.ok(b:discard { seconds = 3, on_tick = function(f) seen[#seen + 1] = f.ended or "goes on" end })
  T.eq(table.concat(seen, " "), "goes on goes on seconds") -- every second unless told
end)

T.test("ticks_that_were_missed_are_left_out", { net = "fake" }, function()
  local _, b = T.pair()
  local seen = {}
  T.ok(b:discard { seconds = 1, every = 0.1, on_tick = function(f)
    seen[#seen + 1] = math.floor(f.seconds * 1000 + 0.5)
    net.sleep(0.35)
  end })
  T.eq(table.concat(seen, " "), "100 500 900")
end)

T.test("a_move_that_ends_early_has_no_further_tick", { net = "fake" }, function()
  local a = T.pair()
  T.ok(a:send_repeat("x", { count = 3, on_tick = function() error("a tick") end }))
end)

T.test("an_error_in_on_tick_raises_out_of_the_call", { net = "fake" }, function()
  local a, b = T.pair()
  local function tick() error("my own", 0) end
  T.eq(T.raises("my own", a.send_repeat, a, "x", { seconds = 9, on_tick = tick }), "my own")
  T.eq(T.raises("my own", b.discard, b, { on_tick = tick }), "my own")
  local err = { code = "mine" }
  local _, raised = pcall(b.discard, b, { on_tick = function() error(err) end })
  T.ok(raised == err)
  T.eq(raised.figures, nil)
  local sender = net.spawn(a.send, a, "the gates are free")
  T.ok(net.spawn(b.discard, b, { bytes = 18 }):join())
  T.eq(sender:join(), 18)
end)

T.test("nobody_comes_in_while_on_tick_waits", { net = "fake" }, function()
  local a, b = T.pair()
  local other = T.pair()
  local waiting, order = nil, {}
  local receiver = net.spawn(b.read, b, "a")
  T.ok(a:send_repeat("x", { seconds = 0.0002, every = 0.0001, on_tick = function()
    other:send("y")
    waiting = waiting or T.waiting(function()
      T.eq(a:send("second"), 6)
      order[#order + 1] = "second"
    end)
    net.sleep(0.00005)
    order[#order + 1] = "tick"
  end }))
  waiting:join()
  T.eq(table.concat(order, " "), "tick tick second")
  a:shutdown()
  T.match(receiver:join(), "^x+second$")
end)

T.test("on_tick_may_send_on_the_same_socket", { net = "fake" }, function()
  local a, b = T.pair()
  local receiver = net.spawn(b.read, b, "a")
  T.ok(a:send_repeat("x", { seconds = 0.0002, every = 0.0001, on_tick = function(f)
    a:send("<" .. f.bytes .. ">")
  end }))
  a:shutdown()
  local marks, before = 0, 0
  for at, n in receiver:join():gmatch("()<(%d+)>") do
    T.eq(at - 1 - before, tonumber(n))
    before = before + #n + 2
    marks = marks + 1
  end
  T.eq(marks, 2)
end)

T.test("on_tick_may_close_the_socket", { net = "fake" }, function()
  local a, b = T.pair()
  local err = T.fails("closed", a:send_repeat("x", { seconds = 9, on_tick = function() a:close() end }))
  T.eq(err.figures.bytes, 65536)
  T.eq(T.ok(b:discard { seconds = 1, on_tick = function() b:close() end }).ended, "eof")
end)

T.test("a_coroutine_that_yields_in_on_tick_goes_on_later", { net = "fake" }, function()
  local a, b = T.pair()
  local co = coroutine.wrap(function()
    return a:send_repeat("x", { seconds = 0.0002, every = 0.0001, on_tick = function(f)
      coroutine.yield(f.bytes)
    end })
  end)
  T.eq(co(), 65536)
  local other = T.waiting(a.send, a, "other")
  net.spawn(b.discard, b)
  net.spawn(function() -- another task goes on with it
    T.eq(math.type(co()), "integer")
    T.eq(co().ended, "seconds")
    a:shutdown()
  end):join()
  T.eq(other:join(), 5)
end)

T.test("a_task_that_ends_leaves_the_gate_of_a_coroutine_that_never_goes_on", {
  net = "fake",
}, function()
  local a, b = T.pair()
  local co
  net.spawn(function()
    co = coroutine.wrap(function()
      return a:send_repeat("x", { seconds = 2, on_tick = coroutine.yield })
    end)
    co()
  end):join()
  net.spawn(b.discard, b)
  T.eq(a:send("other"), 5)
  a:close()
  T.eq(select(3, co()), "closed")
end)

T.test("a_coroutine_that_is_collected_gives_back_what_it_holds", function()
  local a, b = T.pair()
  net.spawn(b.discard, b)
  local before = T.open_files()
  local co = coroutine.wrap(function()
    return a:send_repeat("x", {
      seconds = 2, every = 0.01, method = "vmsplice", on_tick = coroutine.yield })
  end)
  T.ok(co())
  T.eq(T.open_files(), before + 2)
  co = nil -- luacheck: ignore
  collectgarbage()
  collectgarbage()
  T.eq(T.open_files(), before)
  T.eq(a:send("the gate is free"), 16)
  a:close()
end)

-- --- wrong use ---------------------------------------------------------------------------------

T.test("wrong_use_raises", { net = "fake" }, function()
  local a = T.pair()
  local fresh <close> = T.ok(net.socket())
  local function bad(message, ...)
    T.raises(message, a.send_repeat, a, ...)
  end
  bad("there is nothing to repeat", "", { count = 1 })
  bad("string expected", {}, { count = 1 })
  bad("table expected", "x")
  bad("one of seconds, bytes and count", "x", {})
  bad("one of seconds, bytes and count", "x", { bytes = 1, count = 1 })
  bad("one of seconds, bytes and count", "x", { seconds = 1, count = 1 })
  bad("no option is named 'byte'", "x", { byte = 1 })
  bad("send_repeat: bytes is %-1; a whole number", "x", { bytes = -1 })
  bad("bytes is 1.5; a whole number", "x", { bytes = 1.5 })
  bad("count is many; a whole number", "x", { count = "many" })
  bad("seconds is %-?nan; a number", "x", { seconds = 0 / 0 })
  bad("seconds is %-1; a number", "x", { seconds = -1 })
  bad("seconds is 1; a number", "x", { seconds = "1" })
  bad("are more than 2%^63", "xx", { count = math.maxinteger })
  bad("every is too small", "x", { count = 1, every = 0, on_tick = print })
  bad("every is too small: 1e%-12;", "x", { count = 1, every = 1e-12, on_tick = print })
  bad("on_tick is a string", "x", { count = 1, on_tick = "tick" })
  bad("there is no method 'fast', but send, vmsplice", "x", { count = 1, method = "fast" })
  T.raises("not connected", fresh.send_repeat, fresh, "x", { count = 1 })
  T.raises("not connected", fresh.discard, fresh)
  T.raises("no option is named 'count'", a.discard, a, { count = 1 })
  T.raises("table expected", a.discard, a, 5)
  T.eq(T.ok(a:send_repeat("x", { count = 1 })).bytes, 1)
end)
