-- A misspelt name of 64 characters or more ended the process: no name was near, and the
-- search compared with none.

local net = require "net"
local T = require "harness"

for _, length in ipairs { 63, 64, 1000000 } do
  T.test("a_name_of_" .. length .. "_characters_is_told_as_missing", function()
    local name = ("x"):rep(length)
    T.raises("net has no 'xxx", function() return net[name] end)
    local s <close> = net.socket()
    T.raises("a socket has no 'xxx", function() return s[name] end)
  end)
end
