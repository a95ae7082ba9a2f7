-- When garbage is collected: the pause of Lua's collector.

local net = require "net"
local T = require "harness"

-- Two MiB that live.
local function fill()
  local held = {}
  for i = 1, 256 do held[i] = ("x"):rep(8192) .. i end
  return held
end

T.test("a_small_heap_may_grow_beyond_its_double", function()
  net.yield()
  T.ok(collectgarbage("setpause", 200) > 200)
end)

T.test("a_large_heap_is_collected_when_it_has_doubled", function()
  local held = fill()
  for _ = 1, 50 do net.yield() end -- it takes a while to be sure
  T.eq(collectgarbage("setpause", 200), 200)
  T.eq(#held, 256)
end)

T.test("a_heap_that_has_shrunk_is_small_again", function()
  local held = fill()
  for _ = 1, 50 do net.yield() end
  T.eq(#held, 256)
  held = nil -- luacheck: ignore
  collectgarbage()
  net.yield()
  T.ok(collectgarbage("setpause", 200) > 200)
end)

T.test("a_pause_that_the_script_sets_stays", function()
  collectgarbage("setpause", 300)
  local held = fill()
  for _ = 1, 50 do net.yield() end
  T.eq(collectgarbage("setpause", 300), 300)
  T.eq(#held, 256)
  held = nil -- luacheck: ignore
  collectgarbage()
  net.yield()
  T.eq(collectgarbage("setpause", 300), 300)
end)
