-- Interruptions: cancel, deadline and signals, at every kind of wait.

local net = require "net"
local T = require "harness"

local function guard(log, word)
  return setmetatable({}, { __close = function() log[#log + 1] = word end })
end

-- --- cancel at each kind of wait -------------------------------------------------------

-- Each prepares a wait and gives the function that begins it.
local waits = {
  sleep = function() return function() net.sleep(1000) end end,
  yield = function() return function() while true do net.yield() end end end,
  recv = function()
    local a, b = T.pair()
    return function() b:recv() end, a
  end,
  read = function()
    local a, b = T.pair()
    a:send("no end of line")
    return function() b:read() end, a
  end,
  read_exact = function()
    local a, b = T.pair()
    a:send("abc")
    return function() b:read_exact(10) end, a
  end,
  read_until = function()
    local a, b = T.pair()
    return function() b:read_until(";") end, a
  end,
  peek = function()
    local a, b = T.pair()
    return function() b:peek() end, a
  end,
  lines = function()
    local a, b = T.pair()
    return function() for _ in b:lines() do break end end, a
  end,
  pieces = function()
    local a, b = T.pair()
    return function() for _ in b:pieces() do break end end, a
  end,
  send = function()
    local a, b = T.pair()
    return function() a:send(("x"):rep(2 ^ 23 | 0)) end, b
  end,
  send_some = function()
    local a, b = T.unix_pair()
    T.fill(a)
    return function() a:send_some("x") end, b
  end,
  ["the queue of senders"] = function()
    local a, b = T.pair()
    local first = T.waiting(function() a:send(("x"):rep(2 ^ 23 | 0)) end)
    return function() a:send("second") end, b, first
  end,
  accept = function()
    local l = T.listener()
    return function() l:accept() end
  end,
  ["the queue of accepters"] = function()
    local l = T.listener()
    local first = T.waiting(function() l:accept() end)
    return function() l:accept() end, l, first
  end,
  recvfrom = function()
    local u = net.udp("127.0.0.1:0")
    return function() u:recvfrom() end
  end,
  ["recv of datagrams"] = function()
    local u = net.udp("127.0.0.1:0")
    return function() u:recv() end
  end,
  ["the queue of datagram readers"] = function()
    local u = net.udp("127.0.0.1:0")
    local first = T.waiting(function() u:recvfrom() end)
    return function() u:recvfrom() end, u, first
  end,
  join = function()
    local other = T.waiting(net.sleep, 1000)
    return function() other:join() end, nil, other
  end,
}

local function cancels(wait)
  local begin, keep, helper = wait()
  local log = {}
  local task = T.waiting(function()
    local _ <close> = guard(log, "closed")
    begin()
    log[#log + 1] = "went on"
  end)
  T.eq(task:cancel(), true)
  T.eq(task:cancel(), true)
  local err = T.fails("cancelled", task:join())
  T.eq(tostring(err), "join: cancelled (cancelled)")
  T.eq(T.list(log), "closed")
  T.eq(task:cancel(), false)
  if helper then
    helper:cancel()
    T.fails("cancelled", helper:join())
  end
  return keep
end

for name, wait in pairs(waits) do
  T.test("cancel_ends_" .. name:gsub(" ", "_"), function() cancels(wait) end)
  T.test("a_deadline_ends_" .. name:gsub(" ", "_"), function()
    local begin, keep, helper = wait()
    local log = {}
    local err = T.fails("timeout", net.deadline(0.005, function()
      local _ <close> = guard(log, "closed")
      begin()
      log[#log + 1] = "went on"
    end))
    T.ok(err, keep)
    T.eq(T.list(log), "closed")
    if helper then
      helper:cancel()
      T.fails("cancelled", helper:join())
    end
  end)
end
-- A number stands for the same test in every process.
table.sort(T.tests, function(a, b) return a.name < b.name end)

T.test("cancel_ends_a_connect_that_nobody_answers", { net = "fake" }, function()
  cancels(function()
    local s = net.socket()
    return function() s:connect("192.0.2.1:80") end, s
  end)
end)

T.test("cancel_ends_a_lookup", { net = "fake" }, function()
  cancels(function() return function() net.gethostbyname("slow.test") end end)
  cancels(function() return function() net.connect("slow.test:80") end end)
  cancels(function()
    local u = net.socket(net.AF_INET, net.SOCK_DGRAM)
    return function() u:sendto("x", "slow.test:80") end, u
  end)
end)

T.test("a_deadline_ends_a_lookup", { net = "fake" }, function()
  T.fails("timeout", net.deadline(1, net.gethostbyname, "slow.test"))
  T.eq(net.deadline(6, net.gethostbyname, "slow.test"), "127.0.0.1")
end)

T.test("a_task_that_is_cancelled_before_it_began_never_runs", function()
  local ran = false
  local task = net.spawn(function() ran = true end)
  T.eq(task:cancel(), true)
  T.fails("cancelled", task:join())
  T.eq(ran, false)
end)

T.test("a_task_that_never_waits_again_ends_by_itself", function()
  local task
  task = net.spawn(function()
    task:cancel()
    return "done"
  end)
  T.eq(task:join(), "done")
  T.eq(task:cancel(), false)
end)

T.test("a_task_may_cancel_itself", function()
  local task
  task = net.spawn(function()
    task:cancel()
    net.yield()
  end)
  T.fails("cancelled", task:join())
end)

T.test("a_bare_operation_that_need_not_wait_is_interrupted_too", function()
  local a, b = T.pair()
  a:send("data")
  T.eq(b:peek(1), "d")
  local task
  task = net.spawn(function()
    task:cancel()
    return b:recv()
  end)
  T.fails("cancelled", task:join())
  T.eq(b:recv(), "data")
end)

T.test("a_cancel_that_comes_together_with_the_data_loses_nothing", function()
  local a, b = T.pair()
  local task = T.waiting(function() return b:recv() end)
  a:send("data")
  task:cancel()
  local data = task:join()
  T.eq(data or b:recv(), "data")
end)

-- --- what cannot be swallowed ----------------------------------------------------------

T.test("cancel_cannot_be_swallowed_by_pcall", function()
  local caught = 0
  local task = T.waiting(function()
    while true do
      local ok = pcall(net.sleep, 1)
      if not ok then caught = caught + 1 end
    end
  end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.ok(caught >= 1 and caught < 100, caught)
end)

T.test("a_deadline_cannot_be_swallowed_by_pcall", function()
  local caught = 0
  T.fails("timeout", net.deadline(0.005, function()
    while true do
      if not pcall(net.sleep, 1) then caught = caught + 1 end
    end
  end))
  T.ok(caught >= 1 and caught < 100, caught)
end)

T.test("a_deadline_cannot_be_swallowed_by_coroutines", function()
  T.fails("timeout", net.deadline(0.005, function()
    while true do
      local co = coroutine.create(function() net.sleep(1) end)
      coroutine.resume(co)
    end
  end))
  T.fails("timeout", net.deadline(0.005, function()
    while true do
      xpcall(coroutine.wrap(function() net.sleep(1) end), function(e) return e end)
    end
  end))
end)

T.test("who_swallows_a_deadline_and_returns_gets_the_timeout_all_the_same", function()
  local seen
  T.fails("timeout", net.deadline(0.005, function()
    local ok, err = pcall(net.sleep, 1)
    seen = err.code
    return "swallowed", ok
  end))
  T.eq(seen, "timeout")
end)

T.test("after_a_swallowed_cancel_the_next_wait_raises_again", function()
  local codes = {}
  local task = T.waiting(function()
    for i = 1, 3 do
      local _, err = pcall(net.sleep, 1000)
      codes[i] = err.code
    end
    net.sleep(1000)
  end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(T.list(codes), "cancelled cancelled cancelled")
end)

T.test("an_error_that_replaces_the_cancel_is_a_failure", function()
  local task = T.waiting(function()
    local ok = pcall(net.sleep, 1000)
    if not ok then error("other things went wrong") end
  end)
  task:cancel()
  T.raises("other things went wrong", task.join, task)
end)

T.test("a_cancel_that_is_raised_again_is_a_cancel", function()
  local task = T.waiting(function()
    local ok, err = pcall(net.sleep, 1000)
    if not ok then error(err, 0) end
  end)
  task:cancel()
  T.fails("cancelled", task:join())
end)

-- --- <close> variables -----------------------------------------------------------------

T.test("close_variables_may_wait_while_a_cancel_unwinds", { net = "fake" }, function()
  local a, b = T.pair()
  local log = {}
  local task = T.waiting(function()
    local _ <close> = setmetatable({}, {
      __close = function()
        net.sleep(0.3)
        a:send("goodbye")
        log[#log + 1] = "outer"
      end,
    })
    local _ <close> = setmetatable({}, {
      __close = function()
        net.sleep(0.3)
        log[#log + 1] = "inner"
      end,
    })
    net.sleep(1000)
  end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(T.list(log), "inner outer")
  T.eq(b:recv(), "goodbye")
end)

T.test("close_variables_have_one_second_in_all", { net = "fake" }, function()
  local log = {}
  local function slow(word)
    return setmetatable({}, {
      __close = function()
        net.sleep(0.7)
        log[#log + 1] = word
      end,
    })
  end
  local task = T.waiting(function()
    local _ <close> = slow("third")
    local _ <close> = slow("second")
    local _ <close> = slow("first")
    net.sleep(1000)
  end)
  local before = net.now()
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(T.list(log), "first")
  T.ok(net.now() - before < 1.2, net.now() - before)
end)

T.test("close_variables_may_wait_while_a_deadline_unwinds", { net = "fake" }, function()
  local log = {}
  T.fails("timeout", net.deadline(1, function()
    local _ <close> = setmetatable({}, {
      __close = function()
        net.sleep(0.5)
        log[#log + 1] = "closed"
      end,
    })
    net.sleep(1000)
  end))
  T.eq(T.list(log), "closed")
end)

T.test("an_error_of_a_close_variable_replaces_the_cancel", function()
  local task = T.waiting(function()
    local _ <close> = setmetatable({}, { __close = function() error("in close") end })
    net.sleep(1000)
  end)
  task:cancel()
  T.raises("in close", task.join, task)
end)

-- --- signals ---------------------------------------------------------------------------

T.test("an_interrupt_unwinds_every_task_and_runs_close_variables_that_wait", {
  net = "fake",
  status = 130,
  stderr = { "one closed", "two closed", "main closed" },
}, function()
  local function waiter(name)
    local _ <close> = setmetatable({}, {
      __close = function()
        net.sleep(0.2)
        io.stderr:write(name, " closed\n")
      end,
    })
    net.sleep(1000)
  end
  net.spawn(waiter, "one")
  net.spawn(waiter, "two")
  net.spawn(function()
    net.sleep(1)
    T.interrupt(2)
  end)
  waiter("main")
end)

T.test("an_interrupt_ends_a_loop_that_never_waits", { status = 143, stderr = "^unwound\n$" },
  function()
    local _ <close> = setmetatable({}, {
      __close = function() io.stderr:write("unwound\n") end,
    })
    T.interrupt(15)
    while true do end
  end)

T.test("tasks_that_are_spawned_after_an_interrupt_never_run", { status = 130, stderr = "^$" },
  function()
    local _ <close> = setmetatable({}, {
      __close = function() net.spawn(function() io.stderr:write("ran\n") end) end,
    })
    T.interrupt(2)
    net.sleep(1000)
  end)

T.test("a_signal_inside_a_coroutine_that_computes_ends_the_whole_task", { status = 130 },
  function()
    local reached = false
    local wrapped = coroutine.wrap(function()
      T.interrupt(2)
      while true do end
    end)
    pcall(wrapped)
    pcall(net.sleep, 10) -- every later wait raises too
    reached = true
    net.sleep(10)
    T.ok(not reached, "the wait raises")
  end)
