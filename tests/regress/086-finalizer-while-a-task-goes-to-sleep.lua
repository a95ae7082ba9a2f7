-- A finalizer that ran while a task went to sleep in a read could read from the same stream,
-- since that task held it: the read then went on as the finalizer's, and crashed. Builds that
-- collect at each wait do it always, others hardly ever.

local net = require "net"
local T = require "harness"

T.test("a_finalizer_cannot_read_the_stream_whose_reader_goes_to_sleep", function()
  local a, b = T.pair()
  local stolen = 0
  net.spawn(function()
    a:send("12345") -- not enough: the reader sleeps with these in its buffer
    T.turns(5)
    a:send("6789")
  end)
  local function arm()
    setmetatable({}, { __gc = function()
      if b:fileno() and b:pending() > 0 then stolen = stolen + #b:recv(1) end
      if stolen == 0 and b:fileno() then arm() end
    end })
  end
  arm()
  T.eq(b:read_exact(9), "123456789")
  T.eq(stolen, 0)
  a:close()
  b:close()
end)
