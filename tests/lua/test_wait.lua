-- Where a task can wait: coroutines, iterators, metamethods; and what says so where it cannot.

local net = require "net"
local T = require "harness"

local later = T.later

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
  T.raises("^tests/lua/test_wait.lua:%d+: sleep: cannot wait inside table.sort "
    .. "%(tests/lua/test_wait.lua:%d+%)$", function()
    table.sort({ 3, 1, 2 }, function(a, b)
      net.sleep(0)
      return a < b
    end)
  end)
end)

T.test("a_wait_inside_string_gsub_says_so", function()
  T.raises("recv: cannot wait inside string.gsub %(tests/lua/test_wait.lua:%d+%)",
    function()
      local a, b = T.pair()
      return (("x"):gsub("x", function() return b:recv() end)), a
    end)
end)

T.test("a_wait_inside_other_c_functions_names_them", function()
  local object = setmetatable({}, { __tostring = function() return later("x") end })
  T.raises("cannot wait inside tostring %(tests/lua/test_wait", function()
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
  T.match(err, "cannot wait inside table.sort %(tests/lua/test_wait.lua:%d+%)")
end)

T.test("a_wait_inside_a_coroutine_inside_table_sort_says_so", function()
  T.raises("cannot wait inside table.sort %(tests/lua/test_wait.lua:%d+%)", function()
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
  local a, b = T.unix_pair()
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
