-- net.fdopen: descriptors that were there before. tests/e2e/test_fdopen.py has those that
-- other programs hand over.

local core = require "net.core"
local net = require "net"
local T = require "harness"

-- A descriptor that nobody owns: standard input was lent, so close leaves it open.
local function free_descriptor()
  local s = T.ok(core.stdin())
  local fd = s:fileno()
  s:close()
  return fd
end

T.test("fdopen_takes_a_file_and_close_closes_it", function()
  local s = T.ok(net.fdopen(free_descriptor())) -- /dev/null
  T.match(tostring(s), "socket %(file")
  T.fails("eof", s:recv())
  T.fails("EBADF", s:send("x")) -- it was opened for reading
  s:close()
  T.match(tostring(T.fails("closed", s:recv())), "recv closed descriptor: ")
  T.eq(T.descriptor_flags(0), nil)
  T.fails("EBADF", net.fdopen(0))
end)

T.test("fdopen_never_sets_nonblocking", function()
  local s <close> = T.ok(net.fdopen(free_descriptor()))
  local _, nonblock = T.descriptor_flags(s:fileno())
  T.eq(nonblock, false)
end)

T.test("fdopen_refuses_what_a_socket_owns", function()
  local s <close> = T.ok(net.socket())
  local err = T.fails("EBUSY", net.fdopen(s:fileno()))
  T.match(tostring(err), "fdopen descriptor %d+: ")
  T.ok(s:bind("127.0.0.1:0"))
end)

T.test("fdopen_refuses_what_the_runtime_needs", function()
  local refused = 0
  for fd = 3, 30 do
    local s, _, code = net.fdopen(fd)
    if code == "EBUSY" then refused = refused + 1 end
    if s then s:close() end
  end
  T.ok(refused >= 2)
  net.sleep(0.001) -- the loop still turns
end)

T.test("fdopen_checks_its_argument", function()
  T.raises("number expected", net.fdopen, "x")
  T.raises("not between", net.fdopen, -1)
  T.raises("not between", net.fdopen, 1 << 31)
  T.raises("integer", net.fdopen, 1.5)
  T.fails("EBADF", net.fdopen(2 ^ 31 - 1 | 0))
end)

T.test("fdopen_writes_to_a_file", { stderr = "through the descriptor" }, function()
  local s = T.ok(net.fdopen(2))
  T.eq(s:send("through the descriptor\n" .. ("x"):rep(10000)), 10023)
  T.eq(#T.stderr(), 10023)
  s:settimeout(0)
  T.ok(net.poll({}, { s }, 5))
end)
