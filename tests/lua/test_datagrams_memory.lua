-- Many datagrams when memory runs out: they are lost, as in a full socket, and nothing else.

local net = require "net"
local T = require "harness"

T.test("without_memory_many_fail_and_the_sockets_go_on", function()
  local list = {}
  for i = 1, 8 do list[i] = ("%06d"):format(i) .. ("x"):rep(994) end
  T.starve(function()
    local a, b = T.datagrams()
    T.ok(b:setsockopt("UDP_GRO", true))
    return { a = a, b = b, to = b:getsockname() }
  end, function(v)
    assert(v.a:send_many(list, { to = v.to }))
    return v.b:recv_many(3)
  end, function(v)
    collectgarbage()
    while v.b:recv_many(64, net.MSG_DONTWAIT) do end
    T.eq(v.a:send_many({ "still", "there" }, { to = v.to }), 2)
    local first, last = v.b:recvfrom(), v.b:recvfrom()
    T.eq(first, "still")
    T.eq(last, "there")
    v.a:close()
    v.b:close()
  end)
end)

T.test("without_memory_a_long_run_ends_and_the_sockets_go_on", function()
  T.starve(function()
    local a, b = T.datagrams()
    return { a = a, b = b, to = b:getsockname() }
  end, function(v)
    assert(v.a:send_repeat(("x"):rep(100), { count = 20, to = v.to, numbered = true }))
    return assert(v.b:discard { count = 20, numbered = true })
  end, function(v)
    collectgarbage()
    while v.b:recv_many(64, net.MSG_DONTWAIT) do end
    v.a:sendto("still there", v.to)
    local data = v.b:recvfrom()
    T.eq(data, "still there")
    v.a:close()
    v.b:close()
  end)
end)
