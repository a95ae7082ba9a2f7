-- The clients of `make soak`: soquete soak_load.lua PORT SECONDS. Tasks that pick what they
-- do at random; every byte that comes back is compared. Ends with a line of counts.
local net = require "net"

local port, seconds = arg[1], tonumber(arg[2])
local WORKERS = 48
local counts, stop = {}, net.now() + seconds
local random = math.random

local function count(what)
  counts[what] = (counts[what] or 0) + 1
end

local function bytes_of(n)
  return (("%08x"):format(random(0, 0xffffffff)):rep(n // 8 + 1)):sub(1, n)
end

local function open()
  return assert(net.connect("127.0.0.1", port))
end

local function sized()
  local sizes = { 10, 100, 1000, 10000, 100000 }
  return random(1, sizes[random(#sizes)])
end

-- Sends in one task and reads in this one, so that large sizes fit.
local function exchange(conn, data)
  local sender = net.spawn(conn.send, conn, data)
  local answer = assert(conn:read_exact(#data))
  sender:join()
  assert(answer == data, "the answer is not what was sent")
end

local doings = {
  echo = function()
    local conn <close> = open()
    for _ = 1, random(20) do exchange(conn, bytes_of(sized())) end
  end,
  churn = function()
    for _ = 1, 10 do
      local conn <close> = open()
      exchange(conn, bytes_of(20))
    end
  end,
  reset = function()
    local conn <close> = open()
    conn:setsockopt("SO_LINGER", 0)
    conn:send(bytes_of(sized()))
  end,
  half_close = function()
    local conn <close> = open()
    local data = bytes_of(sized())
    net.spawn(function()
      conn:send(data)
      conn:shutdown(net.SHUT_WR)
    end)
    assert(assert(conn:read("a")) == data)
  end,
  slow = function()
    local conn <close> = open()
    local data = bytes_of(300000)
    local sender = net.spawn(conn.send, conn, data)
    net.sleep(random() / 2)
    local at = 0
    while at < #data do
      local piece = assert(conn:recv(20000))
      assert(piece == data:sub(at + 1, at + #piece))
      at = at + #piece
    end
    sender:join()
  end,
  drip = function()
    local conn <close> = open()
    for byte in ("drop by drop"):gmatch(".") do
      exchange(conn, byte)
      net.sleep(0.02)
    end
  end,
  datagram = function()
    local socket <close> = assert(net.udp("127.0.0.1:0"))
    socket:settimeout(1)
    local data = bytes_of(random(0, 60000))
    socket:sendto(data, "127.0.0.1", tonumber(port))
    local answer, _, code = socket:recvfrom()
    assert(code == "timeout" or answer == data)
    if code == "timeout" then count("datagrams lost") end
  end,
  timeout = function()
    local conn <close> = open()
    conn:settimeout(random() / 20)
    assert(select(3, conn:recv()) == "timeout")
    conn:settimeout(nil)
    exchange(conn, bytes_of(100))
  end,
  cancel = function()
    local task = net.spawn(function()
      local conn <close> = open()
      while true do exchange(conn, bytes_of(5000)) end
    end)
    net.sleep(random() / 50)
    task:cancel()
    task:join()
  end,
  abandon = function()
    local conn = open()
    conn:send("whom nobody closes")
  end,
  collect = function() collectgarbage() end,
}

local names = {}
for name in pairs(doings) do names[#names + 1] = name end

local function work()
  while net.now() < stop do
    local name = names[random(#names)]
    doings[name]()
    count(name)
  end
end

net.group(function(g)
  for _ = 1, WORKERS do g:spawn(work) end
end)

table.sort(names)
local lines = {}
for _, name in ipairs(names) do lines[#lines + 1] = name .. " " .. (counts[name] or 0) end
print("done: " .. table.concat(lines, ", ") .. "; datagrams lost " .. (counts["datagrams lost"] or 0))
