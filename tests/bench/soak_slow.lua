-- Many clients that send a byte a second each: soquete soak_slow.lua PORT COUNT. It says
-- "open", and ends with its standard input. Every byte that comes back is compared.
local net = require "net"

local port, count = arg[1], tonumber(arg[2])
local TEXT, STEPS = "slow and steady ", 50

local conns = {}
for i = 1, count do conns[i] = assert(net.connect("127.0.0.1", port)) end
print("open")

-- In each fiftieth of a second a fiftieth of them sends, and reads what came for the byte
-- before.
local function drip()
  local next_time, round = net.now(), 0
  while true do
    local at = round // STEPS % #TEXT + 1
    for i = 1 + round % STEPS, count, STEPS do
      if round >= STEPS then
        local before = (at - 2) % #TEXT + 1
        assert(assert(conns[i]:recv(1)) == TEXT:sub(before, before):upper())
      end
      assert(conns[i]:send(TEXT:sub(at, at)))
    end
    round = round + 1
    next_time = next_time + 1 / STEPS
    net.sleep(next_time - net.now())
  end
end

local task = net.spawn(drip)
net.spawn(function()
  local _, _, code = task:join()
  if code ~= "cancelled" then os.exit(1) end
end)
io.read("a")
task:cancel()
