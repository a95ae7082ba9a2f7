-- Addresses: what is taken, what comes back, identity and order.

local net = require "net"
local T = require "harness"

T.test("every_written_form_is_taken", function()
  for given, shown in pairs {
    ["127.0.0.1:80"] = "127.0.0.1:80",
    ["[::1]:80"] = "[::1]:80",
    ["[2001:db8::7]:443"] = "[2001:db8::7]:443",
    [":8080"] = "0.0.0.0:8080",
    ["unix:/tmp/x.sock"] = "unix:/tmp/x.sock",
    ["unix:relative"] = "unix:relative",
    ["unix:@name"] = "unix:@name",
    ["[::ffff:10.0.0.1]:5"] = "10.0.0.1:5",
    ["127.0.0.1:0"] = "127.0.0.1:0",
    ["127.0.0.1:65535"] = "127.0.0.1:65535",
  } do
    T.eq(tostring(net.address(given)), shown)
  end
end)

T.test("host_and_port_may_come_apart", function()
  local a = net.address("127.0.0.1:80")
  T.eq(net.address("127.0.0.1", 80), a)
  T.eq(net.address("127.0.0.1", "80"), a)
  T.eq(net.address("127.0.0.1", 80.0), a)
  T.eq(net.address("::1", 80), net.address("[::1]:80"))
  T.eq(net.address("[::1]", 80), net.address("[::1]:80"))
  T.eq(net.address("", 80), net.address(":80"))
end)

T.test("an_address_is_taken_for_itself", function()
  local a = net.address("127.0.0.1:80")
  T.eq(net.address(a), a)
end)

T.test("bad_addresses_raise_with_the_reason_and_the_line", function()
  for given, why in pairs {
    ["127.0.0.1"] = "names no port",
    ["127.0.0.1:"] = "",
    ["127.0.0.1:65536"] = "",
    ["127.0.0.1:-1"] = "",
    ["127.0.0.1:x"] = "",
    ["127.0.0.1:0x50"] = "",
    ["127.0.0.1: 80"] = "",
    ["[::1"] = "",
    ["[::1]80"] = "",
    ["unix:"] = "",
  } do
    local err = T.raises("bad address '", function() net.address(given) end)
    T.match(err, "^tests/lua/test_address.lua:%d+: ")
    T.match(err, why)
  end
  T.raises("given twice", net.address, "127.0.0.1:80", 80)
  T.raises("whole number from 0 to 65535", net.address, "127.0.0.1", 1.5)
  T.raises("whole number from 0 to 65535", net.address, "127.0.0.1", -1)
  T.raises("whole number from 0 to 65535", net.address, "127.0.0.1", "http")
  T.raises("a Unix address has no port", net.address, "unix:/x", 1)
  T.raises("a numeric host is needed", net.address, "localhost:80")
  T.raises("address .*expected, got table", net.address, {})
  T.raises("address .*expected, got nil", net.address, nil)
end)

T.test("an_address_has_its_fields", function()
  local a = net.address("127.0.0.1:80")
  T.eq(a.host, "127.0.0.1")
  T.eq(a.port, 80)
  T.eq(a.family, net.AF_INET)
  T.eq(a.scope, nil)
  T.eq(a.path, nil)
  local v6 = net.address("[::1]:80")
  T.eq(v6.host, "::1")
  T.eq(v6.family, net.AF_INET6)
  T.eq(v6.scope, nil)
  local u = net.address("unix:/tmp/x")
  T.eq(u.family, net.AF_UNIX)
  T.eq(u.path, "/tmp/x")
  T.eq(u.host, nil)
  T.eq(u.port, nil)
  T.eq(net.address("unix:@x").path, "@x")
end)

T.test("a_scope_is_kept", function()
  local a = net.address("[fe80::1%1]:80")
  T.eq(a.scope, 1)
  T.match(tostring(a), "^%[fe80::1%%%w+%]:80$")
  T.ok(a ~= net.address("[fe80::1]:80"))
end)

T.test("an_address_cannot_be_changed_and_has_no_other_field", function()
  local a = net.address("127.0.0.1:80")
  T.raises("cannot be changed", function() a.port = 81 end)
  T.raises("an address has no 'prot': it has family, host, path, port, scope", function()
    return a.prot
  end)
end)

T.test("the_same_address_is_the_same_object", function()
  local a, b = net.address("127.0.0.1:80"), net.address("127.0.0.1", 80)
  T.ok(rawequal(a, b))
  local count = { [a] = 1 }
  count[b] = count[b] + 1
  T.eq(count[net.address("127.0.0.1:80")], 2)
  T.ok(a ~= net.address("127.0.0.1:81"))
end)

T.test("addresses_from_the_kernel_are_the_same_objects_as_written_ones", function()
  local u, v = T.datagrams()
  u:sendto("x", v:getsockname())
  local _, from = v:recvfrom()
  T.ok(rawequal(from, u:getsockname()))
  T.ok(rawequal(from, net.address(tostring(from))))
  collectgarbage()
  T.ok(rawequal(from, u:getsockname()))
end)

T.test("addresses_that_nobody_holds_are_collected", function()
  local weak = setmetatable({}, { __mode = "k" })
  for i = 1, 1000 do weak[net.address("10.0.0.1", i)] = true end
  collectgarbage()
  collectgarbage()
  T.eq(next(weak), nil)
end)

T.test("addresses_join_texts", function()
  local a = net.address("127.0.0.1:80")
  T.eq("to " .. a, "to 127.0.0.1:80")
  T.eq(a .. " is it", "127.0.0.1:80 is it")
  T.eq(a .. a, "127.0.0.1:80127.0.0.1:80")
  T.eq(a .. 5, "127.0.0.1:805")
  T.eq(("%s"):format(a), "127.0.0.1:80")
end)

T.test("addresses_have_an_order", function()
  local list = {
    "unix:/b", "[::1]:1", "10.0.0.2:1", "10.0.0.10:1", "9.9.9.9:9", "unix:/a",
    "10.0.0.2:2", "[::]:5", "127.0.0.1:1",
  }
  for i, text in ipairs(list) do list[i] = net.address(text) end
  table.sort(list)
  T.eq(T.list(list), "unix:/a unix:/b 9.9.9.9:9 10.0.0.2:1 10.0.0.2:2 10.0.0.10:1 "
    .. "127.0.0.1:1 [::]:5 [::1]:1")
  T.ok(list[1] <= list[1] and not (list[1] < list[1]))
  T.raises("net.address expected", function() return list[1] < 5 end)
end)

T.test("a_mapped_address_is_shown_as_ipv4_and_mapped_back_on_use", function()
  local l <close> = T.listener(":0")
  if l:getsockname().host ~= "::" then T.skip("no IPv6 here") end
  local a <close> = T.ok(net.connect("127.0.0.1", l:getsockname().port))
  local conn, peer = l:accept()
  T.eq(peer.family, net.AF_INET)
  T.eq(peer, a:getsockname())
  T.eq(tostring(conn:getsockname()), "127.0.0.1:" .. l:getsockname().port)
  conn:close()
end)
