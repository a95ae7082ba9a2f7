-- The state behind net.relay took any number for a direction: one far off read memory that
-- was not there, and ended the program with SIGBUS.

local net = require "net"
local core = require "net.core"
local T = require "harness"

T.test("a_relay_has_two_ways_and_refuses_others", function()
  local a, b = net.socketpair()
  local c, d = net.socketpair()
  local state = core.relay_state(a, c)
  T.eq(state:bytes(1) + state:bytes(2), 0)
  for _, way in ipairs { 0, 3, -1, 1 << 40, math.mininteger } do
    T.raises("a way is 1 or 2", state.bytes, state, way)
    T.raises("a way is 1 or 2", state.run, state, way)
  end
  state:close()
  for _, s in ipairs { a, b, c, d } do s:close() end
end)
