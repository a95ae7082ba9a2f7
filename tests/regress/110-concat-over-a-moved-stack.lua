-- Lua 5.4.4 goes on with the old stack when a __concat metamethod moved it: text was cut off
-- after an address or an error, or the program died.

local net = require "net"
local T = require "harness"

-- Makes the stack grow, so that the collector shrinks it later.
local function deep(n)
  local _a, _b, _c, _d
  if n > 0 then return 1 + deep(n - 1) end
  return 0
end

local function shrinking(value, text)
  for i = 1, 2000 do
    if i % 10 == 0 then deep(60) end
    T.eq("value " .. value .. ", round " .. i .. "\n", "value " .. text .. ", round " .. i .. "\n")
  end
end

local function growing(value, text, n)
  local got = "value " .. value .. " at " .. n
  T.eq(got, "value " .. text .. " at " .. n)
  if n > 0 then return 1 + growing(value, text, n - 1) end
  return 0
end

local address = net.address("127.0.0.1:80")
local err = select(2, net.open("/", "no/such/file"))
local own = setmetatable({}, { __concat = function(a, b)
  deep(40)
  return (type(a) == "string" and a or "own") .. (type(b) == "string" and b or "own")
end })
-- Waits, so that another task's stack moves meanwhile too.
local patient = setmetatable({}, { __concat = function(a, b)
  net.yield()
  deep(40)
  net.sleep(0)
  return (type(a) == "string" and a or "own") .. (type(b) == "string" and b or "own")
end })

local values = {
  address = { address, "127.0.0.1:80" }, error = { err, tostring(err) },
  metamethod = { own, "own" }, metamethod_that_waits = { patient, "own" },
}

for name, v in pairs(values) do
  T.test("concat_of_an_" .. name .. "_while_the_stack_shrinks", function()
    shrinking(v[1], v[2])
  end)
  T.test("concat_of_an_" .. name .. "_while_the_stack_grows", function()
    growing(v[1], v[2], 150)
    net.spawn(growing, v[1], v[2], 150):join()
    if name ~= "metamethod_that_waits" then
      coroutine.wrap(growing)(v[1], v[2], 150)
      table.sort({ 1, 2, 3 }, function(a, b) return growing(v[1], v[2], 100) > 0 and a < b end)
    end
  end)
end

T.test("a_concat_that_raises_after_it_moved_the_stack", function()
  local bad = setmetatable({}, { __concat = function() deep(100) error("bad", 0) end })
  local function nested(n)
    if n > 0 then return 1 + nested(n - 1) end
    for _ = 1, 50 do
      local ok, why = pcall(function() return "a" .. bad .. "b" end)
      T.eq(ok, false)
      T.eq(why, "bad")
    end
    return 0
  end
  for i = 1, 100 do nested(i) end
end)

T.test("a_concat_within_a_concat", function()
  local outer = setmetatable({}, { __concat = function(a, b)
    local text = "<" .. own .. ">"
    return (type(a) == "string" and a or text) .. (type(b) == "string" and b or text)
  end })
  T.eq(growing(outer, "<own>", 100), 100)
end)

T.test("a_concat_that_is_cancelled_while_it_waits", function()
  local never = setmetatable({}, { __concat = function() deep(50) net.sleep(1000) end })
  local task = T.waiting(function() return "a" .. never .. "b" end)
  task:cancel()
  T.fails("cancelled", task:join())
end)
