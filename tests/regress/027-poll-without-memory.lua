-- A poll that was refused had armed its waiters, and relied on __close to disarm them. Lua
-- calls that only when there is memory for a call: without, they kept their sockets busy, and
-- would have woken a task that had ended.

local T = require "harness"
local net = require "net"

T.test("a_poll_that_is_refused_leaves_no_waiter_also_without_memory", function()
  local a, b = T.pair()
  local readers = { a }
  local function poll() net.poll(readers) end
  local function refused()
    coroutine.wrap(function() table.sort({ 1, 2 }, poll) end)()
  end
  T.starve(T.turns, refused, function()
    net.spawn(b.send, b, "x")
    T.eq(a:recv(), "x")
  end)
end)
