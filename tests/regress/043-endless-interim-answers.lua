-- A server that sends nothing but 100 Continue, fast enough, was read for ever: the task
-- never waited, so no other one ran, and no deadline ended it.

local net = require "net"
local core = require "net.http.core"
local T = require "harness"

T.test("interim_answers_have_an_end", { net = "epoll", seconds = 10 }, function()
  local a, b = T.pair()
  local conn <close> = core.connection(a, core.shared { head = 10000 }, nil, true)
  local sender = net.spawn(function()
    repeat until not b:send(("HTTP/1.1 100 Continue\r\n\r\n"):rep(1000))
  end)
  local err = T.fails("invalid", conn:next_response("GET"))
  T.match(tostring(err), "too long")
  conn:close()
  sender:join()
end)

T.test("a_few_interim_answers_are_passed_over", { net = "fake" }, function()
  local a, b = T.pair()
  local conn <close> = core.connection(a, core.shared { head = 1000 }, nil, true)
  b:send(("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"):rep(10))
  b:send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
  T.eq(conn:next_response("GET").status, 200)
  b:close()
end)
