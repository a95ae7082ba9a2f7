-- A socket of both families asked for the IPv6 addresses of a name only: with nothing but
-- "127.0.0.1 localhost" in /etc/hosts, net.udp() could not send to localhost.

local net = require "net"
local T = require "harness"

local function receiver()
  local r = T.ok(net.udp("127.0.0.1:0"))
  r:settimeout(5)
  return r, r:getsockname().port
end

-- What each way of sending to a name is, and that it arrives.
local ways = {
  sendto = function(s, port) return s:sendto("x", "localhost", port) end,
  sendmsg = function(s, port) return s:sendmsg("x", { to = "localhost:" .. port }) end,
  send_many = function(s, port) return s:send_many({ "x" }, { to = "localhost:" .. port }) end,
  send_repeat = function(s, port)
    return s:send_repeat("x", { to = "localhost:" .. port, count = 1 })
  end,
  connect = function(s, port) return T.ok(s:connect("localhost", port)):send("x") end,
}

local function only_ipv4()
  local list = net.getaddrinfo("localhost", 1)
  for _, address in ipairs(list or {}) do
    if address.family == net.AF_INET6 then T.skip("localhost has an IPv6 address here") end
  end
end

for name, send in pairs(ways) do
  T.test(name .. "_of_both_families_reaches_a_name_with_ipv4_only", function()
    only_ipv4()
    local r <close>, port = receiver()
    for _, s in ipairs { T.ok(net.udp()), T.ok(net.udp(":0")) } do
      local there <close> = s
      T.ok(send(there, port))
      T.eq(r:recv(), "x")
    end
  end)
end

T.test("a_stream_of_both_families_connects_to_a_name_with_ipv4_only", function()
  only_ipv4()
  local l <close> = T.listener()
  local s <close> = T.ok(net.socket(net.AF_INET6))
  T.ok(s:connect("localhost", l:getsockname().port))
  T.eq(s:getpeername(), l:getsockname())
end)

T.test("bind_of_both_families_takes_a_name_with_ipv4_only", function()
  only_ipv4()
  local s <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  T.ok(s:bind("localhost:0"))
  T.eq(s:getsockname().host, "127.0.0.1")
end)

T.test("a_socket_of_ipv6_only_says_that_the_name_is_of_the_other_family", function()
  only_ipv4()
  local s <close> = T.ok(net.socket(net.AF_INET6, net.SOCK_DGRAM))
  T.ok(s:setsockopt("IPV6_V6ONLY", true))
  local err = T.fails("EAI_ADDRFAMILY", s:sendto("x", "localhost", 1))
  T.match(err.hint, "other family only.*IPV6_V6ONLY")
  local only6 = { family = net.AF_INET6 }
  err = T.fails("EAI_ADDRFAMILY", net.getaddrinfo("localhost", 1, only6))
  T.match(err.hint, "without family")
end)
