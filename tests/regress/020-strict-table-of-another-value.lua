-- A script may take the __index of `net` and call it with any value. It looked for the nearest
-- name by walking through its first argument, table or not, and the process crashed.

local net = require "net"
local T = require "harness"

T.test("the_index_of_a_strict_table_refuses_what_is_no_table", function()
  local index = getmetatable(net).__index
  for _, value in ipairs { 1, "text", true, print, coroutine.create(print) } do
    T.raises("table expected", index, value, "sokcet")
  end
  T.raises("table expected", index)
  T.raises("did you mean 'socket'", index, net, "sokcet")
end)
