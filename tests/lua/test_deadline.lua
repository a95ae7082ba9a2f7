-- net.deadline: scopes, nesting, what comes back.

local net = require "net"
local T = require "harness"

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
  T.raises("test_deadline.lua:%d+: plain", net.deadline, 10, function()
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
  T.match(err.where, "test_deadline.lua:%d+$")
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
