-- net.on_signal and net.tasks.

local net = require "net"
local T = require "harness"

local function raise(name)
  T.ok(os.execute("kill -" .. name .. " $PPID"))
end

T.test("on_signal_runs_its_function_as_a_task", function()
  local came = net.channel()
  net.on_signal("SIGUSR1", function(name)
    net.sleep(0)
    came:put(name)
  end)
  for _ = 1, 3 do
    raise("USR1")
    T.eq(came:get(), "SIGUSR1")
  end
  net.on_signal("SIGUSR1", nil)
end)

T.test("each_signal_has_its_own_function", function()
  local came = net.channel(2)
  net.on_signal("SIGUSR1", function() came:put("one") end)
  net.on_signal("SIGUSR2", function() came:put("two") end)
  raise("USR2")
  T.eq(came:get(), "two")
  raise("USR1")
  T.eq(came:get(), "one")
  net.on_signal("SIGUSR1", function() came:put("another") end)
  raise("USR1")
  T.eq(came:get(), "another")
end)

T.test("a_task_that_waits_for_signals_only_is_no_deadlock", function()
  local c = net.channel()
  net.on_signal("SIGUSR1", function() c:put("woken") end)
  os.execute("(sleep 0.05; kill -USR1 $PPID) &")
  T.eq(c:get(), "woken")
end)

T.test("an_error_in_the_function_is_reported", { status = 1, stderr = "boom" }, function()
  net.on_signal("SIGUSR1", function() error("boom") end)
  raise("USR1")
  net.sleep(0.01)
end)

T.test("a_signal_needs_a_name_that_can_be_taken", function()
  T.raises("no signal that can be taken", net.on_signal, "SIGKILL", print)
  T.raises("no signal that can be taken", net.on_signal, "USR1", print)
  T.raises("function or nil", net.on_signal, "SIGUSR1", 5)
end)

T.test("tasks_tells_who_waits_where", function()
  local l <close> = T.listener()
  local waiting = T.waiting(function() return l:accept() end)
  net.sleep(0.001)
  local ready = net.spawn(function() end)
  local list = net.tasks()
  T.eq(#list, 3)
  local main, second, third = list[1], list[2], list[3]
  T.eq(main.id, 1)
  T.eq(main.status, "running")
  T.match(main.where, "test_signal.lua:%d+$")
  T.eq(main.waits_in, nil)
  T.eq(main.seconds, nil)
  T.eq(second.status, "waiting")
  T.match(second.where, "test_signal.lua:%d+$")
  T.match(second.spawned, "harness.lua:%d+$")
  T.eq(second.waits_in, "accept " .. l:getsockname())
  T.ok(second.seconds >= 0.001 and second.seconds < 10, second.seconds)
  T.eq(third.status, "ready")
  T.eq(third.waits_in, nil)
  ready:join()
  waiting:cancel()
  waiting:join()
  T.eq(#net.tasks(), 1)
end)
