-- A handler that streams an answer, or a client that streams a body, to a peer that takes
-- all at once never waits. Its writes did not look whether it was cancelled, so that neither
-- a cancel nor a deadline could end it.

local net = require "net"
local core = require "net.http.core"
local T = require "harness"

local function writer(conn)
  conn:ask("POST", "/", { Host = "h" }, true)
  while true do conn:write(("x"):rep(65536)) end
end

T.test("a_writer_that_never_waits_can_be_cancelled", { net = "epoll", seconds = 5 }, function()
  local a, b = T.pair()
  local conn <close> = core.connection(a, core.shared {}, nil, true)
  net.spawn(T.drain, b)
  local task = net.spawn(writer, conn)
  T.turns(20)
  task:cancel()
  T.fails("cancelled", task:join())
end)

T.test("a_deadline_ends_a_writer_that_never_waits", { net = "epoll", seconds = 5 }, function()
  local a, b = T.pair()
  local conn <close> = core.connection(a, core.shared {}, nil, true)
  net.spawn(T.drain, b)
  T.fails("timeout", net.deadline(0.1, writer, conn))
end)
