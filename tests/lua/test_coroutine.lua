-- Scripts' own coroutines: Lua's semantics, and waits that pass through them.

local net = require "net"
local T = require "harness"

-- A wait that other tasks can see: gives what `value` says, some turns later.
local function later(value)
  net.yield()
  net.sleep(0.001)
  return value
end

-- --- waits inside ----------------------------------------------------------------------

T.test("a_wait_inside_wrap_does_not_reach_the_caller", function()
  local f = coroutine.wrap(function(a)
    local b = coroutine.yield(later(a + 1))
    return later(b * 2)
  end)
  T.eq(f(1), 2)
  T.eq(f(5), 10)
  T.raises("cannot resume dead coroutine", f)
end)

T.test("a_wait_inside_resume_does_not_reach_the_caller", function()
  local co = coroutine.create(function(...)
    local got = table.pack(coroutine.yield(later("first"), ...))
    later()
    return table.unpack(got, 1, got.n)
  end)
  local ok, a, b, c = coroutine.resume(co, 1, nil)
  T.eq(ok, true)
  T.eq(a, "first")
  T.eq(b, 1)
  T.eq(c, nil)
  local results = table.pack(coroutine.resume(co, nil, 7, nil))
  T.eq(results.n, 4)
  T.eq(results[3], 7)
  T.eq(coroutine.status(co), "dead")
end)

T.test("waits_pass_through_coroutines_in_coroutines", function()
  local function nest(n)
    if n == 0 then return later("deep") end
    return coroutine.wrap(nest)(n - 1)
  end
  T.eq(nest(20), "deep")
end)

