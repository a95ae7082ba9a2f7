-- The hints of some codes were those of another operation: a group that was joined twice was a
-- busy port of "this program", one that was left without having been joined lacked "a local
-- port", and a second bind had no hint at all.

local net = require "net"
local T = require "harness"

local GROUP = "239.255.77.78"

local function member()
  local s = T.ok(net.socket(net.AF_INET, net.SOCK_DGRAM))
  T.ok(s:bind("0.0.0.0:0"))
  local ok, _, code = s:join(GROUP, "lo")
  if not ok and (code == "ENODEV" or code == "EADDRNOTAVAIL") then
    T.skip("the loopback interface takes no groups")
  end
  T.ok(ok)
  return s
end

T.test("a_second_join_says_that_there_was_a_first", function()
  local s <close> = member()
  T.match(T.fails("EADDRINUSE", s:join(GROUP, "lo")).hint, "joined that group already")
  local again = { group = GROUP, interface = "lo" }
  local err = T.fails("EADDRINUSE", s:setsockopt("IP_ADD_MEMBERSHIP", again))
  T.match(err.hint, "joined that group already")
end)

T.test("a_leave_without_a_join_says_so", function()
  local s <close> = member()
  T.match(T.fails("EADDRNOTAVAIL", s:leave("239.255.77.79", "lo")).hint, "has not joined")
  local other = { group = "239.255.77.79", interface = "lo" }
  local err = T.fails("EADDRNOTAVAIL", s:setsockopt("IP_DROP_MEMBERSHIP", other))
  T.match(err.hint, "has not joined")
end)

T.test("a_join_of_what_is_no_group_says_what_is_one", function()
  local s <close> = member()
  T.match(T.fails("EINVAL", s:join("10.0.0.1", "lo")).hint, "groups are 224%.0%.0%.0 to")
end)

T.test("a_second_bind_says_that_there_was_a_first", function()
  for _, kind in ipairs { net.SOCK_STREAM, net.SOCK_DGRAM } do
    local s <close> = T.ok(net.socket(net.AF_INET, kind))
    T.ok(s:bind("127.0.0.1:0"))
    T.match(T.fails("EINVAL", s:bind("127.0.0.1:0")).hint, "has an address already")
  end
end)
