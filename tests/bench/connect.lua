-- Connects again and again: soquete connect.lua PORT TASKS [COUNT]
-- Each task receives the greeting of the server and its end, closes, and begins anew.
local net = require "net"

local GREETING <const> = "welcome\n"
local server, count = net.address("127.0.0.1", arg[1]), tonumber(arg[3] or math.huge)

local function visit()
  local conn <close> = assert(net.connect(server))
  assert(conn:recv(64) == GREETING, "the greeting is wrong")
  assert(not conn:recv(64), "more than the greeting came")
end

net.group(function(clients)
  for _ = 1, tonumber(arg[2]) do
    clients:spawn(function()
      for _ = 1, count do visit() end
    end)
  end
end)
