-- The library looked for Lua's functions in the script's globals when it needed them, by way of
-- their metamethods: a script that is strict about its globals lost the error of a task, the
-- word that an error is no text, or a part of the library that it had not called before.

local net = require "net"
local T = require "harness"

local error, package, string = error, package, string

-- Calls fn in the absence of those globals, where reading a global that is not there raises.
local function strictly(fn)
  local before = getmetatable(_G)
  local function undeclared(_, name) error("undeclared global '" .. tostring(name) .. "'", 2) end
  _G.error, _G.package, _G.string = nil, nil, nil
  setmetatable(_G, { __index = undeclared })
  local results = table.pack(pcall(fn))
  setmetatable(_G, before)
  _G.error, _G.package, _G.string = error, package, string
  T.ok(results[1], results[2])
  return table.unpack(results, 2, results.n)
end

T.test("an_error_that_a_task_raises_is_told_as_it_is", function()
  local told = strictly(function()
    local task = net.spawn(function() error("a word to the user", 0) end)
    return select(2, pcall(task.join, task))
  end)
  T.eq(told, "a word to the user")
end)

T.test("an_error_that_is_taken_for_a_text_says_what_it_is", function()
  local listener = T.listener()
  local address = listener:getsockname()
  listener:close()
  local err = T.fails("ECONNREFUSED", net.connect(address))
  local told = strictly(function() return select(2, pcall(function() return err:match("x") end)) end)
  T.match(told, "an error is an object, not a text, and has no 'match'")
end)

T.test("a_part_of_the_library_is_found", function()
  local a, b = T.pair()
  local file = strictly(function() return a:makefile() end)
  T.ok(file:write("x"))
  file:close()
  T.eq(b:read_exact(1), "x")
  a:close()
  b:close()
end)
