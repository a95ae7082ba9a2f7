-- Connecting to a name with several addresses: attempts side by side, one socket in the end.

local net = require "net"
local T = require "harness"

local function connect(...)
  local addresses = {}
  for i, text in ipairs { ... } do addresses[i] = net.address(text) end
  return require "net.connect"(addresses)
end

-- A listener, its address, and one that nothing listens at.
local function listener()
  local l = T.listener()
  local gone = T.listener()
  local refused = tostring(gone:getsockname())
  gone:close()
  return l, tostring(l:getsockname()), refused
end

local SILENT = "192.0.2.1:80"

T.test("the_next_address_is_tried_when_the_first_refuses", { net = "fake" }, function()
  local l <close>, good, refused = listener()
  local begin = net.now()
  local s <close> = T.ok(connect(refused, good))
  T.eq(tostring(s:getpeername()), good)
  T.ok(net.now() - begin < 0.2)
  local conn <close> = T.ok(l:accept())
end)

T.test("a_silent_address_gets_a_rival_after_250_ms", { net = "fake" }, function()
  local l <close>, good = listener()
  local begin = net.now()
  local s <close> = T.ok(connect(SILENT, good))
  local took = net.now() - begin
  T.ok(took >= 0.25 and took < 0.3, took)
  T.eq(tostring(s:getpeername()), good)
  T.eq(#net.tasks(), 1)
  local conn <close> = T.ok(l:accept())
end)

T.test("every_silent_address_gets_its_turn", { net = "fake" }, function()
  local l <close>, good = listener()
  local begin = net.now()
  local s <close> = T.ok(connect(SILENT, "192.0.2.2:80", "192.0.2.3:80", good))
  local took = net.now() - begin
  T.ok(took >= 0.75 and took < 0.8, took)
  local conn <close> = T.ok(l:accept())
end)

T.test("the_error_names_every_attempt", { net = "fake" }, function()
  local _, _, one = listener()
  local _, _, two = listener()
  local err = T.fails("ECONNREFUSED", connect(one, two))
  T.match(tostring(err), "tried " .. one .. " ECONNREFUSED, " .. two .. " ECONNREFUSED")
  T.eq(err.op, "connect")
end)

T.test("the_error_of_a_sole_address_is_plain", { net = "fake" }, function()
  local _, _, refused = listener()
  local err = T.fails("ECONNREFUSED", connect(refused))
  T.ok(not tostring(err):find("tried"), err)
end)

T.test("a_deadline_ends_every_attempt", { net = "fake" }, function()
  T.fails("timeout", net.deadline(1, connect, SILENT, "192.0.2.2:80", "192.0.2.3:80"))
  T.eq(#net.tasks(), 1)
end)

T.test("cancel_ends_every_attempt", { net = "fake" }, function()
  local task = T.waiting(connect, SILENT, "192.0.2.2:80")
  net.sleep(0.3)
  T.eq(#net.tasks(), 4)
  task:cancel()
  T.fails("cancelled", task:join())
  T.eq(#net.tasks(), 1)
end)

T.test("a_name_is_connected_at_the_address_that_answers", { net = "fake" }, function()
  local l <close> = T.listener("127.0.0.2:4000")
  local s <close> = T.ok(net.connect("two.test", 4000))
  T.eq(tostring(s:getpeername()), "127.0.0.2:4000")
  local conn <close> = T.ok(l:accept())
end)

T.test("losers_are_closed_on_the_real_system", function()
  local l <close>, good, refused = listener()
  local before = T.open_files()
  for _ = 1, 20 do
    local s <close> = T.ok(connect(refused, good, good))
    local conn <close> = T.ok(l:accept())
  end
  T.eq(T.open_files(), before)
end)
