-- A loop of full receives read ahead what another program was to read from the same descriptor.

local net = require "net"
local T = require "harness"

T.test("a_stream_that_was_handed_over_is_not_read_ahead", function()
  local a, b = T.pair()
  local c, d = T.ok(net.socketpair())
  T.ok(a:send(("x"):rep(20000)))
  T.ok(c:sendmsg("x", { fds = { b } }))
  for _ = 1, 3 do T.eq(#b:recv(2048), 2048) end
  T.eq(b:pending(), 0)
  local _, got = d:recvmsg(1)
  T.eq(#got.fds[1]:recv(2048), 2048)
  T.eq(got.fds[1]:pending(), 0)
  got.fds[1]:close()
  for _, socket in ipairs { a, b, c, d } do socket:close() end
end)
