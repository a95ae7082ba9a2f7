-- send_repeat of a datagram socket crashed when `to` was a host's name: its move, which is
-- closed when the call ends, stood above the slot of the look-up, and slots that are to be
-- closed have to be marked from low to high.

local net = require "net"
local T = require "harness"

local FAKE = { net = "fake" }
local DATA = ("x"):rep(100)

T.test("a_repeated_datagram_goes_to_a_name_of_the_real_system", function()
  local a, b = T.datagrams()
  local to = "localhost:" .. b:getsockname().port
  local figures = T.ok(a:send_repeat(DATA, { count = 3, to = to }))
  T.eq(figures.datagrams, 3)
  T.eq(figures.ended, "count")
  for _ = 1, 3 do T.eq(b:recvfrom(), DATA) end
  a:close()
  b:close()
end)

T.test("a_repeated_datagram_waits_for_the_address_of_a_name", FAKE, function()
  local a, b = T.datagrams()
  local to = "slow.test:" .. b:getsockname().port
  local figures = T.ok(a:send_repeat(DATA, { seconds = 1, bits_per_second = 800, to = to }))
  T.eq(figures.datagrams, 1)
  T.eq(figures.seconds, 1.0) -- the look-up's time does not count
  T.eq(b:recvfrom(), DATA)
  a:close()
  b:close()
end)

T.test("a_repeated_datagram_tells_that_its_name_has_no_address", FAKE, function()
  local a = T.ok(net.udp("127.0.0.1:0"))
  local err = T.fails("EAI_NONAME", a:send_repeat(DATA, { count = 3, to = "nowhere.test:9" }))
  T.match(tostring(err), "send_repeat nowhere.test")
  T.eq(err.sent, 0)
  T.eq(err.figures.datagrams, 0)
  a:close()
end)

T.test("a_cancel_ends_the_look_up_of_a_repeated_datagram", FAKE, function()
  local a = T.ok(net.udp("127.0.0.1:0"))
  local before = T.open_handles()
  local sender = T.waiting(a.send_repeat, a, DATA, { count = 3, to = "slow.test:9" })
  T.eq(T.open_handles(), before + 1)
  sender:cancel()
  T.fails("cancelled", sender:join())
  T.eq(T.open_handles(), before)
  a:close()
end)

T.test("a_deadline_ends_the_look_up_of_a_repeated_datagram", FAKE, function()
  local a = T.ok(net.udp("127.0.0.1:0"))
  local before = T.open_handles()
  local options = { count = 3, to = "slow.test:9" }
  local err = T.fails("timeout", net.deadline(1, a.send_repeat, a, DATA, options))
  T.eq(err.figures.datagrams, 0)
  T.eq(T.open_handles(), before)
  a:settimeout(1)
  T.eq(T.fails("timeout", a:send_repeat(DATA, options)).figures.datagrams, 0)
  T.eq(T.open_handles(), before)
  a:close()
end)

T.test("a_close_during_the_look_up_of_a_repeated_datagram_is_told", FAKE, function()
  local a = T.ok(net.udp("127.0.0.1:0"))
  local sender = T.waiting(a.send_repeat, a, DATA, { count = 3, to = "slow.test:9" })
  a:close()
  T.eq(T.fails("closed", sender:join()).figures.datagrams, 0)
end)

T.test("a_coroutine_that_is_closed_ends_the_look_up_of_a_repeated_datagram", FAKE, function()
  local a = T.ok(net.udp("127.0.0.1:0"))
  local before = T.open_handles()
  local options = { count = 3, to = "slow.test:9" }
  local co = coroutine.create(function() a:send_repeat(DATA, options) end)
  local task = T.waiting(coroutine.resume, co)
  coroutine.close(co)
  T.eq(T.open_handles(), before)
  task:join()
  a:close()
end)
