-- A body was read as a whole in one go as long as its bytes were there: up to the limit that
-- the script had set, while no other task ran.

local net = require "net"
local core = require "net.http.core"
local T = require "harness"

local BYTES = 1 << 20

T.test("others_run_while_a_long_body_is_read", { net = "epoll", seconds = 10 }, function()
  local a, b = T.pair()
  local conn <close> = core.connection(a, core.shared {})
  net.spawn(b.send, b, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " .. BYTES .. "\r\n\r\n"
    .. ("x"):rep(BYTES))
  local turns, over = 0, false
  net.spawn(function()
    while not over do
      turns = turns + 1
      net.yield()
    end
  end)
  local before
  conn:exchanges(function(req)
    T.turns(20)
    before = turns
    T.eq(#req:body(BYTES), BYTES)
    over = true
  end)
  T.ok(turns - before >= 3, turns - before)
  b:close()
end)
