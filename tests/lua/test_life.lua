-- The life of a socket: closing while others wait, reuse of numbers, collection.

local net = require "net"
local T = require "harness"

-- The line of `where` in this file.
local function line_of(err)
  return tostring(err):match("test_life.lua:(%d+)")
end

-- --- close while another task waits ----------------------------------------------------

local waits = {
  { "recv", function(_, b) return b:recv() end },
  { "read", function(_, b) return b:read() end },
  { "read_exact", function(_, b) return b:read_exact(10) end },
  { "read_until", function(_, b) return b:read_until(";") end },
  { "peek", function(_, b) return b:peek() end },
  { "send", function(_, b) return b:send(("x"):rep(2 ^ 23 | 0)) end },
  { "send_some", function(_, b) return b:send_some("x") end, T.fill },
}

for _, case in ipairs(waits) do
  local op, begin, prepare = table.unpack(case)
  T.test("close_wakes_who_waits_in_" .. op .. "_and_names_the_line", function()
    local a, b = (prepare and T.unix_pair or T.pair)()
    if prepare then prepare(b) end
    local task = T.waiting(begin, a, b)
    b:close() local here = debug.getinfo(1, "l").currentline
    local err = T.fails("closed", task:join())
    T.eq(line_of(err), tostring(here))
    T.match(tostring(err), ": closed at tests/lua/test_life.lua:%d+ %(closed%)$")
  end)
end

T.test("close_wakes_who_waits_in_accept", function()
  local l = T.listener()
  local tasks = {}
  for i = 1, 3 do tasks[i] = T.waiting(function() return l:accept() end) end
  l:close()
  for i = 1, 3 do T.eq(T.fails("closed", tasks[i]:join()).op, "accept") end
end)

T.test("close_wakes_who_waits_in_connect", { net = "fake" }, function()
  local s = net.socket()
  local task = T.waiting(function() return s:connect("192.0.2.1:80") end)
  s:close()
  T.match(tostring(T.fails("closed", task:join())), "^connect: closed at .*test_life.lua:%d+")
end)

T.test("close_wakes_who_looks_up_for_a_connect_at_its_next_step", { net = "fake" }, function()
  local s = net.socket()
  local task = T.waiting(function() return s:connect("slow.test:80") end)
  s:close()
  T.fails("closed", task:join())
end)

T.test("close_ends_iterators_of_other_tasks_with_an_error", function()
  local a, b = T.pair()
  local task = T.waiting(function()
    for _ in b:lines() do T.ok(a) end
  end)
  b:close()
  T.raises("lines: closed at .*test_life.lua:%d+", task.join, task)
end)

T.test("close_wakes_at_once", function()
  local a, b = T.pair()
  local woken = false
  local task = T.waiting(function()
    b:recv()
    woken = true
  end)
  b:close()
  net.yield()
  T.eq(woken, true)
  task:join()
  T.ok(a)
end)

T.test("a_reader_and_a_writer_are_both_woken", function()
  local a, b = T.pair()
  local reader = T.waiting(function() return b:recv() end)
  local writer = T.waiting(function() return b:send(("x"):rep(2 ^ 23 | 0)) end)
  b:close()
  T.fails("closed", reader:join())
  T.fails("closed", writer:join())
  T.ok(a)
end)

-- --- after close -----------------------------------------------------------------------

T.test("a_second_close_does_nothing", function()
  local s = net.socket()
  T.eq(s:close(), true)
  T.eq(s:close(), true)
  do
    local _ <close> = s
  end
  T.eq(s:close(), true)
end)

