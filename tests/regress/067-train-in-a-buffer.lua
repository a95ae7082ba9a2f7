-- recv_into knew nothing of joined datagrams (UDP_GRO): a whole train came as one datagram,
-- and those that were held of an earlier train were overtaken, or never came.

local net = require "net"
local T = require "harness"

-- Two sockets, of which the second gets trains; the first has sent one.
local function joining()
  local a, b = T.datagrams()
  T.ok(b:setsockopt("UDP_GRO", true))
  T.ok(a:send_many({ "first", "secnd", "end" }, { to = b:getsockname() }))
  b:settimeout(10)
  return a, b
end

-- What recv_into gives, as text: the bytes, how many, their sender is `a`, the size.
local function take(a, b, buffer)
  local n, from, size = T.ok(b:recv_into(buffer))
  return T.list { buffer:sub(1, n), n, from == a:getsockname(), size }
end

T.test("recv_into_gives_a_train_one_by_one", function()
  local a, b = joining()
  local buffer = net.buffer(64)
  T.eq(take(a, b, buffer), "first 5 true 5")
  T.eq(take(a, b, buffer), "secnd 5 true 5")
  T.eq(take(a, b, buffer), "end 3 true 3")
  b:settimeout(0)
  T.fails("timeout", b:recv_into(buffer))
  a:close()
  b:close()
end)

T.test("recv_into_takes_what_is_held_first", function()
  local a, b = joining()
  T.eq(b:recvfrom(), "first")
  a:sendto("later", b:getsockname())
  local buffer = net.buffer(64)
  T.eq(take(a, b, buffer), "secnd 5 true 5")
  T.eq(b:recvfrom(), "end")
  T.eq(take(a, b, buffer), "later 5 true 5")
  a:close()
  b:close()
end)

T.test("recv_into_cuts_a_joined_datagram_and_tells_its_size", function()
  local a, b = joining()
  local buffer = net.buffer("....")
  T.eq(T.list { b:recv_into(buffer, 2, 2) }, T.list { 2, a:getsockname(), 5 })
  T.eq(buffer:sub(), ".fi.")
  T.eq(take(a, b, buffer), "secn 4 true 5")
  T.eq(take(a, b, buffer), "end 3 true 3")
  a:close()
  b:close()
end)

T.test("recv_into_takes_an_empty_joined_datagram", function()
  local a, b = joining()
  for _ = 1, 3 do b:recvfrom() end
  a:sendto("", b:getsockname())
  T.eq(take(a, b, net.buffer(4)), " 0 true 0")
  a:close()
  b:close()
end)

T.test("recv_into_gives_nothing_that_a_closed_socket_held", function()
  local a, b = joining()
  T.eq(b:recvfrom(), "first")
  b:close()
  T.fails("closed", b:recv_into(net.buffer(64)))
  a:close()
end)

T.test("a_close_ends_a_recv_into_that_waits_for_joined_datagrams", function()
  local a, b = joining()
  for _ = 1, 3 do b:recvfrom() end
  local waiter = T.waiting(b.recv_into, b, net.buffer(64))
  b:close()
  T.fails("closed", waiter:join())
  a:close()
end)

T.test("a_finalizer_does_not_receive_joined_datagrams_into_a_buffer", function()
  local a, b = joining()
  local buffer, message = net.buffer(64), nil
  setmetatable({}, { __gc = function() message = select(2, pcall(b.recv_into, b, buffer)) end })
  collectgarbage()
  T.match(tostring(message), "not for finalizers")
  T.eq(take(a, b, buffer), "first 5 true 5")
  a:close()
  b:close()
end)