T.test("other_tasks_run_while_a_coroutine_waits", function()
  local a, b = T.pair()
  local lines = coroutine.wrap(function()
    for line in b:lines() do coroutine.yield(line) end
  end)
  net.spawn(function()
    for i = 1, 3 do
      a:send("line " .. i .. "\n")
      net.yield()
    end
    a:shutdown()
  end)
  local seen = {}
  for line in lines do seen[#seen + 1] = line end
  T.eq(T.list(seen), "line 1 line 2 line 3")
end)

T.test("a_wait_inside_an_iterator", function()
  local function each(n)
    local i = 0
    return function()
      i = i + 1
      if i <= n then return later(i) end
    end
  end
  local sum = 0
  for i in each(4) do sum = sum + i end
  T.eq(sum, 10)
end)

T.test("a_wait_inside_metamethods", function()
  local meta = {}
  for _, event in ipairs { "add", "sub", "mul", "div", "mod", "pow", "idiv", "band", "bor",
    "bxor", "shl", "shr", "concat" } do
    meta["__" .. event] = function(_, _) return later(event) end
  end
  for _, event in ipairs { "unm", "bnot", "len", "call", "index" } do
    meta["__" .. event] = function() return later(event) end
  end
  for _, event in ipairs { "eq", "lt", "le" } do
    meta["__" .. event] = function() return later(true) end
  end
  local set
  meta.__newindex = function(_, key) set = later(key) end
  local o, p = setmetatable({}, meta), setmetatable({}, meta)
  T.eq(o + p .. "", "add")
  T.eq(T.list { o - p, o * p, o / p, o % p, o ^ p, o // p, o & p, o | p, o ~ p, o << p,
    o >> p, o .. p, -o, ~o, #o, o(), o.x },
    "sub mul div mod pow idiv band bor bxor shl shr concat unm bnot len call index")
  T.eq(o == p and o < p and o <= p, true)
  o.key = 1
  T.eq(set, "key")
  local closed
  do
    local _ <close> = setmetatable({}, { __close = function() closed = later("closed") end })
  end
  T.eq(closed, "closed")
end)

T.test("a_wait_inside_a_close_variable_of_a_coroutine_that_ends", function()
  local closed
  local f = coroutine.wrap(function()
    local _ <close> = setmetatable({}, { __close = function() closed = later("closed") end })
    return "result"
  end)
  T.eq(f(), "result")
  T.eq(closed, "closed")
end)

T.test("a_wait_inside_a_close_variable_during_an_error", function()
  local closed
  local ok, err = pcall(function()
    local _ <close> = setmetatable({}, { __close = function() closed = later("closed") end })
    error("boom", 0)
  end)
  T.eq(ok, false)
  T.eq(err, "boom")
  T.eq(closed, "closed")
end)

-- --- where nothing can wait ------------------------------------------------------------

T.test("a_wait_inside_table_sort_says_so", function()
  T.raises("^tests/lua/test_coroutine.lua:%d+: sleep: cannot wait inside table.sort "
    .. "%(tests/lua/test_coroutine.lua:%d+%)$", function()
    table.sort({ 3, 1, 2 }, function(a, b)
      net.sleep(0)
      return a < b
    end)
  end)
end)

T.test("a_wait_inside_string_gsub_says_so", function()
  T.raises("recv: cannot wait inside string.gsub %(tests/lua/test_coroutine.lua:%d+%)",
    function()
      local a, b = T.pair()
      return (("x"):gsub("x", function() return b:recv() end)), a
    end)
end)

T.test("a_wait_inside_other_c_functions_names_them", function()
  local object = setmetatable({}, { __tostring = function() return later("x") end })
  T.raises("cannot wait inside tostring %(tests/lua/test_coroutine", function()
    return "" .. tostring(object)
  end)
  T.raises("cannot wait inside load %(tests", function()
    assert(load(function() return later(nil) end))
  end)
  T.raises("cannot wait inside table.concat", function()
    local list = setmetatable({}, {
      __len = function() return 1 end,
      __index = function() return later("x") end,
    })
    table.concat(list)
  end)
end)

T.test("a_wait_inside_table_sort_inside_a_coroutine_says_so", function()
  local co = coroutine.create(function()
    table.sort({ 2, 1 }, function() return later(true) end)
  end)
  local ok, err = coroutine.resume(co)
  T.eq(ok, false)
  T.match(err, "cannot wait inside table.sort %(tests/lua/test_coroutine.lua:%d+%)")
end)

T.test("a_wait_inside_a_coroutine_inside_table_sort_says_so", function()
  T.raises("cannot wait inside table.sort %(tests/lua/test_coroutine.lua:%d+%)", function()
    table.sort({ 2, 1 }, function()
      return coroutine.wrap(function() return later(true) end)()
    end)
  end)
end)

T.test("coroutines_without_waits_work_inside_table_sort", function()
  local list = { 3, 1, 2 }
  table.sort(list, function(a, b)
    local less = coroutine.wrap(function()
      coroutine.yield()
      return a < b
    end)
    less()
    return less()
  end)
  T.eq(T.list(list), "1 2 3")
end)

T.test("operations_that_need_not_wait_work_inside_table_sort", function()
  local a, b = T.pair()
  a:send("12")
  b:peek()
  local list = { 2, 1 }
  table.sort(list, function(x, y)
    T.eq(#b:recv(1), 1)
    return x < y
  end)
  T.eq(T.list(list), "1 2")
end)

T.test("a_wait_inside_gc_says_so", { stderr = "sleep: cannot wait inside a __gc metamethod" },
  function()
    warn("@on")
    setmetatable({}, { __gc = function() net.sleep(0.001) end })
    collectgarbage()
  end)

T.test("a_failed_wait_leaves_the_socket_usable", function()
  local a, b = T.pair()
  pcall(table.sort, { 2, 1 }, function() return b:recv() end)
  local reader = T.waiting(function() return b:recv() end)
  a:send("x")
  T.eq(reader:join(), "x")
end)

T.test("a_failed_wait_for_room_leaves_the_socket_usable", function()
  local a, b = T.pair()
  local filled = T.fill(a)
  T.raises("send: cannot wait inside table.sort", function()
    table.sort({ 2, 1 }, function() return a:send("y") end)
  end)
  local sender = T.waiting(function() return a:send("z") end)
  net.spawn(function()
    sender:join()
    a:shutdown()
  end)
  T.eq(T.drain(b), filled + 1)
end)

-- --- coroutines that wait, seen from outside -------------------------------------------

T.test("a_coroutine_that_waits_cannot_be_resumed_by_others", function()
  local a, b = T.pair()
  local co = coroutine.create(function() return b:recv() end)
  local task = T.waiting(function() return coroutine.resume(co) end)
  local ok, err = coroutine.resume(co)
  T.eq(ok, false)
  T.match(err, "^coroutine is waiting: recv 127.0.0.1:%d+$")
  a:send("x")
  local good, data = task:join()
  T.eq(good, true)
  T.eq(data, "x")
end)

T.test("a_wrapped_coroutine_that_waits_cannot_be_called_by_others", function()
  local f = coroutine.wrap(function() net.sleep(1000) end)
  local task = T.waiting(function() f() end)
  T.raises("test_coroutine.lua:%d+: coroutine is waiting: sleep", function() f() end)
  task:cancel()
  T.fails("cancelled", task:join())
end)

T.test("closing_a_coroutine_that_waits_cancels_the_wait_first", function()
  local a, b = T.pair()
  local log = {}
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "closed" end })
    return b:recv()
  end)
  local task = T.waiting(function()
    local ok, err = coroutine.resume(co)
    log[#log + 1] = tostring(ok) .. " " .. err
  end)
  T.eq(coroutine.close(co), true)
  T.eq(coroutine.status(co), "dead")
  task:join()
  T.eq(T.list(log), "closed false the coroutine was closed while it waited")
  a:send("x")
  T.eq(b:recv(), "x")
end)

T.test("closing_a_coroutine_that_queues_to_send_leaves_the_queue", function()
  local a, b = T.pair()
  local first = T.waiting(function() a:send(("x"):rep(2 ^ 23 | 0)) end)
  local co = coroutine.create(function() a:send("never") end)
  local second = T.waiting(function() return coroutine.resume(co) end)
  T.eq(coroutine.close(co), true)
  T.eq(second:join(), false)
  local third = T.waiting(function() a:send("third") end)
  net.spawn(function()
    first:join()
    third:join()
    a:shutdown()
  end)
  T.eq(T.drain(b), (2 ^ 23 | 0) + 5)
end)

T.test("closing_an_inner_coroutine_that_waits_ends_the_outer_ones_wait", function()
  local inner
  local outer = coroutine.create(function()
    inner = coroutine.create(function() net.sleep(1000) end)
    local ok, err = coroutine.resume(inner)
    T.eq(ok, false)
    return "went on: " .. err
  end)
  local task = T.waiting(function() return select(2, coroutine.resume(outer)) end)
  T.eq(coroutine.close(inner), true)
  T.eq(task:join(), "went on: the coroutine was closed while it waited")
end)

T.test("a_wait_in_close_variables_run_by_coroutine_close_says_so", function()
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() net.sleep(0.001) end })
    coroutine.yield()
  end)
  coroutine.resume(co)
  local ok, err = coroutine.close(co)
  T.eq(ok, false)
  T.match(err, "sleep: cannot wait inside coroutine.close %(tests/lua/test_coroutine")
