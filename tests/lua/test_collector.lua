-- When garbage is collected: the pause of Lua's collector.

local net = require "net"
local T = require "harness"

-- Two MiB that live.
local function fill()
  local held = {}
  for i = 1, 256 do held[i] = ("x"):rep(8192) .. i end
  return held
end

T.test("a_small_heap_may_grow_to_ten_times_what_lives", function()
  net.yield()
  T.eq(collectgarbage("setpause", 1000), 1000)
end)

T.test("a_large_heap_is_collected_when_it_has_doubled", function()
  local held = fill()
  net.yield()
  T.eq(collectgarbage("setpause", 200), 200)
  T.eq(#held, 256)
end)

T.test("a_heap_that_has_shrunk_is_small_again", function()
  local held = fill()
  net.yield()
  T.eq(#held, 256)
  held = nil -- luacheck: ignore
  collectgarbage()
  net.yield()
  T.eq(collectgarbage("setpause", 1000), 1000)
end)

T.test("a_pause_that_the_script_sets_stays", function()
  collectgarbage("setpause", 300)
  local held = fill()
  net.yield()
  T.eq(collectgarbage("setpause", 300), 300)
  T.eq(#held, 256)
  held = nil -- luacheck: ignore
  collectgarbage()
  net.yield()
  T.eq(collectgarbage("setpause", 300), 300)
end)
