-- Tasks: order, join, failures and their reports, fairness, deadlock.

local net = require "net"
local T = require "harness"

-- --- spawn -----------------------------------------------------------------------------

T.test("spawn_never_switches", function()
  local ran = false
  net.spawn(function() ran = true end)
  T.eq(ran, false)
  net.yield()
  T.eq(ran, true)
end)

T.test("tasks_begin_in_the_order_of_spawning", function()
  local order = {}
  for i = 1, 5 do
    net.spawn(function()
      order[#order + 1] = i
      net.spawn(function() order[#order + 1] = i + 10 end)
    end)
  end
  net.yield()
  T.eq(T.list(order), "1 2 3 4 5 11 12 13 14 15")
end)

T.test("arguments_go_to_the_function", function()
  local task = net.spawn(function(...) return select("#", ...), ... end, 1, nil, "x", nil)
  local n, a, b, c, d = task:join()
  T.eq(n, 4)
  T.eq(a, 1)
  T.eq(b, nil)
  T.eq(c, "x")
  T.eq(d, nil)
end)

T.test("spawn_wants_a_function", function()
  T.raises("function expected, got no value", net.spawn)
  T.raises("function expected, got table", net.spawn, setmetatable({}, { __call = print }))
end)

T.test("the_process_runs_on_until_every_task_has_ended", { net = "fake",
  status = 1, stderr = "the last one was here" }, function()
  net.spawn(function()
    net.sleep(1000)
    net.spawn(function()
      net.sleep(1000)
      error("the last one was here", 0)
    end)
  end)
end)

T.test("a_task_tells_what_it_is", function()
  local task = net.spawn(net.yield)
  T.match(tostring(task), "^task %d+ %(ready, spawned at tests/lua/test_task.lua:%d+%)$")
  T.eq(task:status(), "ready")
  local other = net.spawn(function()
    return net.spawn(function() end), task:status()
  end)
  T.turns(1)
  T.eq(task:status(), "waiting")
  local _, seen = other:join()
  T.eq(seen, "waiting")
  task:join()
  T.eq(task:status(), "done")
  local me
  me = net.spawn(function() return me:status() end)
  T.eq(me:join(), "running")
end)

-- --- join ------------------------------------------------------------------------------

T.test("join_gives_the_results", function()
  local task = net.spawn(function()
    net.yield()
    return 1, nil, "three", nil
  end)
  local results = table.pack(task:join())
  T.eq(results.n, 4)
  T.eq(results[3], "three")
end)

T.test("join_twice_gives_the_results_twice", function()
  local task = net.spawn(function() return "a", "b" end)
  for _ = 1, 3 do
    local a, b = task:join()
    T.eq(a .. b, "ab")
  end
end)

T.test("several_tasks_may_join_one", function()
  local task = net.spawn(function()
    T.turns()
    return "done"
  end)
  local joiners = {}
  for i = 1, 3 do joiners[i] = net.spawn(function() return task:join() end) end
  for i = 1, 3 do T.eq(joiners[i]:join(), "done") end
end)

T.test("join_gives_very_many_results", function()
  local task = net.spawn(function()
    local list = {}
    for i = 1, 5000 do list[i] = i end
    return table.unpack(list)
  end)
  T.eq(select("#", task:join()), 5000)
end)

T.test("join_raises_the_very_error_and_it_is_not_reported", function()
  local value = {}
  local task = net.spawn(function()
    net.yield()
    error(value)
  end)
  for _ = 1, 2 do
    local ok, err = pcall(task.join, task)
    T.eq(ok, false)
    T.ok(rawequal(err, value))
  end
  T.eq(task:status(), "failed")
end)

T.test("join_of_a_task_that_failed_long_ago_is_in_time_while_somebody_holds_it", function()
  local task = net.spawn(function() error("early") end)
  T.turns(20)
  collectgarbage()
  T.turns(20)
  T.raises("early", task.join, task)
end)

T.test("join_of_a_cancelled_task_gives_nil_and_cancelled", function()
  local task = T.waiting(net.sleep, 1000)
  T.eq(task:cancel(), true)
  local err = T.fails("cancelled", task:join())
  T.eq(err.op, "join")
  T.fails("cancelled", task:join())
  T.eq(task:status(), "cancelled")
end)

T.test("a_task_cannot_join_itself", function()
  local me
  me = net.spawn(function() me:join() end)
  T.raises("join: a task cannot wait for its own end", me.join, me)
end)

T.test("a_join_that_is_cancelled_leaves_the_other_task_alone", function()
  local task = T.waiting(function()
    T.turns(10)
    return "fine"
  end)
  local joiner = T.waiting(function() return task:join() end)
  joiner:cancel()
  T.fails("cancelled", joiner:join())
  T.eq(task:join(), "fine")
end)

-- --- failures --------------------------------------------------------------------------

T.test("a_failure_that_nobody_joins_is_told_with_traceback_and_spawn_site", {
  status = 1,
  stderr = {
    "^soquete: tests/lua/test_task.lua:%d+: boom\n",
    "in task %d+, spawned at tests/lua/test_task.lua:%d+\n",
    "stack traceback:",
    "in upvalue 'fails'\n",
  },
}, function()
  local function fails() error("boom") end
  net.spawn(function()
    net.yield()
    fails()
  end)
  T.turns(10)
end)

T.test("the_others_go_on_after_a_failure", { status = 1, stderr = "boom" }, function()
  net.spawn(error, "boom")
  local task = net.spawn(function()
    T.turns(10)
    return "fine"
  end)
  T.eq(task:join(), "fine")
end)

T.test("a_failure_is_told_soon_and_not_at_the_end_only", { status = 1, stderr = "boom" },
  function()
    net.spawn(error, "boom", 0)
    for _ = 1, 200 do
      net.sleep(0.01)
      if T.stderr():find("boom") then return end
    end
    T.ok(false, "nothing on stderr")
  end)

T.test("a_failure_is_told_once", { status = 1, stderr = "boom" }, function()
  net.spawn(error, "boom", 0)
  T.turns(50)
  collectgarbage()
  T.turns(50)
  local _, count = T.stderr():gsub("boom", "")
  T.ok(count <= 1)
end)

T.test("an_error_of_the_main_script_cancels_every_task", {
  status = 1,
  stderr = { "main is done for", "closed by unwinding" },
}, function()
  net.spawn(function()
    local _ <close> = setmetatable({}, {
      __close = function() io.stderr:write("closed by unwinding\n") end,
    })
    net.sleep(1000)
  end)
  net.yield()
  error("main is done for")
end)

T.test("error_values_of_every_kind_are_told", {
  status = 1,
  stderr = { "soquete: nil\n", "soquete: true\n", "soquete: 42\n", "soquete: a table of its own",
    "soquete: function: " },
}, function()
  net.spawn(error)
  net.spawn(error, true)
  net.spawn(error, 42)
  net.spawn(error, print)
  net.spawn(error, setmetatable({}, { __tostring = function() return "a table of its own" end }))
end)

T.test("an_error_whose_text_fails_is_told_all_the_same", {
  status = 1,
  stderr = "an error whose text cannot be had",
}, function()
  net.spawn(error, setmetatable({}, { __tostring = function() error("no text") end }))
  net.spawn(error, setmetatable({}, { __tostring = function() return 5 end }))
end)

T.test("an_error_object_is_told_with_its_hint", {
  status = 1,
  stderr = { "connect 127.0.0.1:%d+: connection refused", "hint: nothing listens there" },
}, function()
  local l = T.listener()
  local address = l:getsockname()
  l:close()
  net.spawn(function() assert(net.connect(address)) end)
end)

T.test("an_error_in_gc_hurts_nobody", { stderr = "warning: error in" }, function()
  warn("@on")
  setmetatable({}, { __gc = function() error("in gc") end })
  collectgarbage()
  local a, b = T.pair()
  a:send("x")
  T.eq(b:recv(), "x")
end)

T.test("a_stack_overflow_ends_its_task_only", { status = 1, stderr = "stack overflow" },
  function()
    local function deep() return 1 + deep() end
    net.spawn(deep)
    T.turns(5)
    local a, b = T.pair()
    a:send("x")
    T.eq(b:recv(), "x")
  end)

T.test("a_failing_task_closes_its_sockets", function()
  local a, b = T.pair()
  local task = net.spawn(function()
    local s <close> = b
    error("gone")
  end)
  T.fails("eof", a:recv())
  T.raises("gone", task.join, task)
end)

T.test("the_traceback_goes_through_joins", {
  status = 1,
  stderr = { "deep inside", "in upvalue 'inner'", "in task %d+, spawned at", "in local 'outer'" },
}, function()
  local function inner() error("deep inside") end
  local function outer(task) return (task:join()) end
  outer(net.spawn(function()
    net.yield()
    inner()
  end))
end)

-- --- turns -----------------------------------------------------------------------------

T.test("yield_lets_every_other_task_run_once", function()
  local order = {}
  for i = 1, 3 do
    net.spawn(function()
      for _ = 1, 3 do
        order[#order + 1] = i
        net.yield()
      end
    end)
  end
  T.turns(4)
  T.eq(T.list(order), "1 2 3 1 2 3 1 2 3")
end)

T.test("an_always_ready_socket_does_not_starve_the_others", function()
  local a, b = T.pair()
  a:send(("x"):rep(100000))
  local stopped, ticks = false, 0
  local ticker = net.spawn(function()
    while not stopped do
      ticks = ticks + 1
      net.yield()
    end
  end)
  for _ = 1, 6400 do T.eq(#b:recv(1), 1) end
  stopped = true
  ticker:join()
  T.ok(ticks >= 99 and ticks <= 101, ticks .. " turns in 6400 operations")
end)

T.test("large_pieces_step_aside_by_their_bytes", { net = "fake" }, function()
  local a, b = T.pair()
  local ticks, stopped = 0, false
  local ticker = net.spawn(function()
    while not stopped do
      ticks = ticks + 1
      net.yield()
    end
  end)
  local got = 0
  for _ = 1, 64 do
    a:send(("x"):rep(32768))
    got = got + #b:recv()
  end
  stopped = true
  ticker:join()
  T.eq(got, 64 * 32768)
  T.ok(ticks >= 15, ticks)
end)

T.test("results_are_intact_after_stepping_aside", function()
  local a, b = T.datagrams()
  local to, me = b:getsockname(), a:getsockname()
  local other = net.spawn(function() T.turns(50) end)
  for i = 1, 300 do
    local text = "datagram " .. i
    T.eq(a:sendto(text, to), #text)
    local data, from, size = b:recvfrom()
    T.eq(data, text)
    T.ok(rawequal(from, me))
    T.eq(size, #text)
  end
  other:join()
end)

T.test("accepts_step_aside_too", function()
  local l <close> = T.listener()
  local clients, ticks, stopped = {}, 0, false
  for i = 1, 200 do clients[i] = T.ok(net.connect(l:getsockname())) end
  net.spawn(function()
    while not stopped do
      ticks = ticks + 1
      net.yield()
    end
  end)
  for i = 1, 200 do
    local conn, peer = l:accept()
    T.eq(peer, clients[i]:getsockname())
    conn:close()
  end
  stopped = true
  T.ok(ticks >= 3, ticks)
end)

T.test("now_goes_forward_only", function()
  local last = net.now()
  for _ = 1, 1000 do
    local now = net.now()
    T.ok(now >= last)
    last = now
  end
  T.eq(math.type(last), "float")
end)

T.test("sleepers_wake_in_the_order_of_their_times", { net = "fake" }, function()
  local order, tasks = {}, {}
  for i, seconds in ipairs { 3, 1, 2, 1, 0, 10.5, -1 } do
    tasks[i] = net.spawn(function()
      net.sleep(seconds)
      order[#order + 1] = i
    end)
  end
  local before = net.now()
  for i = 1, #tasks do tasks[i]:join() end
  T.eq(T.list(order), "5 7 2 4 3 1 6")
  T.ok(net.now() - before >= 10.5)
end)

T.test("a_thousand_tasks_are_no_trouble", { net = "fake" }, function()
  local sum, tasks = 0, {}
  for i = 1, 1000 do
    tasks[i] = net.spawn(function()
      net.sleep(i % 7)
      sum = sum + i
    end)
  end
  for i = 1, #tasks do tasks[i]:join() end
  T.eq(sum, 500500)
end)

T.test("a_chain_of_spawns_does_not_keep_timers_from_firing", { net = "fake" }, function()
  local stopped = false
  local function chain()
    if not stopped then net.spawn(chain) end
  end
  chain()
  net.sleep(0.000005) -- virtual time: a few turns
  stopped = true
end)

-- --- deadlock --------------------------------------------------------------------------

T.test("tasks_that_wait_for_each_other_end_in_a_deadlock_report", {
  status = 1,
  stderr = {
    "deadlock: every task waits, and nothing can wake any of them",
    "task %d+ %(main script%) waits at tests/lua/test_task.lua:%d+ in join task 2 since",
    "task 2 %(spawned at tests/lua/test_task.lua:%d+%) waits at tests/lua/test_task.lua:%d+ in join task 3 since",
    "task 3 %(spawned at tests/lua/test_task.lua:%d+%) waits at tests/lua/test_task.lua:%d+ in join task 2 since",
    "closed",
  },
}, function()
  local one, two
  one = net.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() io.stderr:write("closed\n") end })
    two:join()
  end)
  two = net.spawn(function() one:join() end)
  one:join()
end)

T.test("who_waits_for_a_socket_is_in_no_deadlock", function()
  local a, b = T.pair()
  local reader = net.spawn(function() return b:recv() end)
  local joiner = net.spawn(function() return reader:join() end)
  T.turns(5)
  a:send("x")
  T.eq(joiner:join(), "x")
end)

T.test("a_failure_that_is_still_held_at_the_end_is_told",
  { status = 1, stderr = "held to the end" }, function()
    package.loaded.kept = net.spawn(error, "held to the end") -- nothing collects it
  end)