end)

T.test("a_coroutine_goes_on_in_another_task", function()
  local co = coroutine.wrap(function()
    coroutine.yield(later(1))
    coroutine.yield(later(2))
    return later(3)
  end)
  T.eq(co(), 1)
  T.eq(net.spawn(co):join(), 2)
  T.eq(co(), 3)
end)

T.test("a_cancelled_task_unwinds_its_coroutines", function()
  local log = {}
  local function guard(word)
    return setmetatable({}, { __close = function() log[#log + 1] = word end })
  end
  local task = T.waiting(function()
    local _ <close> = guard("task")
    coroutine.wrap(function()
      local _ <close> = guard("outer")
      coroutine.wrap(function()
        local _ <close> = guard("inner")
        net.sleep(1000)
      end)()
    end)()
  end)
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(T.list(log), "inner outer task")
end)

-- --- as in Lua -------------------------------------------------------------------------

T.test("a_plain_generator_is_as_in_lua", function()
  local function range(n)
    return coroutine.wrap(function()
      for i = 1, n do coroutine.yield(i) end
    end)
  end
  local sum = 0
  for i in range(100) do sum = sum + i end
  T.eq(sum, 5050)
end)

T.test("statuses_are_as_in_lua", function()
  local co
  co = coroutine.create(function()
    T.eq(coroutine.status(co), "running")
    local inner = coroutine.wrap(function() return coroutine.status(co) end)
    T.eq(inner(), "normal")
    coroutine.yield()
  end)
  T.eq(coroutine.status(co), "suspended")
  coroutine.resume(co)
  T.eq(coroutine.status(co), "suspended")
  coroutine.resume(co)
  T.eq(coroutine.status(co), "dead")
end)

T.test("the_task_itself_looks_like_the_main_thread", function()
  local thread, main = coroutine.running()
  T.eq(type(thread), "thread")
  T.eq(main, true)
  T.eq(coroutine.isyieldable(), false)
  T.raises("attempt to yield from outside a coroutine", coroutine.yield)
  local inner, is_main, yieldable = coroutine.wrap(function()
    local t, m = coroutine.running()
    return t, m, coroutine.isyieldable()
  end)()
  T.ok(inner ~= thread)
  T.eq(is_main, false)
  T.eq(yieldable, true)
end)

T.test("a_dead_coroutine_cannot_be_resumed", function()
  local co = coroutine.create(function() end)
  coroutine.resume(co)
  local ok, err = coroutine.resume(co)
  T.eq(ok, false)
  T.eq(err, "cannot resume dead coroutine")
end)

T.test("a_running_coroutine_cannot_be_resumed", function()
  local ok, err = coroutine.resume(coroutine.running())
  T.eq(ok, false)
  T.eq(err, "cannot resume non-suspended coroutine")
  local co
  co = coroutine.create(function() return coroutine.resume(co) end)
  local _, inner, why = coroutine.resume(co)
  T.eq(inner, false)
  T.eq(why, "cannot resume non-suspended coroutine")
end)

T.test("errors_in_coroutines_are_as_in_lua", function()
  local value = {}
  local co = coroutine.create(function() error(value) end)
  local ok, err = coroutine.resume(co)
  T.eq(ok, false)
  T.ok(rawequal(err, value))
  T.eq(coroutine.status(co), "dead")
  local f = coroutine.wrap(function() error("inside") end)
  T.raises("^tests/lua/test_coroutine.lua:%d+: tests/lua/test_coroutine.lua:%d+: inside$",
    function() f() end)
  local g = coroutine.wrap(function() error(value) end)
  ok, err = pcall(g)
  T.eq(ok, false)
  T.ok(rawequal(err, value))
  T.raises("cannot resume dead coroutine", g)
end)

T.test("errors_after_a_wait_are_as_in_lua", function()
  local f = coroutine.wrap(function()
    later()
    error("inside")
  end)
  T.raises("^tests/lua/test_coroutine.lua:%d+: tests/lua/test_coroutine.lua:%d+: inside$",
    function()
      f()
      return 1
    end)
  local co = coroutine.create(function()
    later()
    error("plain", 0)
  end)
  local ok, err = coroutine.resume(co)
  T.eq(ok, false)
  T.eq(err, "plain")
end)

T.test("wrap_closes_pending_variables_after_an_error", function()
  local log = {}
  local f = coroutine.wrap(function()
    local _ <close> = setmetatable({}, {
      __close = function(_, err) log[#log + 1] = "closed with " .. tostring(err) end,
    })
    error("boom", 0)
  end)
  T.raises("boom", f)
  T.eq(T.list(log), "closed with boom")
end)

T.test("resume_leaves_pending_variables_to_close", function()
  local log = {}
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "closed" end })
    error("boom", 0)
  end)
  coroutine.resume(co)
  T.eq(#log, 0)
  local ok, err = coroutine.close(co)
  T.eq(ok, false)
  T.eq(err, "boom")
  T.eq(T.list(log), "closed")
end)

T.test("close_is_as_in_lua", function()
  local log = {}
  local co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() log[#log + 1] = "closed" end })
    coroutine.yield()
  end)
  T.eq(coroutine.close(coroutine.create(print)), true)
  coroutine.resume(co)
  T.eq(coroutine.close(co), true)
  T.eq(T.list(log), "closed")
  T.eq(coroutine.close(co), true)
  co = coroutine.create(function()
    local _ <close> = setmetatable({}, { __close = function() error("in close", 0) end })
    coroutine.yield()
  end)
  coroutine.resume(co)
  local ok, err = coroutine.close(co)
  T.eq(ok, false)
  T.eq(err, "in close")
  T.raises("bad argument #1 .*expected, got number", coroutine.close, 5)
end)

T.test("closing_a_running_coroutine_raises_with_the_line", function()
  T.raises("^tests/lua/test_coroutine.lua:%d+: cannot close a running coroutine$", function()
    coroutine.close(coroutine.running())
    return 1
  end)
end)

T.test("many_values_pass", function()
  local co = coroutine.wrap(function(...)
    while true do coroutine.yield(select("#", ...), ...) end
  end)
  local list = {}
  for i = 1, 2000 do list[i] = i end
  T.eq((co(table.unpack(list))), 2000)
end)

T.test("wrong_arguments_are_refused_as_in_lua", function()
  T.raises("function expected", coroutine.wrap, 1)
  T.raises("function expected", coroutine.create)
  T.raises("bad argument #1 .*expected, got function", coroutine.resume, print)
  T.raises("bad argument #1 .*expected, got nil", coroutine.status, nil)
end)

T.test("a_coroutine_that_nobody_holds_is_collected", function()
  local weak = setmetatable({}, { __mode = "k" })
  for _ = 1, 10 do
    local co = coroutine.create(function() coroutine.yield(later(1)) end)
    coroutine.resume(co)
    weak[co] = true
  end
  collectgarbage()
  collectgarbage()
  T.eq(next(weak), nil)
end)
