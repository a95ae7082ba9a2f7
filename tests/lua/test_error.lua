-- Error objects: text, fields, hints.

local net = require "net"
local T = require "harness"

local function refused()
  local l = T.listener()
  local address = l:getsockname()
  l:close()
  return address, T.fails("ECONNREFUSED", net.connect(address))
end

T.test("an_error_is_one_line_of_text", function()
  local address, err = refused()
  local text = "connect " .. address .. ": connection refused (ECONNREFUSED)"
  T.eq(tostring(err), text)
  T.eq(err .. "!", text .. "!")
  T.eq("so: " .. err, "so: " .. text)
  T.eq(("%s"):format(err), text)
end)

T.test("an_error_has_its_fields", function()
  local address, err = refused()
  T.eq(err.op, "connect")
  T.eq(err.code, "ECONNREFUSED")
  T.eq(err.errno, 111)
  T.eq(err.address, tostring(address))
  T.match(err.where, "^tests/lua/test_error.lua:%d+$")
  T.eq(err.hint, "nothing listens there; is the server running, on this port?")
  T.raises("an error has no 'nothing': see op", function() return err.nothing end)
end)

T.test("conditions_of_the_runtime_have_no_errno", function()
  local a, b = T.pair()
  b:settimeout(0)
  T.eq(T.fails("timeout", b:recv()).errno, nil)
  a:close()
  b:settimeout(nil)
  local err = T.fails("eof", b:recv())
  T.eq(err.errno, nil)
  T.match(tostring(err), "^recv 127.0.0.1:%d+: the peer ended its side %(eof%)$")
end)

T.test("assert_raises_the_object", function()
  local _, err = refused()
  local ok, raised = pcall(assert, nil, err)
  T.eq(ok, false)
  T.ok(rawequal(raised, err))
end)

T.test("an_error_can_be_printed_with_other_things", function()
  local _, err = refused()
  T.match(table.concat({ tostring(err), "x" }, " "), "refused %(ECONNREFUSED%) x$")
end)

T.test("scripts_may_add_to_an_error", function()
  local _, err = refused()
  err.attempt = 3
  err.text = "did not want to"
  T.eq(err.attempt, 3)
  T.match(tostring(err), "did not want to %(ECONNREFUSED%)$")
end)

T.test("a_busy_port_names_its_holder_at_bind", function()
  local l <close> = T.listener()
  local s <close> = net.socket()
  local err = T.fails("EADDRINUSE", s:bind(l:getsockname()))
  T.eq(err.op, "bind")
  T.match(err.hint, "holds it")
end)

T.test("a_busy_port_names_its_holder_at_listen", function()
  local s, t = net.socket(), net.socket()
  s:setsockopt("SO_REUSEADDR", true)
  t:setsockopt("SO_REUSEADDR", true)
  T.ok(s:bind("127.0.0.1:0"))
  T.ok(t:bind(s:getsockname()))
  T.ok(s:listen())
  local err = T.fails("EADDRINUSE", t:listen())
  T.eq(err.op, "listen")
  T.eq(err.address, tostring(s:getsockname()))
  T.match(err.hint, "holds it")
  T.raises("accept: the listen of this socket failed", t.accept, t)
end)

T.test("a_busy_udp_port_names_its_holder", function()
  local u <close> = net.udp("127.0.0.1:0")
  local err = T.fails("EADDRINUSE", net.udp(u:getsockname()))
  T.match(err.hint, "holds it")
end)

T.test("a_port_below_1024_has_a_hint", function()
  local s <close> = net.socket()
  T.drop_privileges()
  local ok, err, code = s:bind("127.0.0.1:1")
  if ok then return end -- where everybody may (ip_unprivileged_port_start)
  T.eq(code, "EACCES")
  T.match(err.hint, "below 1024")
end)

T.test("a_foreign_address_has_a_hint", function()
  local s <close> = net.socket()
  local err = T.fails("EADDRNOTAVAIL", s:bind("192.0.2.1:0"))
  T.match(err.hint, "no such address")
end)

T.test("a_name_that_does_not_resolve_has_a_hint", { net = "fake" }, function()
  local err = T.fails("EAI_NONAME", net.connect("nowhere.test:80"))
  T.match(tostring(err), "^connect nowhere.test: name or service not known %(EAI_NONAME%)$")
  T.match(err.hint, "spelling")
  T.eq(err.errno, nil)
  local s <close> = net.socket()
  T.eq(T.fails("EAI_NONAME", s:connect("nowhere.test:80")).op, "connect")
  T.eq(T.fails("EAI_NONAME", s:bind("nowhere.test:80")).op, "bind")
end)

T.test("a_reset_has_a_hint", function()
  local a, b = T.pair()
  b:send("unread")
  a:peek(1)
  b:send("more")
  a:setsockopt("SO_LINGER", 0)
  a:close()
  local err = T.fails("ECONNRESET", b:recv())
  T.match(err.hint, "dropped the connection")
end)

T.test("the_line_is_the_scripts_also_through_the_short_forms", function()
  local l <close> = T.listener()
  local _, err = net.listen(l:getsockname()) local here = debug.getinfo(1, "l").currentline
  T.eq(err.where, "tests/lua/test_error.lua:" .. here)
end)

T.test("an_uncaught_error_is_told_with_hint_and_traceback", {
  status = 1,
  stderr = {
    "^soquete: .*connect 127.0.0.1:%d+: connection refused %(ECONNREFUSED%)\n",
    "\n  hint: nothing listens there",
    "\nstack traceback:\n",
    "test_error.lua:%d+: in",
  },
}, function()
  local l = T.listener()
  local address = l:getsockname()
  l:close()
  assert(net.connect(address))
end)
