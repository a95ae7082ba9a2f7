-- Channels: values from task to task, in order, none lost.

local net = require "net"
local T = require "harness"

T.test("a_channel_of_capacity_0_is_a_rendezvous", function()
  local c, log = net.channel(), {}
  net.spawn(function()
    for i = 1, 3 do
      c:put(i)
      log[#log + 1] = "put " .. i
    end
  end)
  T.turns(5)
  T.eq(#log, 0)
  for i = 1, 3 do
    T.eq(c:get(), i)
    T.turns()
    T.eq(log[#log], "put " .. i)
    T.eq(#log, i)
  end
end)

T.test("put_waits_when_the_capacity_is_used", function()
  local c = net.channel(2)
  T.eq(c:put("a"), true)
  T.eq(c:put("b"), true)
  local third = T.waiting(c.put, c, "c")
  T.match(tostring(c), "^channel %(3 of 2 held%)$")
  T.eq(c:get(), "a")
  T.eq(third:join(), true)
  T.eq(c:get(), "b")
  T.eq(c:get(), "c")
end)

T.test("values_keep_their_order", function()
  for capacity = 0, 5 do
    local c, got = net.channel(capacity), {}
    net.spawn(function()
      for i = 1, 50 do
        c:put(i)
        if i % 7 == 0 then net.yield() end
      end
      c:close()
    end)
    for value in c do
      got[#got + 1] = value
      if value % 5 == 0 then net.yield() end
    end
    T.eq(#got, 50)
    for i = 1, 50 do T.eq(got[i], i) end
  end
end)

T.test("several_putters_and_getters_lose_nothing", function()
  for capacity = 0, 3 do
    local c, sum, count = net.channel(capacity), 0, 0
    local putters = {}
    for p = 1, 5 do
      putters[p] = net.spawn(function() for i = 1, 20 do c:put(p * 100 + i) end end)
    end
    local getters = {}
    for g = 1, 3 do
      getters[g] = net.spawn(function()
        for value in c do
          sum, count = sum + value, count + 1
          if value % 3 == 0 then net.yield() end
        end
      end)
    end
    for _, task in ipairs(putters) do task:join() end
    c:close()
    for _, task in ipairs(getters) do task:join() end
    T.eq(count, 100)
    T.eq(sum, 20 * 1500 + 5 * 210)
  end
end)

T.test("false_is_a_value_and_nil_is_refused", function()
  local c = net.channel(1)
  T.raises("nil cannot be put", c.put, c, nil)
  T.eq(c:put(false), true)
  T.eq(c:get(), false)
end)

T.test("the_capacity_is_a_whole_number", function()
  for _, wrong in ipairs { -1, 1.5, "2", true } do
    T.raises("a whole number from 0", net.channel, wrong)
  end
end)

T.test("a_closed_channel_gives_what_it_holds_and_then_nil", function()
  local c = net.channel(2)
  c:put(1)
  c:put(2)
  c:close()
  c:close()
  T.eq(c:get(), 1)
  T.eq(c:get(), 2)
  local value, err, code = c:get()
  T.eq(value, nil)
  T.match(tostring(err), "closed")
  T.eq(code, "closed")
  T.eq(select(3, c:put(3)), "closed")
end)

T.test("close_wakes_those_who_wait", function()
  local full, empty = net.channel(1), net.channel()
  full:put("kept")
  local putter, getter = T.waiting(full.put, full, "late"), T.waiting(empty.get, empty)
  full:close()
  empty:close()
  T.eq(select(3, putter:join()), "closed")
  T.eq(select(3, getter:join()), "closed")
  T.eq(full:get(), "kept")
  T.eq(full:get(), nil)
end)

T.test("a_channel_closes_with_its_block", function()
  local getter
  do
    local c <close> = net.channel()
    getter = T.waiting(c.get, c)
  end
  T.eq(select(3, getter:join()), "closed")
end)

T.test("an_interrupted_put_leaves_no_value", { net = "fake" }, function()
  for capacity = 0, 2 do
    local c = net.channel(capacity)
    for i = 1, 3 do -- the oldest value does not stand first in memory any more
      net.spawn(c.put, c, -i)
      T.eq(c:get(), -i)
    end
    for i = 1, capacity do c:put(i) end
    local cancelled = T.waiting(c.put, c, "never")
    local other = T.waiting(c.put, c, "last")
    T.fails("timeout", net.deadline(1, c.put, c, "never either"))
    cancelled:cancel()
    T.fails("cancelled", cancelled:join())
    for i = 1, capacity do T.eq(c:get(), i) end
    T.eq(c:get(), "last")
    T.eq(other:join(), true)
    T.fails("timeout", net.deadline(1, c.get, c))
  end
end)

T.test("a_get_that_times_out_takes_no_value", { net = "fake" }, function()
  local c = net.channel()
  T.fails("timeout", net.deadline(1, c.get, c))
  local getter = T.waiting(c.get, c)
  c:put("value")
  T.eq(getter:join(), "value")
end)

-- A cancel that meets a value: another task gets it.
local function value_of_one(c, cancelled, other)
  T.turns()
  c:close()
  T.fails("cancelled", cancelled:join())
  T.eq(other:join(), "value")
end

T.test("a_get_that_is_cancelled_before_the_value_comes_loses_nothing", function()
  local c = net.channel(1)
  local first, second = T.waiting(c.get, c), T.waiting(c.get, c)
  first:cancel()
  c:put("value")
  value_of_one(c, first, second)
end)

T.test("a_value_that_meets_only_a_cancelled_get_waits_for_another", function()
  local c = net.channel(1)
  local first = T.waiting(c.get, c)
  first:cancel()
  c:put("value")
  T.fails("cancelled", first:join())
  T.eq(c:get(), "value")
end)

T.test("a_put_whose_value_is_taken_succeeds_although_it_was_cancelled", function()
  local c = net.channel()
  local putter = T.waiting(c.put, c, "value")
  putter:cancel()
  T.eq(c:get(), "value")
  T.eq(putter:join(), true)
end)

T.test("a_get_that_is_cancelled_once_the_value_has_come_loses_nothing", function()
  local c = net.channel(1)
  local first, second = T.waiting(c.get, c), T.waiting(c.get, c)
  c:put("value") -- wakes the first, which has not run yet
  first:cancel()
  value_of_one(c, first, second)
end)

T.test("a_misspelt_method_of_a_channel_names_the_nearest", function()
  local channel = net.channel()
  T.raises("test_channel.lua:%d+: a channel has no 'putt'; did you mean 'put'%?", function()
    channel:putt(1)
  end)
end)

T.test("what_a_closed_channel_gives_tells_where_it_was_closed", function()
  local c = net.channel()
  local putter = T.waiting(c.put, c, 1)
  c:close()
  local line = debug.getinfo(1, "l").currentline - 1
  local place = "closed at tests/lua/test_channel.lua:" .. line .. " "
  T.match("" .. T.fails("closed", putter:join()), "^put: " .. place)
  T.match("" .. T.fails("closed", c:put(2)), "^put: " .. place)
  T.eq(T.fails("closed", c:get()).op, "get")
end)

T.test("a_method_of_a_channel_is_called_with_a_colon", function()
  for _, name in ipairs { "put", "get", "close" } do
    T.raises("test_channel.lua:%d+: call channel:" .. name, function()
      net.channel()[name](1)
    end)
  end
end)

T.test("a_task_whose_puts_and_gets_never_wait_lets_the_others_run", function()
  local ticks, over = 0, false
  local ticker = net.spawn(function()
    while not over do
      ticks = ticks + 1
      net.yield()
    end
  end)
  local c = net.channel(1)
  for i = 1, 3200 do
    c:put(i)
    T.eq(c:get(), i)
  end
  over = true
  ticker:join()
  T.ok(ticks >= 99 and ticks <= 101, ticks .. " turns in 6400 operations")
end)

T.test("a_value_that_was_taken_is_not_lost_when_the_task_then_steps_aside", function()
  local c, sum = net.channel(100), 0
  local getter = net.spawn(function()
    for value in c do sum = sum + value end
  end)
  for _ = 1, 100 do c:put(1) end
  net.yield()
  getter:cancel()
  getter:join()
  while not tostring(c):find("%(0 ") do sum = sum + c:get() end
  T.eq(sum, 100)
end)

T.test("a_wait_where_nothing_can_yield_is_told_with_the_line_of_the_script", function()
  T.raises("^tests/lua/test_channel.lua:%d+: get: cannot wait inside string.gsub",
    string.gsub, "a", ".", function() net.channel():get() end)
end)
