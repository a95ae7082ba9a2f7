-- How late a task wakes that sleeps a millisecond at a time, beside a transfer of the same
-- process: soquete delay.lua alone|loop|send_repeat|discard|relay PORT VIA WARMUP SECONDS
-- Sends to PORT, receives at VIA, or passes on to PORT what comes to VIA; prints one JSON
-- object.
local net = require "net"

local beside, port, via = arg[1], arg[2], arg[3]
local warmup, seconds = tonumber(arg[4]), tonumber(arg[5])
local TICK <const> = 0.001

local transfer = {}

function transfer.alone() end

function transfer.loop()
  local conn, buffer = assert(net.connect("127.0.0.1", port)), ("x"):rep(8192)
  while true do assert(conn:send(buffer)) end
end

function transfer.send_repeat()
  local conn = assert(net.connect("127.0.0.1", port))
  conn:send_repeat(("x"):rep(8192), { seconds = 3600 })
end

function transfer.discard()
  local server <close> = assert(net.listen("127.0.0.1", via))
  assert(server:accept()):discard()
end

function transfer.relay()
  local server <close> = assert(net.listen("127.0.0.1", via))
  local client = assert(server:accept())
  net.relay(client, assert(net.connect("127.0.0.1", port)))
end

net.spawn(transfer[beside])
net.sleep(warmup)

local late, stop = {}, net.now() + seconds
repeat
  local due = net.now() + TICK
  net.sleep(TICK)
  late[#late + 1] = (net.now() - due) * 1e6
until due >= stop
table.sort(late)

local function share(part) return late[math.max(1, math.ceil(part * #late))] end
print(('{"p50_us": %.1f, "p99_us": %.1f, "max_us": %.1f, "ticks": %d}')
  :format(share(0.5), share(0.99), late[#late], #late))
os.exit()
