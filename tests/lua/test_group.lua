-- Groups, race, all: tasks that do not outlive a block.

local net = require "net"
local T = require "harness"

-- A task's function that waits for `seconds` and notes in `log` how it ended.
local function sleeper(log, name, seconds)
  return function()
    local _ <close> = setmetatable({}, { __close = function(_, err)
      log[#log + 1] = name .. (err and " cancelled" or " done")
    end })
    net.sleep(seconds)
    return name
  end
end

T.test("a_group_waits_for_every_task", { net = "fake" }, function()
  local log = {}
  local a, b = net.group(function(group)
    group:spawn(sleeper(log, "slow", 2))
    group:spawn(sleeper(log, "quick", 1))
    return "body", 7
  end)
  T.eq(T.list(log), "quick done slow done")
  T.eq(a, "body")
  T.eq(b, 7)
  T.eq(#net.tasks(), 1)
end)

T.test("an_empty_group_gives_what_its_function_gives", function()
  T.eq(net.group(function() return 5 end), 5)
  T.eq(select("#", net.group(function() end)), 0)
end)

T.test("a_task_of_a_group_may_be_joined_in_it", { net = "fake" }, function()
  T.eq(net.group(function(group)
    local task = group:spawn(function(x)
      net.sleep(1)
      return x + 1
    end, 41)
    return task:join()
  end), 42)
end)

T.test("the_first_failure_cancels_the_others_and_is_raised", { net = "fake" }, function()
  local log, begin = {}, net.now()
  local problem = {}
  local ok, err = pcall(net.group, function(group)
    group:spawn(sleeper(log, "a", 60))
    group:spawn(function()
      net.sleep(1)
      error(problem)
    end)
    group:spawn(sleeper(log, "b", 60))
    net.sleep(60)
    log[#log + 1] = "never"
  end)
  T.eq(ok, false)
  T.ok(rawequal(err, problem))
  table.sort(log)
  T.eq(T.list(log), "a cancelled b cancelled")
  T.ok(net.now() - begin < 2)
  T.eq(#net.tasks(), 1)
end)

T.test("a_failure_of_the_body_cancels_the_tasks", { net = "fake" }, function()
  local log = {}
  T.raises("boom", net.group, function(group)
    group:spawn(sleeper(log, "a", 60))
    net.yield()
    error("boom")
  end)
  T.eq(T.list(log), "a cancelled")
end)

T.test("a_cancelled_task_is_no_failure_of_its_group", { net = "fake" }, function()
  local log = {}
  net.group(function(group)
    local task = group:spawn(sleeper(log, "a", 60))
    group:spawn(sleeper(log, "b", 2))
    net.yield()
    task:cancel()
  end)
  T.eq(T.list(log), "a cancelled b done")
end)

T.test("cancelling_the_parent_cancels_the_group", { net = "fake" }, function()
  local log = {}
  local parent = T.waiting(function()
    net.group(function(group)
      group:spawn(sleeper(log, "a", 60))
      group:spawn(sleeper(log, "b", 60))
    end)
    log[#log + 1] = "never"
  end)
  parent:cancel()
  T.fails("cancelled", parent:join())
  T.eq(T.list(log), "a cancelled b cancelled")
  T.eq(#net.tasks(), 1)
end)

T.test("a_deadline_around_a_group_cancels_it", { net = "fake" }, function()
  local log, begin = {}, net.now()
  T.fails("timeout", net.deadline(1, net.group, function(group)
    group:spawn(sleeper(log, "a", 60))
  end))
  T.eq(T.list(log), "a cancelled")
  T.ok(net.now() - begin < 2)
  net.sleep(0.1) -- the scope has ended
end)

T.test("groups_nest", { net = "fake" }, function()
  local log = {}
  T.raises("inner", net.group, function(outer)
    outer:spawn(sleeper(log, "outer", 60))
    net.group(function(group)
      group:spawn(sleeper(log, "a", 60))
      group:spawn(function()
        net.sleep(1)
        error("inner")
      end)
    end)
  end)
  T.eq(T.list(log), "a cancelled outer cancelled")
end)

T.test("a_task_may_spawn_into_its_group", { net = "fake" }, function()
  local log = {}
  net.group(function(group)
    group:spawn(function()
      net.sleep(1)
      group:spawn(sleeper(log, "child", 1))
    end)
  end)
  T.eq(T.list(log), "child done")
end)

T.test("a_group_that_has_ended_takes_no_task", function()
  local kept
  net.group(function(group) kept = group end)
  T.raises("the group has ended", kept.spawn, kept, print)
end)

T.test("a_group_that_has_failed_takes_no_task", function()
  local kept
  pcall(net.group, function(group)
    kept = group
    error("boom")
  end)
  T.raises("the group has ended", kept.spawn, kept, print)
end)

T.test("race_gives_the_first_and_cancels_the_others", { net = "fake" }, function()
  local log, begin = {}, net.now()
  T.eq(net.race(sleeper(log, "slow", 60), sleeper(log, "quick", 1)), "quick")
  T.eq(T.list(log), "quick done slow cancelled")
  T.ok(net.now() - begin < 2)
  T.eq(#net.tasks(), 1)
end)

T.test("race_raises_when_the_first_fails", { net = "fake" }, function()
  local log = {}
  T.raises("boom", net.race, sleeper(log, "slow", 60), function() error("boom") end)
  T.eq(T.list(log), "slow cancelled")
  T.raises("a function is needed", net.race)
end)

T.test("all_gives_each_result_in_order", { net = "fake" }, function()
  local log = {}
  local a, b, c = net.all(sleeper(log, "a", 3), function() end, sleeper(log, "c", 1))
  T.eq(a, "a")
  T.eq(b, nil)
  T.eq(c, "c")
  T.eq(T.list(log), "c done a done")
end)

T.test("all_raises_the_first_failure_and_cancels_the_others", { net = "fake" }, function()
  local log = {}
  T.raises("boom", net.all, sleeper(log, "a", 60), function()
    net.sleep(1)
    error("boom")
  end)
  T.eq(T.list(log), "a cancelled")
  T.eq(#net.tasks(), 1)
end)

T.test("an_interruption_of_a_group_a_race_and_all_names_them", function()
  local function sleeps() net.sleep(100) end
  local function group() net.group(function(g) g:spawn(sleeps) end) end
  for op, wait in pairs {
    group = group,
    race = function() net.race(sleeps) end,
    all = function() net.all(sleeps) end,
  } do
    local waiting = T.waiting(wait)
    T.eq(net.tasks()[2].waits_in, op)
    waiting:cancel()
    waiting:join()
    T.eq(T.fails("timeout", net.deadline(0.001, wait)).op, op)
  end
end)

T.test("a_misspelt_method_of_a_group_names_the_nearest", function()
  T.raises("test_group.lua:%d+: a group has no 'spwan'; did you mean 'spawn'%?", function()
    net.group(function(g) g:spwan(print) end)
  end)
end)

T.test("what_is_no_function_is_refused_at_its_place_before_anything_runs", function()
  local ran = false
  local function run() ran = true end
  local place = "test_group.lua:%d+: "
  T.raises(place .. "bad argument #2 to 'race'", function() net.race(run, 5) end)
  T.raises(place .. "bad argument #2 to 'all'", function() net.all(run, nil, run) end)
  T.raises(place .. "bad argument #1 to 'group'", function() net.group(nil) end)
  T.raises(place .. "bad argument #1 to 'spawn'", net.group, function(g) g:spawn(5) end)
  T.raises(place .. "call group:spawn", net.group, function(g) g.spawn(run) end)
  T.turns()
  T.eq(ran, false)
end)