T.test("every_operation_on_a_closed_socket_tells_where_it_was_closed", function()
  local a, b = T.pair()
  b:send("unread")
  a:peek()
  a:close() local here = debug.getinfo(1, "l").currentline
  local calls = {
    { "accept" }, { "bind", "127.0.0.1:0" }, { "connect", "127.0.0.1:1" }, { "fileno" },
    { "getpeername" }, { "getsockname" }, { "getsockopt", "SO_TYPE" }, { "listen" },
    { "peek" }, { "read" }, { "read", "a" }, { "read_exact", 1 }, { "read_until", ";" },
    { "recv" }, { "send", "x" }, { "send_some", "x" }, { "setsockopt", "SO_KEEPALIVE", true },
    { "shutdown" },
  }
  for _, call in ipairs(calls) do
    local err = T.fails("closed", a[call[1]](a, table.unpack(call, 2)))
    T.eq(line_of(err), tostring(here), call[1])
  end
  T.eq(a:settimeout(1), a)
  T.eq(a:pending(), 0)
  T.eq(tostring(a), "socket (tcp, closed)")
  T.raises("closed at", a:lines())
  T.raises("closed at", a:pieces())
  local u = net.udp("127.0.0.1:0")
  u:close()
  T.fails("closed", u:recvfrom())
  T.fails("closed", u:recv())
  T.fails("closed", u:sendto("x", "127.0.0.1:9"))
  T.fails("closed", u:send("x"))
end)

T.test("the_line_of_the_close_variable_is_named", function()
  local s = net.socket()
  do
    local guard <close> = s
  end
  T.match(tostring(T.fails("closed", s:getsockname())), "closed at tests/lua/test_life.lua:%d+")
end)

T.test("close_in_gc_and_in_close_variables_is_fine", function()
  local s, t = net.socket(), net.socket()
  setmetatable({}, { __gc = function() s:close() end })
  collectgarbage()
  do
    local _ <close> = setmetatable({}, { __close = function()
      t:close()
      t:close()
    end })
  end
  T.fails("closed", s:getsockname())
  T.fails("closed", t:getsockname())
end)

-- --- numbers are used again ------------------------------------------------------------

T.test("a_number_that_is_used_again_gets_no_foreign_event", function()
  for _ = 1, 50 do
    local a, b = T.pair()
    local number = b:fileno()
    local task = T.waiting(function() return b:recv() end)
    a:send("for the old one")
    b:close()
    local c, d = T.pair()
    local new = c:fileno() == number and c or d
    local peer = new == c and d or c
    local reader = net.spawn(function() return new:recv() end)
    T.fails("closed", task:join())
    T.turns(3)
    T.eq(reader:status(), "waiting")
    peer:send("for the new one")
    T.eq(reader:join(), "for the new one")
    a:close()
    c:close()
    d:close()
  end
end)

T.test("a_thousand_connections_leave_no_descriptor", function()
  local l <close> = T.listener()
  local before = T.open_files()
  for i = 1, 1000 do
    local a = T.ok(net.connect(l:getsockname()))
    local b = l:accept()
    if i % 2 == 0 then
      a:send("x")
      T.eq(b:recv(), "x")
    end
    a:close()
    b:close()
  end
  T.eq(T.open_files(), before)
end)

T.test("failed_connects_leave_no_descriptor", function()
  local holder <close> = T.ok(net.socket()) -- it is bound and does not listen
  T.ok(holder:bind("127.0.0.1", 0))
  local address = T.ok(holder:getsockname())
  local before = T.open_files()
  for _ = 1, 200 do
    T.fails("ECONNREFUSED", net.connect(address))
    T.fails("EADDRNOTAVAIL", net.listen("192.0.2.77:0"))
  end
  T.eq(T.open_files(), before)
end)

T.test("an_interrupted_connect_closes_its_socket_at_once", { net = "fake" }, function()
  collectgarbage("stop")
  local before = T.open_handles()
  T.fails("timeout", net.deadline(1, net.connect, "192.0.2.1:80"))
  T.eq(T.open_handles(), before)
  local task = T.waiting(net.connect, "192.0.2.1:80")
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(T.open_handles(), before)
end)

T.test("an_interrupted_lookup_is_forgotten", { net = "fake" }, function()
  collectgarbage("stop")
  local before = T.open_handles()
  T.fails("timeout", net.deadline(1, net.connect, "slow.test:80"))
  T.fails("timeout", net.deadline(1, net.gethostbyname, "slow.test"))
  T.ok(T.open_handles() <= before + 2, "questions may wait for a collection")
  collectgarbage()
  T.eq(T.open_handles(), before)
end)

-- --- collection ------------------------------------------------------------------------

