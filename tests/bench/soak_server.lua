-- The server of `make soak`: echoes streams and datagrams, and keeps itself busy with what
-- else a program does: timers, cancelled tasks, names, groups, garbage.
local net = require "net"

local function echo(conn)
  local c <close> = conn
  while true do
    local data = c:recv(65536)
    if not data or not c:send(data) then return end
  end
end

local function echo_datagrams(socket)
  while true do
    local data, from, code = socket:recvfrom()
    if code == "closed" then return end
    if data then socket:sendto(data, from) end
  end
end

-- Each of these comes again and again, and leaves nothing.
local chores = {
  function() net.deadline(0.01, net.sleep, 1) end,
  function()
    local task = net.spawn(net.sleep, 100)
    net.yield()
    task:cancel()
    task:join()
  end,
  function() net.getaddrinfo("localhost", "80") end,
  function()
    net.group(function(g)
      for i = 1, 5 do g:spawn(net.sleep, i / 1000) end
    end)
  end,
  function() net.race(function() net.sleep(0.002) end, function() net.sleep(5) end) end,
  function()
    local channel <close> = net.channel(1)
    net.spawn(function() channel:put(("x"):rep(1000)) end)
    channel:get()
  end,
  function() net.socketpair() end, -- the collector closes both
  function() net.connect("127.0.0.1:1") end,
  function()
    local parts = {}
    for i = 1, 200 do parts[i] = tostring(i):rep(10) end
    return table.concat(parts)
  end,
}

local function do_chores()
  local next_time = net.now()
  while true do
    for _, chore in ipairs(chores) do chore() end
    next_time = math.max(next_time + 0.05, net.now())
    net.sleep(next_time - net.now())
  end
end

local server <close> = assert(net.listen("127.0.0.1:0"))
local datagrams <close> = assert(net.udp(server:getsockname()))
print("listening on " .. server:getsockname())
net.spawn(echo_datagrams, datagrams)
net.spawn(do_chores)
while true do net.spawn(echo, (assert(server:accept()))) end
