-- A test of so many bytes ended with fewer where the server sent seldom: when nothing had come
-- for two seconds the client took it for the end, though at that rate a datagram was due only
-- every two and a half.

local net = require "net"
local throughput = require "net.throughput"
local T = require "harness"

T.test("a_test_of_so_many_bytes_waits_for_a_slow_rate", function()
  local server = assert(net.listen("127.0.0.1:0"))
  local task = net.spawn(throughput.serve, server)
  local figures = assert(throughput.run {
    bytes = 2000, host = "127.0.0.1", length = 1000, port = server:getsockname().port,
    rate = 3200, reverse = true, udp = true,
  })
  assert(figures.from_server.received.datagrams == 2)
  server:close()
  task:join()
end)
