-- A receive that a timeout had left in the ring put the close off to the next turn: the peer
-- saw no end while the script computed, and the descriptor was taken.

local net = require "net"
local T = require "harness"

-- A stream whose receive has timed out, and its peer, as a descriptor that blocks.
local function left_over()
  local a, b = T.pair()
  b:settimeout(0.001)
  T.fails("timeout", b:recv(10))
  return a, b
end

T.test("a_close_ends_the_stream_before_the_next_turn", function()
  local a, b = left_over()
  b:close()
  -- without a wait in between
  T.eq(select(3, a:recv(1, net.MSG_DONTWAIT)), "eof")
end)

T.test("a_close_gives_the_descriptor_back_at_once", function()
  local _a, b = left_over()
  local fd = b:fileno()
  b:close()
  local c, d = T.ok(net.socketpair())
  T.ok(c:fileno() == fd or d:fileno() == fd)
  c:close()
  d:close()
end)
