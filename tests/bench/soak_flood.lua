-- Clients that do not take no for an answer: soquete soak_flood.lua PORT COUNT. Each is
-- refused and comes again at once, or is accepted and stays. Ends with its standard input.
local net = require "net"

local port, count = arg[1], tonumber(arg[2])

local function knock()
  while true do
    local conn <close> = net.connect("127.0.0.1", port)
    if conn then conn:recv() else net.sleep(0.001) end
  end
end

local tasks = {}
for i = 1, count do tasks[i] = net.spawn(knock) end
io.read("a")
for _, task in ipairs(tasks) do task:cancel() end
