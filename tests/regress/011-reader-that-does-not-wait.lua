-- A read that had not filled its buffer was taken for the last: until the loop's next poll
-- the stream answered EAGAIN without asking the kernel. A task that asked again and again
-- without waiting, which is what MSG_DONTWAIT is for, never saw another byte.

local net = require "net"
local T = require "harness"

T.test("who_asks_again_without_waiting_sees_what_has_come", function()
  local a, b = T.pair()
  for i = 1, 3 do
    a:send_some("piece " .. i)
    local data
    for _ = 1, 1000 do
      data = data or b:recv(100, net.MSG_DONTWAIT)
    end
    T.eq(data, "piece " .. i)
  end
  a:close()
  b:close()
end)
