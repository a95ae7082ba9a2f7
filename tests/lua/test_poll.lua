-- net.poll: one task that waits for many sockets, as select(2) does.

local net = require "net"
local T = require "harness"

local function sockets(n)
  local list = {}
  for i = 1, n do list[i] = T.ok(net.udp("127.0.0.1:0")) end
  return list
end

local function close_all(list)
  for _, s in ipairs(list) do s:close() end
end

T.test("poll_with_no_sockets_waits_for_the_time", function()
  local began = net.now()
  local r, w = net.poll({}, {}, 0.02)
  T.eq(#r + #w, 0)
  T.ok(net.now() - began >= 0.02)
  r, w = net.poll(nil, nil, 0)
  T.eq(#r + #w, 0)
end)

T.test("poll_gives_nothing_when_the_time_is_up", function()
  local a, b = T.pair()
  local r, w = net.poll({ a, b }, {}, 0.01)
  T.eq(#r, 0)
  T.eq(#w, 0)
  a:close()
  b:close()
end)

T.test("poll_wakes_when_bytes_come", function()
  local a, b = T.pair()
  net.spawn(function()
    T.turns()
    a:send("hello")
  end)
  local r, w = net.poll({ a, b }, {}, 5)
  T.eq(#r, 1)
  T.eq(r[1], b)
  T.eq(#w, 0)
  b:settimeout(0)
  T.eq(b:recv(), "hello")
  a:close()
  b:close()
end)

T.test("a_stream_that_poll_names_gives_its_bytes_without_waiting", function()
  local a, b = T.pair()
  for i = 1, 200 do -- a short read had drained it each time
    a:send("x")
    T.eq(net.poll({ b }, {}, 5)[1], b, "round " .. i)
    b:settimeout(0)
    T.eq(b:recv(), "x")
  end
  a:close()
  b:close()
end)

T.test("a_stream_with_bytes_in_its_buffer_is_ready_at_once", function()
  local a, b = T.pair()
  a:send("line\nrest")
  T.eq(b:read(), "line")
  T.eq(net.poll({ b }, {}, 5)[1], b)
  T.eq(b:recv(), "rest")
  T.eq(#net.poll({ b }, {}, 0), 0)
  a:close()
  b:close()
end)

T.test("the_end_of_a_stream_is_ready", function()
  local a, b = T.pair()
  a:close()
  T.eq(net.poll({ b }, {}, 5)[1], b)
  T.fails("eof", b:recv())
  T.eq(net.poll({ b }, {}, 5)[1], b)
  b:close()
end)

T.test("the_order_of_the_argument_is_kept", function()
  local list = sockets(20)
  local from <close> = T.ok(net.udp("127.0.0.1:0"))
  for _, i in ipairs { 17, 3, 11 } do from:sendto("x", list[i]:getsockname()) end
  local r
  repeat r = net.poll(list, {}, 5) until #r == 3
  T.eq(r[1], list[3])
  T.eq(r[2], list[11])
  T.eq(r[3], list[17])
  close_all(list)
end)

T.test("more_sockets_than_one_system_call_takes", function()
  local list = sockets(600)
  local from <close> = T.ok(net.udp("127.0.0.1:0"))
  from:sendto("x", list[600]:getsockname())
  T.eq(net.poll(list, {}, 5)[1], list[600])
  close_all(list)
end)

T.test("a_listener_is_ready_when_a_client_waits", function()
  local l <close> = T.listener()
  T.eq(#net.poll({ l }, {}, 0), 0)
  net.spawn(function()
    T.turns()
    T.ok(net.connect(l:getsockname())):close()
  end)
  T.eq(net.poll({ l }, {}, 5)[1], l)
  l:settimeout(0)
  T.ok(l:accept()):close()
end)

T.test("a_writer_is_ready_when_there_is_room", function()
  local a, b = T.pair()
  local _, w = net.poll({}, { a }, 5)
  T.eq(w[1], a)
  T.fill(a)
  _, w = net.poll({}, { a }, 0.01)
  T.eq(#w, 0)
  net.spawn(function()
    T.turns()
    for piece in b:pieces() do T.ok(#piece > 0) end
    b:close()
  end)
  _, w = net.poll({ a }, { a }, 5)
  T.eq(w[1], a)
  a:settimeout(0)
  T.ok(a:send_some("x"))
  a:close()
end)

T.test("a_socket_may_be_in_both_lists_and_be_listed_twice", function()
  local a, b = T.pair()
  net.spawn(function()
    T.turns()
    b:send("x")
  end)
  local r, w = net.poll({ a, a }, { a }, 5)
  T.eq(#w, 1)
  r = #r > 0 and r or net.poll({ a, a }, {}, 5)
  T.eq(#r, 2)
  a:close()
  b:close()
end)

T.test("a_closed_socket_is_ready_and_close_wakes_poll", function()
  local a, b = T.pair()
  local waiting = T.waiting(function() return net.poll({ a }, {}, 5) end)
  a:close()
  T.eq(waiting:join()[1], a)
  T.fails("closed", a:recv())
  T.eq(net.poll({ a }, {}, 5)[1], a)
  b:close()
end)

T.test("cancel_ends_poll_and_leaves_no_waiter", function()
  local a, b = T.pair()
  local waiting = T.waiting(net.poll, { a, b }, { })
  waiting:cancel()
  T.fails("cancelled", waiting:join())
  b:send("x")
  T.eq(a:recv(), "x")
  a:close()
  b:close()
end)

T.test("a_deadline_ends_poll", function()
  local a, b = T.pair()
  T.fails("timeout", net.deadline(0.01, function() return net.poll({ a }, {}) end))
  b:send("x")
  T.eq(a:recv(), "x")
  a:close()
  b:close()
end)

T.test("a_coroutine_that_is_closed_in_poll_leaves_no_waiter", function()
  local a, b = T.pair()
  local co = coroutine.create(function() net.poll({ a }, {}) end)
  local resumer = T.waiting(coroutine.resume, co)
  T.ok(coroutine.close(co))
  resumer:cancel()
  resumer:join()
  b:send("x")
  T.eq(a:recv(), "x")
  a:close()
  b:close()
end)

T.test("a_socket_that_another_task_reads_is_refused_and_the_task_named", function()
  local a, b = T.pair()
  local reader = T.waiting(function() return a:recv() end)
  T.raises("poll: task %d+, spawned at .-harness.lua:%d+, waits on readers%[2%] already %(recv%)",
    net.poll, { b, a }, {}, 1)
  b:send("x")
  T.eq(reader:join(), "x")
  a:close()
  b:close()
end)

T.test("a_socket_that_another_task_polls_is_refused_both_ways", function()
  local a, b = T.pair()
  local first = T.waiting(function() return net.poll({ a }, {}) end)
  T.raises("poll: task %d+.* waits on readers%[1%] already %(poll%)", net.poll, { a }, {})
  T.raises("another task waits", a.recv, a)
  b:send("x")
  T.eq(first:join()[1], a)
  a:close()
  b:close()
end)

T.test("the_lists_may_change_while_poll_waits", function()
  local a, b = T.pair()
  local list = { a }
  local waiting = T.waiting(net.poll, list, {})
  list[1] = nil
  collectgarbage()
  b:send("x")
  T.eq(waiting:join()[1], a)
  a:close()
  b:close()
end)

T.test("wrong_arguments_of_poll_raise", function()
  local s <close> = T.ok(net.udp())
  T.raises("readers%[2%] is a number, not a socket", net.poll, { s, 1 }, {})
  T.raises("writers%[1%] is a string, not a socket", net.poll, {}, { "x" })
  T.raises("table expected", net.poll, s)
  T.raises("too many", net.poll, setmetatable({}, { __len = function() return -1 end }))
  T.raises("nan", net.poll, {}, {}, 0 / 0)
  T.raises("cannot wait inside table.sort", table.sort, { 1, 2 }, function()
    net.poll({ s }, {})
  end)
end)

-- The classical loop: one task, one select, many clients.
local function chat_server(listener, done)
  local clients = {}
  local function drop(gone)
    for i, c in ipairs(clients) do
      if c == gone then table.remove(clients, i) end
    end
    gone:close()
  end
  while not done.yes do
    local readers = { listener, table.unpack(clients) }
    for _, s in ipairs((net.poll(readers, {}, 5))) do
      if s == listener then
        clients[#clients + 1] = s:accept()
      else
        local data = s:recv()
        if not data then drop(s) end
        for _, c in ipairs(data and clients or {}) do
          if c ~= s then c:send(data) end
        end
      end
    end
  end
  for _, c in ipairs(clients) do c:close() end
end

T.test("a_chat_server_in_the_classical_style", function()
  local l <close> = T.listener()
  local done = {}
  local server = net.spawn(chat_server, l, done)
  local people = {}
  for i = 1, 5 do people[i] = T.ok(net.connect(l:getsockname())) end
  T.turns(10)
  people[2]:send("hello from two\n")
  for _, i in ipairs { 1, 3, 4, 5 } do T.eq(people[i]:read(), "hello from two") end
  people[3]:close()
  people[1]:send("and from one\n")
  for _, i in ipairs { 2, 4, 5 } do T.eq(people[i]:read(), "and from one") end
  done.yes = true
  people[4]:close()
  T.eq(select("#", server:join()), 0)
  close_all { people[1], people[2], people[5] }
end)
