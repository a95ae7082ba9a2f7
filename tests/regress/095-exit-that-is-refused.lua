-- os.exit with a bad argument had done its work before the argument was looked at: streams with
-- bytes that nobody had read were marked, and their close reset them although all was read.

local net = require "net"
local T = require "harness"

-- A stream that holds bytes which came while its owner waited, and its peer.
local function holding()
  local a, b = T.pair()
  local reader = T.waiting(b.recv, b, 1)
  T.ok(a:send("12345678"))
  T.eq(reader:join(), "1")
  return a, b
end

for i, bad in ipairs { "x", 1.5, {}, print } do
  T.test(("bad_argument_%d_changes_nothing"):format(i), function()
    local a, b = holding()
    T.raises("bad argument #1 to 'exit'", os.exit, bad)
    T.eq(b:recv(), "2345678")
    b:close()
    T.fails("eof", a:recv())
    a:close()
  end)
end

T.test("what_lua_takes_is_taken", { status = 3 }, function() os.exit("3") end)
T.test("nil_is_success", function() os.exit(nil) end)
T.test("false_is_failure", { status = 1 }, function() os.exit(false) end)
