-- A limit of 1e6 bytes, or math.huge for none, was refused: it is a float.

local limit = require "net.http.limit"
local T = require "harness"

T.test("a_limit_may_be_a_whole_float_or_infinite", function()
  T.eq(limit("body", 1e6, 5), 1000000)
  T.eq(limit("body", math.huge, 5), math.maxinteger)
  T.eq(limit("body", nil, 5), 5)
  for _, bad in ipairs { 1.5, -1, "5", 0 / 0 } do
    T.raises("whole number of bytes", limit, "body", bad, 5)
  end
end)
