-- close noted the place of the call before it closed, and the finalizer made the text of
-- its warning first: without memory both raised, and the descriptor stayed open for ever.

local T = require "harness"
local net = require "net"

T.test("close_closes_also_without_memory", function()
  local function closed(socket, ok)
    T.eq(T.open_handles(), 0, ok and "after a close" or "after a close that raised")
    socket:close()
  end
  T.starve(net.socket, function(socket) socket:close() end, closed)
end)

T.test("a_forgotten_socket_is_closed_also_without_memory", function()
  T.starve(function() net.socket() end, function() collectgarbage() end,
    function() T.eq(T.open_handles(), 0) end)
end)
