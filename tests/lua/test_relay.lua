-- net.relay: client <-> a, relayed, b <-> server.

local net = require "net"
local T = require "harness"

-- A text that differs from itself when a piece is lost or moved.
local function text_of(bytes, first)
  local numbers = {}
  for i = 1, 1250 do numbers[i] = ("%07d,"):format(first + i) end
  local period = table.concat(numbers) .. "odd"
  return period:rep(bytes // #period + 1):sub(1, bytes)
end

local function line(pair)
  pair = pair or T.pair
  local client, a = pair()
  local b, server = pair()
  return client, a, b, server
end

-- Sends in pieces of sizes that have nothing to do with any buffer's, then ends its side.
local function send_in_pieces(stream, text, sizes)
  local at, i = 1, 0
  while at <= #text do
    local n = sizes[i % #sizes + 1]
    T.ok(stream:send(text:sub(at, at + n - 1)))
    at, i = at + n, i + 1
  end
  T.ok(stream:shutdown())
end

for _, kind in ipairs { "epoll", "fake", "soft" } do
  local soft = kind == "soft"
  local options = { net = kind, seeds = soft and 15 or nil, stderr = soft and {} or nil }

  T.test("every_byte_arrives_both_ways_at_once (" .. kind .. ")", options, function()
    local client, a, b, server = line()
    local unit = soft and 100000 or 1000000 -- by pieces of a few bytes much takes long
    local up, down = text_of(3 * unit, 0), text_of(2 * unit, 5000000)
    net.spawn(send_in_pieces, client, up, { 1, 100000, 7, 20000, 333333, 16384, 3 })
    net.spawn(send_in_pieces, server, down, { 50000, 1, 1, 250001, 4096 })
    local at_server = net.spawn(function() return server:read("a") end)
    local at_client = net.spawn(function() return client:read("a") end)
    local figures = T.ok(net.relay(a, b))
    T.ok(at_server:join() == up)
    T.ok(at_client:join() == down)
    T.eq(figures.a_to_b_bytes, #up)
    T.eq(figures.b_to_a_bytes, #down)
    T.eq(math.type(figures.seconds), "float")
  end)

  T.test("the_end_of_one_side_lets_the_other_go_on (" .. kind .. ")", options, function()
    for _, first in ipairs { "client", "server" } do
      local client, a, b, server = line()
      if first == "server" then client, server = server, client end
      net.spawn(function()
        local c <close> = client
        c:send("question")
        c:shutdown()
        T.eq(c:read("a"), ("answer "):rep(20000))
      end)
      net.spawn(function()
        local s <close> = server
        T.eq(s:read("a"), "question")
        for _ = 1, 20000 do s:send("answer ") end
      end)
      local figures = T.ok(net.relay(a, b))
      T.eq(figures.a_to_b_bytes, first == "client" and 8 or 140000)
      T.eq(figures.b_to_a_bytes, first == "client" and 140000 or 8)
    end
  end)
end

T.test("a_relay_ends_under_hard_faults_and_leaves_nothing", {
  net = "hard", seeds = 40, stderr = { "" },
}, function()
  local function try(fn, ...) pcall(fn, ...) end
  local listener = net.listen("127.0.0.1:0")
  if not listener then return end
  local function pair()
    local task = net.spawn(function() return listener:accept() end)
    local a = net.connect(listener:getsockname() or "127.0.0.1:1")
    if not a then task:cancel() end
    return a, task:join()
  end
  local client, a = pair()
  local b, server = pair()
  if not (client and a and b and server) then return end
  local text = text_of(500000, 0)
  net.spawn(try, function() client:send(text) client:shutdown() client:read("a") end)
  net.spawn(try, function() server:read("a") server:send(text) server:close() end)
  local figures, err = net.relay(a, b)
  if not figures then T.match(err.direction, "_to_") end
  client:close()
  server:close()
end)

T.test("unix_sockets_are_relayed", function()
  local client, a, b, server = line(T.unix_pair)
  local text = text_of(2000000, 0)
  net.spawn(send_in_pieces, client, text, { 100000 })
  net.spawn(function()
    T.ok(server:read("a") == text)
    server:shutdown()
  end)
  T.eq(T.ok(net.relay(a, b)).a_to_b_bytes, #text)
end)

T.test("what_is_held_comes_first", function()
  local client, a, b, server = line()
  client:send("first\nsecond\n")
  T.eq(a:read(), "first")
  client:send(text_of(100000, 0))
  client:shutdown()
  net.spawn(function()
    T.ok(server:read("a") == "queued second\n" .. text_of(100000, 0))
    server:close()
  end)
  b:send("queued ")
  T.ok(net.relay(a, b))
end)

T.test("the_sockets_stay_open", function()
  local client, a, b, server = line()
  client:shutdown()
  server:shutdown()
  T.ok(net.relay(a, b))
  T.ok(a:fileno() and b:fileno())
  T.fails("eof", a:recv())
  T.fails("EPIPE", b:send("x"))
end)

T.test("a_direction_that_was_shut_before_is_over_when_its_source_ends", function()
  local client, a, b, server = line()
  b:send("question")
  b:shutdown()
  net.spawn(function()
    server:send("answer to " .. server:read("a"))
    server:close()
  end)
  client:shutdown()
  T.eq(T.ok(net.relay(a, b)).b_to_a_bytes, 18)
  T.eq(client:read_exact(18), "answer to question")
end)

-- --- failures ------------------------------------------------------------------------

local function reset(stream)
  stream:setsockopt("SO_LINGER", 0)
  stream:close()
end

T.test("a_reset_ends_both_directions_and_is_passed_on", function()
  for _, who in ipairs { "client", "server" } do
    local client, a, b, server = line()
    local relay = T.waiting(net.relay, a, b)
    client:send("some")
    T.eq(server:read_exact(4), "some")
    reset(who == "client" and client or server)
    local _, err, code = relay:join()
    T.eq(code, "ECONNRESET")
    T.eq(err.direction, who == "client" and "a_to_b" or "b_to_a")
    T.match(tostring(err), "^relay 127%.0%.0%.1:%d+: .*, from %a to %a %(ECONNRESET%)$")
    T.eq(err.figures.a_to_b_bytes, 4)
    a:close()
    b:close()
    T.fails("ECONNRESET", (who == "client" and server or client):recv())
  end
end)

T.test("a_target_that_is_reset_while_bytes_wait_for_it_ends_the_relay", function()
  local client, a, b, server = line()
  local sender = net.spawn(function() return client:send(text_of(40000000, 0)) end)
  local relay = T.waiting(net.relay, a, b)
  reset(server)
  local _, err, code = relay:join()
  T.ok(code == "ECONNRESET" or code == "EPIPE", code)
  T.ok(err.figures.a_to_b_bytes < 40000000)
  a:close()
  T.ok(not sender:join())
end)

T.test("silence_for_the_idle_time_ends_it", { net = "fake" }, function()
  local client, a, b, server = line()
  net.spawn(function()
    for _ = 1, 5 do
      net.sleep(0.02)
      client:send("x")
    end
  end)
  local err = T.fails("timeout", net.relay(a, b, { idle = 0.06 }))
  T.eq(err.figures.a_to_b_bytes, 5)
  T.ok(err.figures.seconds >= 0.15, err.figures.seconds)
  T.ok(server)
end)

T.test("bytes_in_one_direction_keep_the_other_alive", { net = "fake" }, function()
  local client, a, b, server = line()
  net.spawn(function()
    for _ = 1, 100 do
      net.sleep(0.5)
      server:send("x")
    end
    server:close()
  end)
  net.spawn(function()
    T.eq(#client:read("a"), 100)
    client:close()
  end)
  T.eq(T.ok(net.relay(a, b, { idle = 0.6 })).b_to_a_bytes, 100)
end)

T.test("the_sockets_own_timeout_is_the_idle_time", { net = "fake" }, function()
  local _, a, b = line()
  a:settimeout(70)
  b:settimeout(20)
  local begin = net.now()
  T.fails("timeout", net.relay(a, b))
  T.ok(net.now() - begin < 21)
  T.eq(select(3, net.deadline(30, net.relay, a, b, { idle = 40 })), "timeout")
  T.ok(net.now() - begin > 49)
end)

T.test("an_idle_time_beyond_all_time_never_ends_it", { net = "fake" }, function()
  net.sleep(1e8) -- in three years the clock has come far
  local client, a, b, server = line()
  net.spawn(function()
    net.sleep(1)
    client:close()
    server:close()
  end)
  T.ok(net.relay(a, b, { idle = 9.19e9 }))
end)

T.test("a_deadline_tells_how_far_it_was", { net = "fake" }, function()
  local client, a, b, _server = line()
  client:send("x")
  local got, err, code = net.deadline(0.05, net.relay, a, b)
  T.eq(got, nil)
  T.eq(code, "timeout")
  T.eq(err.figures.a_to_b_bytes, 1)
end)

T.test("a_cancelled_relay_frees_both_sockets", function()
  local client, a, b, server = line()
  local relay = T.waiting(net.relay, a, b)
  relay:cancel()
  T.eq(select(3, relay:join()), "cancelled")
  client:send("x")
  T.eq(a:recv(), "x")
  b:send("y")
  T.eq(server:recv(), "y")
  T.eq(#net.tasks(), 1)
end)

T.test("a_socket_that_another_task_closes_ends_it", function()
  for _, which in ipairs { "a", "b" } do
    local _, a, b = line()
    local relay = T.waiting(net.relay, a, b);
    (which == "a" and a or b):close()
    local _, err, code = relay:join()
    T.eq(code, "closed")
    T.match(tostring(err), "closed at .*test_relay")
  end
end)

-- --- others ---------------------------------------------------------------------------

T.test("a_second_reader_raises_and_a_sender_waits", function()
  local client, a, b, server = line()
  local relay = T.waiting(net.relay, a, b)
  T.raises("is reading this stream already", a.recv, a)
  T.raises("is reading this stream already", b.recv, b)
  T.raises("relay: task %d+, .*is reading this stream already", net.relay, b, a)
  local sender = T.waiting(b.send, b, "after")
  client:send("before ")
  client:shutdown()
  T.fails("EPIPE", sender:join()) -- the relay ended that side first
  T.eq(server:read("a"), "before ")
  server:close()
  T.ok(relay:join())
end)

T.test("a_relay_waits_for_who_is_sending", function()
  local client, a, b, server = line(T.unix_pair)
  local long = text_of(4000000, 0)
  local sender = T.waiting(b.send, b, long)
  client:send("after")
  client:shutdown()
  local relay = T.waiting(net.relay, a, b)
  T.ok(server:read_exact(#long + 5) == long .. "after")
  T.eq(sender:join(), #long)
  server:close()
  T.ok(relay:join())
end)

T.test("a_slow_reader_stops_the_sender", function()
  local client, a, b, server = line()
  local relay = T.waiting(net.relay, a, b)
  collectgarbage()
  local before = collectgarbage("count")
  local sent = T.fill(client)
  T.ok(sent < 40000000, sent)
  collectgarbage()
  T.ok(collectgarbage("count") - before < 1024)
  local reader = net.spawn(T.drain, server)
  client:shutdown()
  T.eq(reader:join(), sent)
  server:close()
  T.eq(relay:join().a_to_b_bytes, sent)
end)

T.test("the_others_have_their_turns", function()
  local client, a, b, server = line()
  local longest, ended = 0, false
  local ticker = net.spawn(function()
    local last = net.now()
    while not ended do
      net.yield()
      longest = math.max(longest, net.now() - last)
      last = net.now()
    end
  end)
  local text = ("x"):rep(1 << 20)
  net.spawn(function()
    for _ = 1, 200 do client:send(text) end
    client:close()
  end)
  net.spawn(function()
    T.eq(T.drain(server), 200 << 20)
    server:close()
  end)
  T.ok(net.relay(a, b))
  ended = true
  ticker:join()
  T.ok(longest < 1, longest)
end)

T.test("urgent_bytes_do_not_stop_it", function()
  local client, a, b, server = line()
  local relay = T.waiting(net.relay, a, b)
  local text = text_of(400000, 0)
  local reader = net.spawn(function() return server:read("a") end)
  client:send(text)
  client:send("!", net.MSG_OOB)
  client:send(text)
  client:shutdown()
  T.ok(reader:join() == text .. text)
  server:close()
  T.eq(relay:join().a_to_b_bytes, 2 * #text)
end)

-- --- pipes and memory -----------------------------------------------------------------

T.test("an_idle_relay_has_no_pipe", function()
  local open = T.open_files()
  local client, a, b, server = line()
  local relay = T.waiting(net.relay, a, b)
  T.eq(T.open_files(), open + 4)
  client:send("little")
  T.eq(server:read_exact(6), "little")
  T.eq(T.open_files(), open + 4)
  client:close()
  server:close()
  T.ok(relay:join())
end)

T.test("pipes_are_shared_and_closed_with_the_last_relay", function()
  local text = text_of(1000000, 0)
  local lines, relays = {}, {}
  for i = 1, 100 do
    lines[i] = { line() }
    relays[i] = T.waiting(net.relay, lines[i][2], lines[i][3])
  end
  local open = T.open_files()
  for _, l in ipairs(lines) do
    net.spawn(l[1].send, l[1], text)
    T.ok(l[4]:read_exact(#text) == text)
  end
  T.ok(T.open_files() <= open + 4, T.open_files() - open)
  for i, l in ipairs(lines) do
    l[1]:close()
    l[4]:close()
    T.ok(relays[i]:join())
  end
  T.eq(T.open_files(), open - 200)
end)

T.test("who_finds_no_pipe_copies", function()
  local text = text_of(3000000, 0)
  local lines, relays = {}, {}
  for i = 1, 70 do -- the kernel holds 2.5 MB of each, a pipe or a copy the rest
    lines[i] = { line(T.unix_pair) }
    relays[i] = T.waiting(net.relay, lines[i][2], lines[i][3])
    T.waiting(function()
      lines[i][1]:send(text)
      lines[i][1]:shutdown()
    end)
  end
  T.turns(20)
  T.ok(T.open_files() > 70 * 4 + 100, T.open_files())
  for i, l in ipairs(lines) do
    T.ok(l[4]:read("a") == text)
    l[4]:close()
    T.eq(relays[i]:join().a_to_b_bytes, #text)
  end
  T.ok(T.open_files() < 70 * 4 + 20, T.open_files())
end)

T.test("without_descriptors_it_copies", function()
  local client, a, b, server = line()
  T.limit_files(T.open_files() + 3)
  local text = text_of(3000000, 0)
  net.spawn(send_in_pieces, client, text, { 1000000 })
  net.spawn(function()
    T.ok(server:read("a") == text)
    server:close()
  end)
  T.eq(T.ok(net.relay(a, b)).a_to_b_bytes, #text)
end)

for _, how in ipairs { "end", "reset", "close", "cancel", "timeout" } do
  T.test("descriptors_are_back_after_a_relay_that_was_full: " .. how, function()
    local open = T.open_files()
    local client, a, b, server = line()
    local relay = net.spawn(net.relay, a, b, { idle = how == "timeout" and 0.1 or nil })
    local sender = net.spawn(function() return client:send(("x"):rep(20000000)) end)
    T.turns(50)
    local reader
    if how == "end" then reader = net.spawn(T.drain, server) end
    if how == "reset" then reset(server) end
    if how == "close" then a:close() end
    if how == "cancel" then relay:cancel() end
    if how ~= "end" then
      local _, err = relay:join()
      T.ok(err and (how == "cancel" or err.figures))
      a:close()
      sender:join()
    else
      sender:join()
      client:shutdown()
      reader:join()
      server:close()
      relay:join()
    end
    for _, s in ipairs { client, a, b, server } do s:close() end
    T.eq(T.open_files(), open)
  end)
end

-- --- wrong use ------------------------------------------------------------------------

T.test("wrong_use_raises", function()
  local _, a, b = line()
  local listener, datagram = T.listener(), T.datagrams()
  T.raises("test_relay.lua:%d+: bad argument #1 to 'relay' %(socket expected, got nil%)", function()
    net.relay()
  end)
  T.raises("bad argument #2 to 'relay'", net.relay, a, "b")
  T.raises("two sockets are needed, not one twice", net.relay, a, a)
  T.raises("relay: this socket listens", net.relay, a, listener)
  T.raises("relay: only streams can be relayed, not a udp socket", net.relay, datagram, b)
  T.raises("relay: this socket is not connected", net.relay, net.socket(), b)
  T.raises("no option is named 'idel'", net.relay, a, b, { idel = 3 })
  T.raises("test_relay.lua:%d+: relay: idle is long; a number of seconds", function()
    net.relay(a, b, { idle = "long" })
  end)
  T.raises("relay: idle is %-1; a number of seconds, 0 or more", net.relay, a, b, { idle = -1 })
  T.raises("relay: idle is %-?nan; a number of seconds", net.relay, a, b, { idle = 0 / 0 })
  b:close()
  T.fails("closed", net.relay(a, b))
end)
