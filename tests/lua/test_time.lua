-- Timeouts: every number that a script may give, and what a timeout leaves.

local net = require "net"
local T = require "harness"

T.test("settimeout_takes_every_number_but_nan", { net = "fake" }, function()
  local a, b = T.pair()
  for _, seconds in ipairs { 0, -1, -0.0, -1e308, -math.huge, math.mininteger, 1e-12 } do
    T.eq(b:settimeout(seconds), b)
    local before = net.now()
    T.fails("timeout", b:recv())
    T.ok(net.now() - before < 0.001)
  end
  for _, seconds in ipairs { math.huge, 1e308, math.maxinteger, 1e10, 9.2e9, 100 } do
    T.eq(b:settimeout(seconds), b)
    local sender = net.spawn(function()
      net.sleep(50)
      a:send("x")
    end)
    T.eq(b:recv(), "x")
    sender:join()
  end
  T.raises("not nan", b.settimeout, b, 0 / 0)
  T.raises("not nan", b.settimeout, b, -(0 / 0))
  T.raises("number expected, got string", b.settimeout, b, "soon")
  T.raises("value expected", b.settimeout, b)
end)

T.test("sleep_takes_every_number_but_nan", { net = "fake" }, function()
  for _, seconds in ipairs { 0, -1, -1e308, -math.huge, math.mininteger } do
    local before = net.now()
    net.sleep(seconds)
    T.ok(net.now() - before < 0.001)
  end
  T.raises("not nan", net.sleep, 0 / 0)
  T.raises("number expected, got no value", net.sleep)
  T.raises("number expected, got nil", net.sleep, nil)
  for _, seconds in ipairs { math.huge, 1e308, math.maxinteger, 9e9 } do
    local sleeper = T.waiting(net.sleep, seconds)
    net.sleep(1e6)
    T.eq(sleeper:status(), "waiting")
    sleeper:cancel()
    T.fails("cancelled", sleeper:join())
  end
end)

T.test("sleep_0_lets_the_others_run", function()
  local order = {}
  local other = net.spawn(function() order[#order + 1] = "other" end)
  net.sleep(0)
  order[#order + 1] = "main"
  other:join()
  T.eq(T.list(order), "other main")
end)

T.test("a_timeout_can_be_taken_back", { net = "fake" }, function()
  local a, b = T.pair()
  b:settimeout(0.1)
  T.fails("timeout", b:recv())
  b:settimeout(nil)
  net.spawn(function()
    net.sleep(1000)
    a:send("late")
  end)
  T.eq(b:recv(), "late")
end)

T.test("a_timeout_is_for_each_operation", { net = "fake" }, function()
  local a, b = T.pair()
  b:settimeout(1)
  net.spawn(function()
    for _ = 1, 5 do
      net.sleep(0.9)
      a:send("x")
    end
  end)
  for _ = 1, 5 do T.eq(b:recv(), "x") end
end)

T.test("a_timeout_that_changes_meanwhile_is_for_the_next_operation", { net = "fake" },
  function()
    local a, b = T.pair()
    b:settimeout(1)
    local before = net.now()
    local task = T.waiting(function() return b:recv() end)
    b:settimeout(1000)
    T.fails("timeout", task:join())
    T.ok(net.now() - before < 1.1)
    T.ok(a)
  end)

T.test("the_timeout_of_a_connect", { net = "fake" }, function()
  local s <close> = net.socket()
  s:settimeout(2)
  local before = net.now()
  local err = T.fails("timeout", s:connect("192.0.2.1:80"))
  T.eq(err.op, "connect")
  T.match(tostring(err), "^connect 192.0.2.1:80: timed out %(timeout%)$")
  local took = net.now() - before
  T.ok(took >= 2 and took < 2.1)
  T.raises("send: the connect of this socket failed", s.send, s, "x")
end)

T.test("the_timeout_of_a_connect_covers_the_lookup", { net = "fake" }, function()
  local s <close> = net.socket()
  s:settimeout(2)
  local before = net.now()
  T.fails("timeout", s:connect("slow.test:80"))
  T.ok(net.now() - before < 2.1)
end)

T.test("many_timers_fire_in_order", { net = "fake" }, function()
  local last, count, tasks = 0, 0, {}
  for i = 1, 3000 do
    local seconds = (i * 7919) % 3001
    tasks[i] = net.spawn(function()
      net.sleep(seconds)
      T.ok(seconds >= last, "a timer fired too late")
      last, count = seconds, count + 1
    end)
  end
  for i = 1, #tasks do tasks[i]:join() end
  T.eq(count, 3000)
end)

-- 200 tasks, 500 ticks each; every second tick's work takes longer than a period.
T.test("a_hundred_thousand_ticks_do_not_drift", { net = "fake", seconds = 120 }, function()
  local PERIOD, TICKS, late = 0.01, 500, 0
  local begin, tasks = net.now(), {}
  for i = 1, math.max(200 // T.slow, 1) do
    tasks[i] = net.spawn(function()
      local due = begin
      for tick = 1, TICKS do
        due = due + PERIOD
        net.sleep(due - net.now())
        T.ok(net.now() > begin + tick * PERIOD - 1e-8, "a tick came early")
        if tick % 2 == 0 then net.sleep(PERIOD * 0.9) end
      end
      late = math.max(late, net.now() - PERIOD * 0.9 - (begin + TICKS * PERIOD))
    end)
  end
  for i = 1, #tasks do tasks[i]:join() end
  T.ok(late < 0.002, late) -- as late as one wake is, however many came before
end)

T.test("real_time_passes", function()
  local before = net.now()
  net.sleep(0.02)
  local took = net.now() - before
  T.ok(took >= 0.02, took)
end)
