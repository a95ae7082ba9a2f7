-- A finalizer that ran while a read was pushing its result read from, or closed, the same
-- stream: the reader then took bytes out of the buffer that were no longer there.

local net = require "net"
local T = require "harness"

T.test("a_finalizer_cannot_read_the_stream_that_is_being_read", function()
  local a, b = T.pair()
  net.spawn(function()
    for i = 1, 20000 do a:send("line " .. i .. "\n") end
    a:close()
  end)
  local function arm()
    setmetatable({}, { __gc = function()
      pcall(b.read_exact, b, 1)
      if b:fileno() then arm() end
    end })
  end
  collectgarbage("generational")
  arm()
  local count = 0
  for _ in b:lines() do count = count + 1 end
  T.ok(count > 0)
  b:close()
end)
