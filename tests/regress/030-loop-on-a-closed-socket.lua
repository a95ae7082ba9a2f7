-- A task that called recvfrom on a closed socket again and again never stepped aside: all
-- others stood still, and nobody could cancel it. What failed at once did not count.

local net = require "net"
local T = require "harness"

T.test("a_loop_on_a_closed_socket_leaves_the_others_their_turns", function()
  local socket = T.ok(net.udp("127.0.0.1:0"))
  socket:close()
  local task = net.spawn(function()
    for _ = 1, 100000 do socket:recvfrom() end
    error("nobody else had a turn")
  end)
  net.yield()
  task:cancel()
  T.fails("cancelled", task:join())
end)
