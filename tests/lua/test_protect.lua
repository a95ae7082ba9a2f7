-- pcall and xpcall: Lua's semantics, with waits inside.

local net = require "net"
local T = require "harness"

T.test("pcall_gives_every_result_also_after_a_wait", function()
  for _, wait in ipairs { function() end, net.yield } do
    local r = table.pack(pcall(function(...)
      wait()
      return ..., nil
    end, 1, nil, 3))
    T.eq(r.n, 3)
    T.eq(r[1], true)
    T.eq(r[2], 1)
    r = table.pack(pcall(function(...)
      wait()
      return ...
    end, 1, nil, 3, nil))
    T.eq(r.n, 5)
    T.eq(r[4], 3)
    T.eq(table.pack(pcall(wait)).n, 1)
  end
end)

T.test("pcall_gives_the_very_error_value", function()
  for _, wait in ipairs { function() end, net.yield } do
    for _, value in ipairs { {}, "text", 5, print, true } do
      local r = table.pack(pcall(function()
        wait()
        error(value, 0)
      end))
      T.eq(r.n, 2)
      T.eq(r[1], false)
      T.ok(rawequal(r[2], value))
    end
    local ok, err = pcall(function()
      wait()
      error(nil)
    end)
    T.eq(ok, false)
    T.eq(err, nil)
  end
end)

T.test("pcall_nests", function()
  local function nest(n)
    if n == 0 then
      net.yield()
      error("innermost", 0)
    end
    local ok, err = pcall(nest, n - 1)
    T.eq(ok, false)
    error(err .. n, 0)
  end
  local ok, err = pcall(nest, 5)
  T.eq(ok, false)
  T.eq(err, "innermost12345")
end)

T.test("pcall_catches_what_is_no_function", function()
  local ok, err = pcall(nil)
  T.eq(ok, false)
  T.match(err, "attempt to call a nil value")
  T.raises("value expected", pcall)
  T.eq(select(2, pcall(setmetatable({}, { __call = function(_, x) return x end }), 7)), 7)
end)

T.test("pcall_catches_a_stack_overflow", function()
  local function deep() return 1 + deep() end
  local ok, err = pcall(deep)
  T.eq(ok, false)
  T.match(err, "stack overflow")
  net.yield()
  T.eq(pcall(net.yield), true)
end)

T.test("xpcall_calls_the_handler_where_the_error_is", function()
  local function fails()
    net.yield()
    error("boom")
  end
  local ok, trace = xpcall(function() fails() end, debug.traceback)
  T.eq(ok, false)
  T.match(trace, "^tests/lua/test_protect.lua:%d+: boom\nstack traceback:")
  T.match(trace, "'fails'")
end)

T.test("xpcall_gives_what_the_handler_gives", function()
  for _, wait in ipairs { function() end, net.yield } do
    local r = table.pack(xpcall(function()
      wait()
      error("x", 0)
    end, function(e) return e .. "y", "lost" end))
    T.eq(r.n, 2)
    T.eq(r[1], false)
    T.eq(r[2], "xy")
    r = table.pack(xpcall(function(...)
      wait()
      return ...
    end, print, 1, nil))
    T.eq(r.n, 3)
    T.eq(r[2], 1)
  end
end)

T.test("an_error_in_the_handler_is_as_in_lua", function()
  local ok, err = xpcall(error, function() error("again") end, "first")
  T.eq(ok, false)
  T.ok(err ~= nil)
  net.yield()
  ok = xpcall(function()
    net.yield()
    error("first")
  end, function() error("again") end)
  T.eq(ok, false)
end)

T.test("xpcall_wants_a_function_as_handler", function()
  T.raises("function expected", xpcall, print)
  T.raises("function expected", xpcall, print, 5)
end)

T.test("a_handler_cannot_wait", function()
  local ok, err = xpcall(error, function() net.sleep(0.001) end, "x")
  T.eq(ok, false)
  T.ok(err ~= nil)
  net.sleep(0)
end)

T.test("close_variables_run_before_pcall_returns", function()
  local log = {}
  pcall(function()
    local _ <close> = setmetatable({}, {
      __close = function(_, err)
        net.yield()
        log[#log + 1] = err
      end,
    })
    error("boom", 0)
  end)
  T.eq(T.list(log), "boom")
end)

T.test("pcall_and_error_in_many_tasks_stay_apart", function()
  local tasks = {}
  for i = 1, 50 do
    tasks[i] = net.spawn(function()
      for j = 1, 10 do
        local ok, err = pcall(function()
          net.yield()
          if j % 2 == 0 then error({ i, j }) end
          return i * j
        end)
        if ok then
          T.eq(err, i * j)
        else
          T.eq(err[1], i)
          T.eq(err[2], j)
        end
      end
      return i
    end)
  end
  for i = 1, 50 do T.eq(tasks[i]:join(), i) end
end)

T.test("pcall_works_where_nothing_can_wait", function()
  local list = { 2, 1 }
  table.sort(list, function(a, b)
    local ok, less = pcall(function() return a < b end)
    T.eq(ok, true)
    T.eq(pcall(error), false)
    return less
  end)
  T.eq(T.list(list), "1 2")
end)

T.test("error_levels_and_positions_are_luas", function()
  local ok, err = pcall(function() error("here") end)
  T.eq(ok, false)
  T.match(err, "^tests/lua/test_protect.lua:%d+: here$")
  local function outer() error("there", 2) end
  local _, second = pcall(function()
    outer()
    return 1
  end)
  T.match(second, "^tests/lua/test_protect.lua:%d+: there$")
end)