T.test("a_socket_that_nobody_holds_is_closed", function()
  local a, b = T.pair()
  local number = b:fileno()
  b = nil -- luacheck: ignore
  collectgarbage()
  T.fails("eof", a:recv())
  T.eq(T.descriptor_flags(number), nil)
end)

T.test("a_socket_that_a_parked_task_waits_on_lives", function()
  local a
  do
    local b
    a, b = T.pair()
    net.spawn(function()
      local text = b:recv()
      b:send(text:upper())
      b:close()
    end)
  end
  T.turns()
  collectgarbage()
  collectgarbage()
  a:send("alive")
  T.eq(a:read("a"), "ALIVE")
end)

T.test("a_task_that_nobody_holds_runs_on", function()
  local a, b = T.pair()
  net.spawn(function(conn)
    for piece in conn:pieces() do conn:send(piece) end
    conn:close()
  end, b)
  b = nil -- luacheck: ignore
  for i = 1, 5 do
    collectgarbage()
    a:send("x" .. i)
    T.eq(a:recv(), "x" .. i)
  end
  a:close()
end)

T.test("sockets_in_a_cycle_are_closed", function()
  local a, b = T.pair()
  local cycle = { socket = b }
  cycle.self = cycle
  cycle, b = nil, nil -- luacheck: ignore
  collectgarbage()
  T.fails("eof", a:recv())
end)

T.test("memory_of_closed_connections_is_given_back", function()
  local l <close> = T.listener()
  local function round(n)
    for _ = 1, n do
      local a = T.ok(net.connect(l:getsockname()))
      local b = l:accept()
      net.spawn(function()
        b:read()
        b:close()
      end)
      a:send("hello\n")
      T.fails("eof", a:recv())
      a:close()
    end
    collectgarbage()
    collectgarbage()
    return collectgarbage("count")
  end
  local before = round(50)
  local after = round(300)
  T.ok(after < before + 50, before .. " → " .. after .. " KiB")
end)

-- --- __gc metamethods that use sockets -------------------------------------------------

T.test("a_gc_metamethod_that_reads_the_stream_that_is_read_loses_no_byte", function()
  local a, b = T.pair()
  local sender = net.spawn(function()
    for i = 1, 20000 do a:send(("%08d\n"):format(i)) end
    a:close()
  end)
  collectgarbage("generational")
  local stolen, stopped = 0, false
  local function steal()
    setmetatable({}, { __gc = function()
      if stopped then return end
      if b:pending() > 0 then stolen = stolen + #b:recv(1) end
      steal()
    end })
  end
  steal()
  local got = 0
  while true do
    local data, err = b:read_exact(9)
    if not data then
      stopped = true
      got = got + err.partial
      break
    end
    got = got + #data
    local _ = { data } -- something to collect
  end
  T.eq(got + stolen, 180000) -- how much is stolen depends on the collector
  sender:join()
end)

T.test("a_gc_metamethod_that_closes_the_stream_that_is_read_is_harmless", function()
  collectgarbage("generational")
  for _ = 1, 20 do
    local a, b = T.pair()
    local sender = net.spawn(function()
      a:send(("x"):rep(2000000))
      a:close()
    end)
    b:peek(1)
    setmetatable({}, { __gc = function() b:close() end })
    for _ = 1, 2 do
      local data = b:read_exact(500000)
      T.ok(data == nil or data == ("x"):rep(500000))
    end
    b:close()
    sender:join()
  end
end)

local operations = {
  recv = function(_, b) return b:recv() end,
  read = function(_, b) return b:read() end,
  accept = function(l) return l:accept() end,
  send = function(_, b) return b:send(("x"):rep(2 ^ 24 | 0)) end,
  recvfrom = function(_, _, u) return u:recvfrom() end,
  sleep = function() return net.sleep(1) end,
}
for name, operation in pairs(operations) do
  T.test("a_gc_metamethod_after_the_end_cannot_wait_in_" .. name, {
    stderr = "only a task can wait",
  }, function()
    local l, u = T.listener(), net.udp("127.0.0.1:0")
    local a, b = T.pair()
    setmetatable({}, { __gc = function()
      local _, err = pcall(operation, l, b, u)
      io.stderr:write(tostring(err), "\n")
      for _, s in ipairs { l, u, a, b } do s:close() end
    end })
  end)
