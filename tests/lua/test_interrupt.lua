-- Deadlines and cancellation: one mechanism, at every kind of wait.

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
    local a, b = T.pair()
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

-- --- deadlines -------------------------------------------------------------------------

T.test("deadline_passes_arguments_and_results", function()
  local a, b, c, n = net.deadline(10, function(...)
    net.yield()
    return 1, nil, select("#", ...), nil
  end, "x", nil)
  T.eq(a, 1)
  T.eq(b, nil)
  T.eq(c, 2)
  T.eq(n, nil)
  T.eq(select("#", net.deadline(10, function() return 1, nil end)), 2)
  T.eq(select("#", net.deadline(10, function() end)), 0)
end)

T.test("deadline_passes_errors_as_they_are", function()
  local value = {}
  local ok, err = pcall(net.deadline, 10, function() error(value) end)
  T.eq(ok, false)
  T.ok(rawequal(err, value))
  T.raises("test_interrupt.lua:%d+: plain", net.deadline, 10, function()
    net.yield()
    error("plain")
  end)
end)

T.test("a_deadline_bounds_several_waits_together", { net = "fake" }, function()
  local count = 0
  local before = net.now()
  T.fails("timeout", net.deadline(1, function()
    while true do
      net.sleep(0.3)
      count = count + 1
    end
  end))
  T.eq(count, 3)
  local took = net.now() - before
  T.ok(took >= 1 and took < 1.01, took)
end)

T.test("after_a_deadline_waits_are_free_again", { net = "fake" }, function()
  for _ = 1, 3 do T.fails("timeout", net.deadline(0.1, net.sleep, 5)) end
  local before = net.now()
  net.sleep(5)
  T.ok(net.now() - before >= 5)
  T.eq(net.deadline(1, function()
    net.sleep(0.5)
    return "in time"
  end), "in time")
end)

T.test("the_error_of_a_deadline_tells_the_wait", function()
  local a, b = T.pair()
  local err = T.fails("timeout", net.deadline(0.005, function() b:read_exact(5) end))
  T.eq(err.op, "read_exact")
  T.eq(err.address, tostring(a:getsockname()))
  T.match(err.where, "test_interrupt.lua:%d+$")
end)

T.test("an_inner_deadline_ends_only_what_is_inside", { net = "fake" }, function()
  local result = net.deadline(10, function()
    T.fails("timeout", net.deadline(1, net.sleep, 100))
    net.sleep(1)
    return "outer went on"
  end)
  T.eq(result, "outer went on")
end)

T.test("an_outer_deadline_ends_the_inner_one_too", { net = "fake" }, function()
  local log = {}
  local before = net.now()
  T.fails("timeout", net.deadline(1, function()
    local inner = table.pack(net.deadline(10, net.sleep, 100))
    log[#log + 1] = "inner returned " .. inner.n
  end))
  T.eq(T.list(log), "")
  T.ok(net.now() - before < 1.1)
end)

T.test("equal_deadlines_end_the_outer_one", { net = "fake" }, function()
  local inner_returned = false
  T.fails("timeout", net.deadline(1, function()
    net.deadline(1, net.sleep, 100)
    inner_returned = true
  end))
  T.eq(inner_returned, false)
end)

T.test("a_deadline_around_a_join_leaves_the_task_alone", { net = "fake" }, function()
  local task = net.spawn(function()
    net.sleep(5)
    return "done"
  end)
  local err = T.fails("timeout", net.deadline(1, function() return task:join() end))
  T.eq(err.op, "join")
  T.eq(task:join(), "done")
end)

T.test("a_deadline_does_not_bound_tasks_that_are_spawned_in_it", { net = "fake" }, function()
  local task
  T.fails("timeout", net.deadline(1, function()
    task = net.spawn(function()
      net.sleep(5)
      return "free"
    end)
    net.sleep(100)
  end))
  T.eq(task:join(), "free")
end)

T.test("a_deadline_and_a_timeout_whichever_is_first", { net = "fake" }, function()
  local a, b = T.pair()
  b:settimeout(1)
  local outcome = net.deadline(5, function()
    local data, err, code = b:recv()
    return tostring(data) .. " " .. code .. " " .. err.op
  end)
  T.eq(outcome, "nil timeout recv")
  b:settimeout(10)
  T.fails("timeout", net.deadline(5, function()
    b:recv()
    T.ok(false, "the wait was not interrupted")
  end))
  T.ok(a)
end)

T.test("a_deadline_that_has_passed_already_ends_the_first_wait", { net = "fake" }, function()
  for _, seconds in ipairs { 0, -1, -math.huge, math.mininteger, -1e308 } do
    local reached = false
    T.fails("timeout", net.deadline(seconds, function()
      reached = true
      net.yield()
    end))
    T.eq(reached, true)
  end
  T.eq(net.deadline(0, function() return "never waited" end), "never waited")
end)

T.test("deadlines_without_end_are_none", { net = "fake" }, function()
  for _, seconds in ipairs { math.huge, 1e308, math.maxinteger, 9.3e9 } do
    T.eq(net.deadline(seconds, function()
      net.sleep(1000)
      return "fine"
    end), "fine")
  end
  T.eq(net.deadline(nil, function()
    net.sleep(1000)
    return "fine"
  end), "fine")
end)

T.test("deadline_checks_its_arguments", function()
  T.raises("must be a number, not nan", net.deadline, 0 / 0, print)
  T.raises("number expected, got string", net.deadline, "soon", print)
  T.raises("function expected", net.deadline, 1)
  T.raises("function expected, got number", net.deadline, 1, 5)
end)

T.test("deadlines_nest_deeply", { net = "fake" }, function()
  local function nest(n)
    if n == 0 then return net.sleep(1000) end
    return net.deadline(100 + n, nest, n - 1)
  end
  T.fails("timeout", net.deadline(1, nest, 50))
end)

T.test("cancel_inside_a_deadline_is_a_cancel", { net = "fake" }, function()
  local log = {}
  local task = T.waiting(function()
    net.deadline(10, net.sleep, 100)
    log[#log + 1] = "deadline returned"
  end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(T.list(log), "")
end)

T.test("a_coroutine_that_yields_inside_a_deadline_is_refused", function()
  local co = coroutine.create(function()
    net.deadline(10, function() coroutine.yield() end)
  end)
  local ok, err = coroutine.resume(co)
  T.eq(ok, false)
  T.match(err, "attempt to yield out of net.deadline")
end)

T.test("a_deadline_around_a_generator_bounds_its_waits", { net = "fake" }, function()
  local ticks = coroutine.wrap(function()
    for i = 1, math.huge do
      net.sleep(0.3)
      coroutine.yield(i)
    end
  end)
  T.eq(ticks(), 1)
  local last
  T.fails("timeout", net.deadline(1, function()
    while true do last = ticks() end
  end))
  T.eq(last, 4)
end)

T.test("a_coroutine_begun_inside_a_deadline_is_free_outside", { net = "fake" }, function()
  local co = coroutine.wrap(function()
    coroutine.yield("begun")
    net.sleep(5)
    return "done"
  end)
  T.eq(net.deadline(1, co), "begun")
  net.sleep(2)
  T.eq(co(), "done")
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
