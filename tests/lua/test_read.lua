-- Reading streams: formats, limits, partial reads, iterators.

local net = require "net"
local T = require "harness"

-- A stream on which `text` has come, followed by the end unless told otherwise.
local function having(text, open)
  local a, b = T.pair()
  a:send(text)
  if not open then a:shutdown() end
  return b, a
end

-- --- recv ------------------------------------------------------------------------------

T.test("recv_gives_at_most_n_bytes_and_keeps_the_rest", function()
  local b = having("abcdef")
  T.eq(b:recv(2), "ab")
  T.eq(b:recv(1), "c")
  T.eq(b:recv(100), "def")
  T.fails("eof", b:recv(1))
end)

T.test("recv_takes_from_the_buffer_first", function()
  local b, a = having("line\nrest", true)
  T.eq(b:read(), "line")
  T.eq(b:pending(), 4)
  T.eq(b:recv(), "rest")
  a:send("more")
  T.eq(b:recv(), "more")
end)

-- Bytes that tell where they stand, and how often the receives of a loop found some held.
local function read_in_a_loop(size, a, b)
  local text = {}
  for i = 1, 100000 do text[i] = ("%07d\n"):format(i) end
  text = table.concat(text)
  local sender = net.spawn(function()
    T.ok(a:send(text))
    a:shutdown()
  end)
  local got, ahead = {}, 0
  for piece in function() return b:recv(size) end do
    got[#got + 1] = piece
    if b:pending() > 0 then ahead = ahead + 1 end
  end
  sender:join()
  T.ok(table.concat(got) == text)
  T.ok(#got > 100000 * 8 / size - 1)
  return ahead
end

T.test("a_loop_of_full_receives_reads_ahead", function()
  T.ok(read_in_a_loop(4096, T.pair()) > 0)
end)

T.test("a_loop_reads_ahead_in_memory", { net = "fake" }, function()
  T.ok(read_in_a_loop(4096, T.pair()) > 0)
end)

T.test("a_loop_reads_ahead_under_faults", { net = "soft", seeds = 20, stderr = {} }, function()
  read_in_a_loop(2500, T.pair())
end)

T.test("small_receives_take_nothing_that_was_not_asked_for", function()
  T.eq(read_in_a_loop(1000, T.pair()), 0)
end)

T.test("a_unix_stream_is_not_read_ahead", function()
  local a, b = T.ok(net.socketpair())
  T.eq(read_in_a_loop(4096, a, b), 0)
end)

T.test("what_was_read_ahead_comes_first_in_every_reading", function()
  local b, a = having(("x"):rep(8192) .. "line\nsome\nmore\nrest", true)
  for _ = 1, 4 do T.eq(#b:recv(2048), 2048) end
  T.ok(b:pending() >= 19, b:pending())
  T.eq(b:read(), "line")
  T.eq(b:peek(5), "some\n")
  local buffer = net.buffer(5)
  T.eq(b:recv_into(buffer), 5)
  T.eq(buffer:sub(1, 5), "some\n")
  T.eq(net.poll({ b }, {}, 0)[1], b)
  T.eq(b:discard({ bytes = 5 }).bytes, 5)
  a:send("!")
  T.eq(b:read_exact(5), "rest!")
end)

T.test("recv_refuses_sizes_that_make_no_sense", function()
  local b = having("x")
  for _, n in ipairs { 0, -1, math.mininteger } do
    T.raises("is not between 1", b.recv, b, n)
  end
  T.raises("no integer representation", b.recv, b, 1.5)
  T.raises("no integer representation", b.recv, b, 2.0 ^ 70)
  T.raises("number expected, got table", b.recv, b, {})
  T.eq(b:recv(math.maxinteger), "x")
end)

T.test("the_end_of_a_stream_is_told_again_and_again", function()
  local b = having("")
  for _ = 1, 3 do
    local err = T.fails("eof", b:recv())
    T.eq(err.op, "recv")
    T.eq(err.partial, 0)
    T.fails("eof", b:read_exact(1))
    T.fails("eof", b:read())
    T.eq(b:read("a"), "")
  end
end)

-- --- formats ---------------------------------------------------------------------------

T.test("read_l_strips_lf_and_crlf", function()
  local b = having("one\ntwo\r\n\n\r\nfive")
  for _, line in ipairs { "one", "two", "", "", "five" } do T.eq(b:read("l"), line) end
  T.fails("eof", b:read("l"))
end)

T.test("read_is_read_l", function()
  local b = having("one\r\n")
  T.eq(b:read(), "one")
end)

T.test("read_L_keeps_the_end_of_the_line", function()
  local b = having("one\ntwo\r\n\nlast")
  for _, line in ipairs { "one\n", "two\r\n", "\n", "last" } do T.eq(b:read("L"), line) end
  T.fails("eof", b:read("L"))
end)

T.test("read_l_deletes_no_other_cr", function()
  local b = having("a\rb\r\r\n\rc\n")
  T.eq(b:read(), "a\rb\r")
  T.eq(b:read(), "\rc")
end)

T.test("a_cr_at_the_end_of_the_stream_stays", function()
  local b = having("abc\r")
  T.eq(b:read(), "abc\r")
  T.fails("eof", b:read())
end)

T.test("a_crlf_that_comes_in_two_pieces_is_stripped", function()
  local b, a = having("abc\r", true)
  local reader = T.waiting(function() return b:read() end)
  a:send("\nnext\n")
  T.eq(reader:join(), "abc")
  T.eq(b:read(), "next")
end)

T.test("read_a_gives_everything_and_then_the_empty_string", function()
  local b = having("line\nand rest")
  T.eq(b:read("l"), "line")
  T.eq(b:read("a"), "and rest")
  T.eq(b:read("a"), "")
end)

T.test("read_n_gives_n_bytes_or_what_is_left_at_the_end", function()
  local b = having("abcdefg")
  T.eq(b:read(3), "abc")
  T.eq(b:read(3), "def")
  T.eq(b:read(3), "g")
  T.fails("eof", b:read(3))
end)

T.test("read_n_waits_for_all_n_bytes", function()
  local b, a = having("ab", true)
  local reader = T.waiting(function() return b:read(4) end)
  a:send("c")
  T.turns()
  T.eq(reader:status(), "waiting")
  a:send("de")
  T.eq(reader:join(), "abcd")
  T.eq(b:recv(), "e")
end)

T.test("read_0_tells_whether_the_stream_has_ended_as_luas_does", function()
  local b = having("x")
  T.eq(b:read(0), "")
  T.eq(b:recv(), "x")
  T.fails("eof", b:read(0))
end)

T.test("formats_of_lua_5_1_are_taken", function()
  local b = having("one\ntwo\nthree")
  T.eq(b:read("*l"), "one")
  T.eq(b:read("*L"), "two\n")
  T.eq(b:read("*a"), "three")
end)

T.test("a_bad_format_raises", function()
  local b = having("")
  T.raises("'x' is none of \"l\", \"L\", \"n\", \"a\" or a number", b.read, b, "x")
  T.raises("'line' is none of", b.read, b, "line")
  T.raises("is not between 0", b.read, b, -1)
  T.raises("string expected, got table", b.read, b, {})
  T.raises("'x' is none of", b.lines, b, "x")
  T.raises("\"a\" has no next line", b.lines, b, "a")
end)

T.test("bytes_of_every_value_pass", function()
  local all = {}
  for i = 0, 255 do all[#all + 1] = string.char(i) end
  local text = table.concat(all):rep(50)
  local b = having(text)
  T.ok(b:read("a") == text)
end)

-- --- read_exact, read_until ------------------------------------------------------------

T.test("read_exact_gives_n_bytes", function()
  local b = having("abcdef")
  T.eq(b:read_exact(4), "abcd")
  T.eq(b:read_exact(0), "")
  T.eq(b:read_exact(2), "ef")
  T.eq(b:read_exact(0), "")
end)

T.test("read_exact_at_a_short_end_counts_what_is_there_and_keeps_it", function()
  local b = having("abc")
  local err = T.fails("eof", b:read_exact(5))
  T.eq(err.partial, 3)
  T.eq(err.op, "read_exact")
  T.eq(b:pending(), 3)
  T.eq(b:read_exact(3), "abc")
  T.eq(T.fails("eof", b:read_exact(5)).partial, 0)
end)

T.test("read_exact_of_far_too_much_takes_no_memory_for_the_promise", function()
  local b = having("abc")
  T.eq(T.fails("eof", b:read_exact(math.maxinteger)).partial, 3)
  T.raises("not between 0", b.read_exact, b, -1)
end)

T.test("read_until_gives_what_stands_before_and_consumes_the_delimiter", function()
  local b = having("one--two-three----")
  T.eq(b:read_until("--"), "one")
  T.eq(b:read_until("--"), "two-three")
  T.eq(b:read_until("--"), "")
  T.fails("eof", b:read_until("--"))
end)

T.test("a_misspelt_limit_raises_and_does_not_pass_for_none", function()
  local a, b = T.pair()
  for _, read in ipairs { b.read_until, b.read, b.lines } do
    T.raises("no option is named 'maximum': it has max", read, b, "l", { maximum = 2 })
  end
  a:close()
  b:close()
end)

T.test("read_until_finds_a_delimiter_that_comes_byte_by_byte", function()
  local a, b = T.pair()
  local reader = T.waiting(function() return b:read_until("\r\n\r\n") end)
  for byte in ("GET\r\n\r\r\n\r\nbody"):gmatch(".") do
    a:send(byte)
    T.turns(2)
  end
  T.eq(reader:join(), "GET\r\n\r")
  T.eq(b:recv(), "body")
end)

T.test("read_until_at_the_end_of_the_stream_keeps_the_bytes", function()
  local b = having("no end")
  T.eq(T.fails("eof", b:read_until(";")).partial, 6)
  T.eq(b:read("a"), "no end")
end)

T.test("read_until_wants_a_delimiter", function()
  local b = having("")
  T.raises("the delimiter is empty", b.read_until, b, "")
  T.raises("string expected", b.read_until, b)
end)

T.test("a_search_begins_anew_when_another_is_asked_for", function()
  local b, a = having("abc;", true)
  T.ok(b:peek())
  b:settimeout(0)
  T.fails("timeout", b:read_until("\n"))
  T.eq(b:read_until(";"), "abc")
  a:send("x\ny;")
  b:settimeout(nil)
  T.eq(b:read_until(";"), "x\ny")
end)

-- --- peek, pending ---------------------------------------------------------------------

T.test("peek_shows_bytes_that_stay", function()
  local b = having("abcdef")
  T.eq(b:peek(3), "abc")
  T.eq(b:peek(), "abcdef")
  T.eq(b:pending(), 6)
  T.eq(b:peek(100), "abcdef")
  T.eq(b:read("a"), "abcdef")
  T.fails("eof", b:peek(1))
  T.raises("not between 1", b.peek, b, 0)
end)

T.test("peek_waits_for_one_byte", function()
  local a, b = T.pair()
  local reader = T.waiting(function() return b:peek(10) end)
  a:send("x")
  T.eq(reader:join(), "x")
  T.eq(b:recv(), "x")
end)

T.test("pending_counts_what_is_buffered_without_waiting", function()
  local b, _a = having("abc", true)
  T.eq(b:pending(), 0)
  T.eq(b:peek(1), "a")
  T.eq(b:pending(), 3)
  b:recv(2)
  T.eq(b:pending(), 1)
end)

-- --- limits ----------------------------------------------------------------------------

T.test("a_line_over_1_mib_is_oversized_and_stays_readable", function()
  local a, b = T.pair()
  local mib = 1024 * 1024
  local sender = net.spawn(function() a:send(("x"):rep(mib + 100000) .. "\nnext\n") end)
  local err = T.fails("oversized", b:read())
  T.ok(err.partial > mib)
  T.match(err.hint, "{max = bytes}")
  T.fails("oversized", b:read())
  T.eq(#T.ok(b:read("l", { max = 2 * mib })), mib + 100000)
  T.eq(b:read(), "next")
  sender:join()
end)

T.test("the_limit_of_a_line_counts_its_bytes_without_the_end", function()
  local b = having("12345\n123456\n")
  T.eq(b:read("l", { max = 5 }), "12345")
  T.fails("oversized", b:read("l", { max = 5 }))
  T.eq(b:read("l", { max = 6 }), "123456")
end)

T.test("read_until_has_the_same_limit_as_a_line", function()
  local b = having("abcdef;g;")
  T.fails("oversized", b:read_until(";", { max = 5 }))
  T.eq(b:read_until(";", { max = 6 }), "abcdef")
  T.eq(b:read_until(";", { max = 1 }), "g")
end)

T.test("read_a_has_a_limit", function()
  local b = having("abcdef")
  local err = T.fails("oversized", b:read("a", { max = 5 }))
  T.eq(err.partial, 6)
  T.eq(b:read("a", { max = 6 }), "abcdef")
end)

T.test("read_a_takes_64_mib_unless_told", { net = "fake" }, function()
  local a, b = T.pair()
  local mib = ("x"):rep(1024 * 1024)
  local sender = net.spawn(function()
    for _ = 1, 64 do a:send(mib) end
    a:send("x")
    a:close()
  end)
  T.fails("oversized", b:read("a"))
  T.eq(#b:read("a", { max = 100 * #mib }), 64 * #mib + 1)
  sender:join()
end)

T.test("limits_must_be_positive_whole_numbers", function()
  local b = having("")
  for _, max in ipairs { 0, -1, 1.5, "x", {} } do
    T.raises("max must be a positive number of bytes", b.read, b, "l", { max = max })
  end
  T.raises("table expected", b.read, b, "l", 5)
  T.raises("table expected", b.read_until, b, ";", 5)
end)

T.test("lines_take_a_limit_too", function()
  local b = having("ab\nabcdef\n")
  local seen = {}
  T.raises("oversized", function()
    for line in b:lines("l", { max = 3 }) do seen[#seen + 1] = line end
  end)
  T.eq(T.list(seen), "ab")
end)

-- --- iterators -------------------------------------------------------------------------

T.test("lines_gives_each_line_and_ends_with_the_stream", function()
  local b = having("one\r\ntwo\n\nlast")
  local seen = {}
  for line in b:lines() do seen[#seen + 1] = "<" .. line .. ">" end
  T.eq(T.list(seen), "<one> <two> <> <last>")
end)

T.test("lines_takes_the_formats_of_read", function()
  local b = having("one\ntwo\n")
  local seen = {}
  for line in b:lines("L") do seen[#seen + 1] = #line end
  T.eq(T.list(seen), "4 4")
  b = having("abcdefg")
  seen = {}
  for piece in b:lines(3) do seen[#seen + 1] = piece end
  T.eq(T.list(seen), "abc def g")
end)

T.test("lines_of_an_empty_stream_has_none", function()
  local b = having("")
  for _ in b:lines() do T.ok(false, "a line of nothing") end
end)

T.test("lines_raises_any_failure_but_the_end", function()
  local b, _a = having("one\nunfinished", true)
  T.turns() -- the bytes arrive, however slow the machine is
  b:settimeout(0.01)
  local seen = {}
  local err = T.raises("timed out", function()
    for line in b:lines() do seen[#seen + 1] = line end
  end)
  T.eq(err.code, "timeout")
  T.eq(err.partial, 10)
  T.eq(T.list(seen), "one")
  T.eq(b:recv(), "unfinished")
end)

T.test("pieces_gives_what_arrives_until_the_end", function()
  local a, b = T.pair()
  local total = 300000
  local sender = net.spawn(function()
    a:send(("x"):rep(total))
    a:close()
  end)
  local sum, count = 0, 0
  for piece in b:pieces() do
    T.ok(#piece > 0 and #piece <= 65536)
    sum, count = sum + #piece, count + 1
  end
  T.eq(sum, total)
  T.ok(count >= 5)
  sender:join()
end)

T.test("pieces_takes_the_buffer_first", function()
  local b = having("line\nrest")
  b:read()
  local seen = {}
  for piece in b:pieces() do seen[#seen + 1] = piece end
  T.eq(T.list(seen), "rest")
end)

T.test("pieces_raises_a_reset", { net = "fake" }, function()
  local a, b = T.pair()
  b:send("unread")
  a:send("data")
  a:close()
  local seen = {}
  local err = T.raises("ECONNRESET", function()
    for piece in b:pieces() do seen[#seen + 1] = piece end
  end)
  T.eq(T.list(seen), "data")
  T.match(err.hint, "dropped the connection")
end)

T.test("iterators_of_a_closed_socket_raise", function()
  local b = having("x\ny\n")
  local next_line = b:lines()
  T.eq(next_line(), "x")
  b:close()
  T.raises("closed at .*test_read.lua:%d+", next_line)
end)

-- --- timeouts lose nothing -------------------------------------------------------------

T.test("a_timeout_keeps_the_bytes_and_is_not_sticky", function()
  local b, a = having("abc", true)
  T.turns() -- the bytes arrive, however slow the machine is
  b:settimeout(0.005)
  for _, read in ipairs {
    function() return b:read_exact(5) end,
    function() return b:read() end,
    function() return b:read_until("--") end,
    function() return b:read("a") end,
    function() return b:read(5) end,
  } do
    for _ = 1, 2 do
      local err = T.fails("timeout", read())
      T.eq(err.partial, 3)
    end
  end
  a:send("de")
  T.eq(b:read_exact(5), "abcde")
end)

T.test("the_deadline_covers_the_whole_call", { net = "fake" }, function()
  local a, b = T.pair()
  b:settimeout(1)
  local drip = net.spawn(function()
    for _ = 1, 5 do
      net.sleep(0.4)
      a:send("x")
    end
  end)
  local before = net.now()
  local err = T.fails("timeout", b:read_exact(10))
  T.eq(err.partial, 2)
  local took = net.now() - before
  T.ok(took >= 1 and took < 1.2, took)
  drip:join()
end)

T.test("a_zero_timeout_takes_what_is_there", function()
  local b, _a = having("abc", true)
  T.eq(b:peek(1), "a")
  b:settimeout(0)
  T.eq(b:recv(), "abc")
  T.fails("timeout", b:recv())
  T.eq(T.fails("timeout", b:peek()).partial, 0)
end)

-- --- one reader ------------------------------------------------------------------------

T.test("a_second_reader_of_a_stream_raises_and_names_the_first", function()
  local a, b = T.pair()
  local first = net.spawn(function() return b:read_exact(2) end)
  T.turns()
  local site = tostring(first):match("spawned at ([^)]*)")
  T.match(site, "test_read.lua:%d+$")
  for _, op in ipairs { "recv", "read", "peek" } do
    local err = T.raises(op .. ": task %d+, spawned at ", b[op], b)
    T.ok(tostring(err):find(site .. ", is reading this stream already", 1, true), err)
  end
  T.raises("read_exact: task", b.read_exact, b, 1)
  T.raises("lines: task", b:lines())
  T.raises("pieces: task", b:pieces())
  a:send("ok")
  T.eq(first:join(), "ok")
  a:send("free again")
  T.eq(b:recv(), "free again")
end)

T.test("a_reader_that_was_cancelled_makes_room_for_another", function()
  local a, b = T.pair()
  local first = T.waiting(function() b:read_exact(100) end)
  a:send("abc")
  T.turns()
  first:cancel()
  T.fails("cancelled", first:join())
  T.eq(b:recv(), "abc")
end)

T.test("reading_and_writing_one_stream_in_two_tasks_is_fine", function()
  local a, b = T.pair()
  local reader = T.waiting(function() return b:read() end)
  b:send("from b\n")
  T.eq(a:read(), "from b")
  a:send("from a\n")
  T.eq(reader:join(), "from a")
end)
