-- A server and three clients, of whom one fault may hit one. The others must not notice, and
-- a client that comes later is served. Without faults these are plain tests; the campaign
-- (make campaign) lets each allocation and each call in them fail.

local T = require "harness"
local net = require "net"
local testing = require "testing"

local CLIENTS, ROUNDS, TRIES = 3, 3, 300

-- Calls until it succeeds: each fault lets one call fail.
local function surely(fn, ...)
  for _ = 1, TRIES do
    local ok, value = pcall(fn, ...)
    if ok and value then return value end
  end
  error("it never succeeds")
end

-- --- the server: whatever fails, it goes on ---------------------------------------------
-- Without memory even the call of a function can fail. So two tasks accept, and connections
-- that were lost before anybody could close them are collected now and then.

local function echo(conn)
  local c <close> = conn
  for piece in c:pieces() do assert(c:send(piece)) end
end

local function serve(listener)
  while true do
    local ok, conn, _, code = pcall(listener.accept, listener)
    if code == "closed" then return end
    if ok and conn and not pcall(net.spawn, pcall, echo, conn) then pcall(conn.close, conn) end
  end
end

local function collect()
  while true do
    net.sleep(0.1)
    collectgarbage()
  end
end

-- --- the clients: an error, or the right bytes ------------------------------------------

local function exchange(c, text)
  assert(c:send(text))
  local answer, err, code = c:read_exact(#text)
  if answer then
    T.unhurt(answer == text, "wrong bytes")
    return
  end
  T.unhurt(code ~= "timeout" or testing.strikes() > 1, "a client waits for ever")
  local n = c:pending()
  T.unhurt(n == 0 or c:peek(n) == text:sub(1, n), "wrong bytes before a failure")
  error(err)
end

local function client(address, number, size)
  local c <close> = assert(net.connect(address))
  c:settimeout(1)
  for round = 1, ROUNDS do
    local text = ("client %d, round %d\n"):format(number, round)
    exchange(c, text .. text:rep(size // #text))
  end
  return true
end

-- Did the task of a client get all that is its?
local function was_right(task)
  while true do
    local ok, completed, right = pcall(task.join, task)
    if ok then return completed and right end
    if task:status() == "failed" then return false end
  end
end

-- --- the tests ---------------------------------------------------------------------------

local function bystanders(size)
  local listener <close> = surely(net.listen, "127.0.0.1:0")
  local address = surely(listener.getsockname, listener)
  for _ = 1, 2 do surely(net.spawn, serve, listener) end
  local collector = surely(net.spawn, collect)
  local tasks, hit = {}, 0
  for i = 1, CLIENTS do
    tasks[i] = surely(net.spawn, pcall, client, address, i, size)
  end
  for _, task in ipairs(tasks) do
    if not was_right(task) then hit = hit + 1 end
  end
  T.unhurt(hit <= testing.strikes(), hit .. " clients were hit")
  T.unhurt(pcall(surely, client, address, CLIENTS + 1, size), "a later client is not served")
  collector:cancel()
end

for _, kind in ipairs { "epoll", "fake" } do
  T.test("whom_a_fault_does_not_hit_is_served_rightly_" .. kind, { net = kind }, function()
    bystanders(40)
  end)

  T.test("whom_a_fault_does_not_hit_gets_large_answers_" .. kind, { net = kind }, function()
    bystanders(100000)
  end)
end