end
-- A number stands for the same test in every process.
table.sort(T.tests, function(a, b) return a.name < b.name end)

-- --- no descriptors left ---------------------------------------------------------------

local function exhaust(test)
  local l = T.listener()
  local address = l:getsockname()
  local first = T.ok(net.connect(address))
  local served = l:accept()
  local waiting = net.socket()
  local hog = {}
  T.limit_files(T.open_files() + 8)
  while true do
    local s, _, code = net.socket()
    if not s then
      T.ok(code == "EMFILE", code)
      break
    end
    hog[#hog + 1] = s
  end
  test(l, address, first, served, waiting, hog)
end

T.test("without_descriptors_accept_refuses_clients_and_goes_on", {
  stderr = "accept: too many open files %(EMFILE%); new clients have to wait",
}, function()
  exhaust(function(l, address, first, served, waiting, hog)
    local accepts = 0
    local server = net.spawn(function()
      while true do
        local conn = l:accept()
        if not conn then return accepts end
        accepts = accepts + 1
        conn:send("welcome")
        conn:close()
      end
    end)
    T.ok(waiting:connect(address))
    T.fails("eof", waiting:recv())
    T.eq(accepts, 0)
    first:send("still served")
    T.eq(served:recv(), "still served")
    local err = T.fails("EMFILE", net.socket())
    T.match(err.hint, "ulimit")
    for i = 1, #hog do hog[i]:close() end
    local again = T.ok(net.connect(address))
    T.eq(again:read("a"), "welcome")
    l:close()
    T.eq(server:join(), 1)
    local _, told = T.stderr():gsub("new clients have to wait", "")
    T.eq(told, 1)
  end)
end)

T.test("a_lack_of_descriptors_that_comes_and_goes_is_told_once", {
  stderr = "new clients have to wait",
}, function()
  exhaust(function(l, address, _, _, _, hog)
    local conns, clients = {}, {}
    local server = net.spawn(function()
      for conn in function() return (l:accept()) end do conns[#conns + 1] = conn end
    end)
    for i = 1, 4 do
      table.remove(hog):close() -- for the client's end
      table.remove(hog):close() -- for the server's: then none is left
      clients[i] = T.ok(net.connect(address))
      repeat net.sleep(0.001) until #conns == i
    end
    l:close()
    server:join()
    local _, told = T.stderr():gsub("new clients have to wait", "")
    T.eq(told, 1)
    for i = 1, 4 do
      clients[i]:close()
      conns[i]:close()
    end
    for _, s in ipairs(hog) do s:close() end
  end)
end)

T.test("without_descriptors_accept_does_not_spin", { stderr = "new clients have to wait" },
  function()
    exhaust(function(l, address, _, _, waiting)
      T.ok(waiting:connect(address))
      local server = net.spawn(function() return l:accept() end)
      local before, clock = net.now(), os.clock()
      net.sleep(0.3)
      local busy = (os.clock() - clock) / (net.now() - before)
      T.ok(busy < 0.5, "the processor was busy for " .. busy)
      server:cancel()
      T.fails("cancelled", server:join())
    end)
  end)

T.test("a_timeout_ends_an_accept_that_backs_off", { stderr = "new clients have to wait" },
  function()
    exhaust(function(l, address, _, _, waiting)
      T.ok(waiting:connect(address))
      l:settimeout(0.02)
      T.fails("timeout", l:accept())
      l:close()
      T.fails("closed", l:accept())
    end)
  end)

T.test("close_ends_an_accept_that_backs_off", { stderr = "new clients have to wait" },
  function()
    exhaust(function(l, address, _, _, waiting)
      T.ok(waiting:connect(address))
      local server = T.waiting(function() return l:accept() end)
      l:close()
      net.deadline(5, function() T.fails("closed", server:join()) end)
    end)
  end)

-- A third of what the net says concerns one client only, and is not waited for.
T.test("without_descriptors_accept_tries_about_twice_a_second", {
  net = "full", stderr = "new clients have to wait",
}, function()
  local l <close> = T.listener()
  l:settimeout(60)
  T.fails("timeout", l:accept())
  T.ok(T.faults() > 120 and T.faults() < 300, T.faults())
end)
