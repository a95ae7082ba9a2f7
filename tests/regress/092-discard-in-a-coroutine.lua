-- A discard that ended by an error inside a coroutine left its SO_RCVLOWAT raised until the
-- collector came: the next reader waited for bytes that had come.

local net = require "net"
local T = require "harness"

local function fill(a)
  T.ok(a:send_repeat(("x"):rep(65536), { bytes = 8 << 20 }))
end

T.test("an_interrupted_discard_leaves_what_wakes_a_reader", function()
  local a, b = T.pair()
  local co = coroutine.create(function() return b:discard() end)
  local task = net.spawn(function() return assert(coroutine.resume(co)) end)
  fill(a)
  T.turns()
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(b:getsockopt("SO_RCVLOWAT"), 1)
  a:close()
  b:close()
end)

T.test("a_tick_that_raises_leaves_what_wakes_a_reader", function()
  local a, b = T.pair()
  local co = coroutine.create(function()
    return b:discard { every = 0.001, on_tick = function(figures)
      if figures.bytes == 8 << 20 then error("enough") end
    end }
  end)
  local task = net.spawn(function()
    local ok, err = coroutine.resume(co)
    T.ok(not ok)
    T.match(tostring(err), "enough")
  end)
  fill(a)
  task:join()
  T.eq(b:getsockopt("SO_RCVLOWAT"), 1)
  a:close()
  b:close()
end)
