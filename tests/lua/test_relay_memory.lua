-- net.relay while allocations fail: one after the other, so this is no test for the campaign.

local net = require "net"
local T = require "harness"

local text = ("0123456789"):rep(4000)

T.test("a_relay_without_memory_fails_and_loses_nothing_in_between", { seconds = 120 }, function()
  T.starve(function()
    local client, a = T.pair()
    local b, server = T.pair()
    client:send(text)
    client:shutdown()
    server:shutdown()
    return { client, a, b, server, open = T.open_files() }
  end, function(l) return net.relay(l[2], l[3]) end, function(l, ok, figures)
    local client, a, b, server = table.unpack(l)
    if ok and figures then T.eq(figures.a_to_b_bytes, #text) end
    T.eq(T.open_files(), l.open)
    a:close()
    b:close()
    local got = server:read("a")
    T.ok(not got or got == text:sub(1, #got))
    client:close()
    server:close()
  end)
end)
