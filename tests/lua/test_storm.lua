-- A storm of tasks: connections that are opened, closed, dropped and cancelled at random
-- while others wait on them, with their numbers taken again at once. Every 16 bytes name
-- their connection, direction and place, so that a byte that reaches a wrong owner is seen,
-- whether it was read ahead, queued or still under way. OPS=1000000 SEED=N replays.

local net = require "net"
local T = require "harness"

local OPS = math.tointeger(os.getenv("OPS")) or 6000
local CONNECTIONS, RECORD, CALM_EVERY, PATIENCE = 24, 16, 2000, 20

-- --- bytes that name their owner ----------------------------------------------------------

local function record(id, direction, place)
  return string.pack("<I4I4I8", id, direction, place)
end

-- What an end sends from place `at` of its stream on: n bytes.
local function stream_of(id, direction, at, n)
  local pieces, first = {}, at // RECORD
  for place = first, (at + n - 1) // RECORD do
    pieces[#pieces + 1] = record(id, direction, place)
  end
  local skip = at - first * RECORD
  return table.concat(pieces):sub(skip + 1, skip + n)
end

-- An end of a connection: the socket, what it has sent and got, the tasks that use it.
local function new_end(c, direction, socket)
  return { c = c, direction = direction, socket = socket, sent = 0, got = 0 }
end

local function other(e)
  return e.c[3 - e.direction]
end

local function check(w, e, bytes)
  local wanted = stream_of(e.c.id, 3 - e.direction, e.got, #bytes)
  if bytes ~= wanted then
    T.eq(bytes, wanted, ("connection %d, place %d"):format(e.c.id, e.got))
  end
  e.got = e.got + #bytes
  w.bytes = w.bytes + #bytes
end

-- --- the tasks ----------------------------------------------------------------------------

-- The ways to read; each gives bytes that are then gone from the stream, or a failure.
local ways = {
  function(w, s) return s:recv(w.random(4000)) end,
  function(w, s) return s:recv(w.random(100)) end,
  function(w, s) return s:read_exact(w.random(64)) end,
  function(w, s) return s:read(w.random(500)) end,
  function(w, s)
    local seen, err, code = s:peek(w.random(100))
    if not seen then return nil, err, code end
    local bytes
    bytes, err, code = s:read_exact(#seen)
    if bytes then T.eq(bytes, seen, "what was peeked") end
    return bytes, err, code -- it may have been closed meanwhile
  end,
}

local function pick_way(w)
  return ways[w.random(#ways)]
end

-- Whether the failure has a reason; false: the reader may go on.
local function is_over(e, err, code)
  if code == "timeout" then return false end
  local gone = other(e).closed or other(e).shut or e.closed
  T.ok(gone, ("connection %d ended for no reason: %s"):format(e.c.id, err))
  if code == "eof" and other(e).shut and not other(e).closed and (err.partial or 0) == 0 then
    T.eq(e.got, other(e).sent, "the bytes before the end")
  end
  return (err.partial or 0) == 0 or code ~= "eof"
end

local function read_all(w, e)
  while true do
    local s = e.socket
    if not s then return end
    if w.random(4) == 1 then s:settimeout(w.random(3) / 1000) else s:settimeout(nil) end
    local way = w.calm and ways[1] or pick_way(w)
    local bytes, err, code = way(w, s)
    if bytes then
      check(w, e, bytes)
      w.reads = w.reads + 1
    elseif is_over(e, err, code) then
      e.ended = true
      return
    end
  end
end

local function start_reader(w, e)
  if e.reader or not e.socket or e.ended then return end
  e.reader = net.spawn(function()
    local _ <close> = setmetatable({}, { __close = function() e.reader = nil end })
    read_all(w, e)
  end)
end

local function forget_when_over(w)
  for i = 1, CONNECTIONS do
    local c = w.connections[i]
    if c and c[1].closed and c[2].closed then w.connections[i] = nil end
  end
end

local function close(w, e)
  if e.closed then return end
  e.closed = true
  if e.socket then e.socket:close() end
  if not other(e).socket then other(e).closed = true end
  forget_when_over(w)
end

-- A send that is cancelled has sent nobody knows how much: its end is closed with it.
local function send_some(w, e)
  local s, n = e.socket, w.random(w.random(10) == 1 and 40000 or 3000)
  if not s or e.writer or e.shut then return end
  e.writer = net.spawn(function()
    local whole = false
    local _ <close> = setmetatable({}, { __close = function()
      e.writer = nil
      if not whole then close(w, e) end
    end })
    local sent, _, code = s:send(stream_of(e.c.id, e.direction, e.sent, n))
    if sent then
      e.sent, whole = e.sent + sent, true
    else
      T.ok(code == "timeout" or e.closed or other(e).closed, code)
    end
  end)
end

-- --- the operations -----------------------------------------------------------------------

local operations = {}

local function accept_all(w)
  while true do
    local s, peer, code = w.listener:accept()
    if not s then
      T.eq(code, "closed")
      return
    end
    local e = w.awaited[tostring(peer)]
    w.awaited[tostring(peer)] = nil
    if e and not e.closed then
      e.socket = s
      start_reader(w, e)
    else
      s:close()
    end
  end
end

local function add(w, c)
  w.last = w.last + 1
  c.id = w.last
  for i = 1, CONNECTIONS do
    if not w.connections[i] then
      w.connections[i] = c
      return
    end
  end
end

local function is_free(w)
  for i = 1, CONNECTIONS do
    if not w.connections[i] then return true end
  end
end

function operations.open_tcp(w)
  if not is_free(w) then return end
  local c = {}
  local s = T.ok(net.socket())
  T.ok(s:bind("127.0.0.1:0"))
  c[1], c[2] = new_end(c, 1, s), new_end(c, 2)
  add(w, c)
  w.awaited[tostring(s:getsockname())] = c[2]
  c[1].connecting = net.spawn(function()
    local ok, err = s:connect(w.address)
    c[1].connecting = nil
    if not ok then return T.ok(c[1].closed, err) end
    start_reader(w, c[1])
  end)
end

function operations.open_pair(w)
  if not is_free(w) then return end
  local c = {}
  local a, b = net.socketpair()
  T.ok(a, b)
  c[1], c[2] = new_end(c, 1, a), new_end(c, 2, b)
  add(w, c)
  start_reader(w, c[1])
  start_reader(w, c[2])
end

local function some_end(w)
  local c = w.connections[w.random(CONNECTIONS)]
  return c and c[w.random(2)]
end

function operations.close(w)
  local e = some_end(w)
  if not e then return end
  close(w, e)
  if w.random(2) == 1 then
    w.reused = w.reused + 1
    operations.open_pair(w) -- the number is taken again at once
  end
end

-- Drops the last reference to a socket that nobody uses: the collector closes it.
function operations.drop(w)
  local e = some_end(w)
  if not e or e.reader or e.writer or e.connecting or e.closed or not e.socket then return end
  e.closed, e.socket = true, nil
  if not other(e).socket then other(e).closed = true end
  forget_when_over(w)
end

function operations.collect(w)
  if w.random(20) == 1 then collectgarbage() else collectgarbage("step") end
end

-- A task that is cancelled before it has begun runs nothing, so it is joined.
local function cancel(e, role)
  local task = e[role]
  if not task then return end
  task:cancel()
  task:join()
  if e[role] == task then e[role] = nil end
end

function operations.cancel_reader(w)
  local e = some_end(w)
  if not e or not e.reader then return end
  cancel(e, "reader")
  if w.random(4) > 1 then start_reader(w, e) end -- it goes on where the other stopped
end

function operations.cancel_writer(w)
  local e = some_end(w)
  if e and w.random(4) == 1 then cancel(e, "writer") end
end

function operations.read(w)
  local e = some_end(w)
  if e and not e.connecting then start_reader(w, e) end
end

function operations.shut(w)
  local e = some_end(w)
  if not e or not e.socket or e.connecting or e.writer or e.closed then return end
  if e.socket:shutdown(net.SHUT_WR) then e.shut = true end
end

function operations.send(w)
  local e = some_end(w)
  if e and not e.connecting and not e.closed then send_some(w, e) end
end

function operations.yield()
  net.yield()
end

-- A datagram names its sender and whom it is for.
function operations.datagram(w)
  local from, to = w.datagrams[w.random(4)], w.datagrams[w.random(4)]
  to.expected = to.expected + 1
  from.socket:sendto(record(from.id, to.id, 7), to.socket:getsockname())
end

local function new_datagrams(w)
  w.last = w.last + 1
  local d = { id = w.last, socket = T.ok(net.udp("127.0.0.1:0")), expected = 0 }
  d.task = net.spawn(function()
    while true do
      local bytes, err, code = d.socket:recvfrom(100)
      if not bytes then
        T.eq(code, "closed", err)
        return
      end
      T.eq(#bytes, RECORD)
      local _, to, word = string.unpack("<I4I4I8", bytes)
      T.eq(to, d.id, "a datagram's owner")
      T.eq(word, 7)
    end
  end)
  return d
end

function operations.new_datagrams(w)
  if w.random(5) > 1 then return end
  local i = w.random(4)
  w.datagrams[i].socket:close()
  w.datagrams[i] = new_datagrams(w)
end

-- How often each comes; in the order of names, so that a seed means the same.
local weights = {
  { "send", 40 }, { "close", 10 }, { "open_tcp", 8 }, { "open_pair", 6 }, { "read", 10 },
  { "cancel_reader", 6 }, { "cancel_writer", 2 }, { "shut", 2 }, { "drop", 4 }, { "collect", 3 },
  { "datagram", 8 }, { "new_datagrams", 2 }, { "yield", 12 },
}

local deck = {}
for _, row in ipairs(weights) do
  for _ = 1, row[2] do deck[#deck + 1] = operations[row[1]] end
end

-- --- the calm: what was sent arrives, what was closed is noticed ---------------------------

local function is_settled(c)
  for i = 1, 2 do
    local e, peer = c[i], c[3 - i]
    if e.connecting or e.writer then return false end
    if not e.closed and not e.socket then return false end
    if not e.closed and not e.ended then
      if peer.closed or peer.shut or e.got < peer.sent then return false end
    end
  end
  return true
end

-- The ends that are not settled, for a failure's message.
local function told(w)
  local lines = {}
  for i = 1, CONNECTIONS do
    local c = w.connections[i]
    for j = 1, c and not is_settled(c) and 2 or 0 do
      local e = c[j]
      lines[#lines + 1] = ("\n%d.%d %s sent %d got %d%s%s%s%s%s%s"):format(c.id, j,
        e.socket or "no socket", e.sent, e.got, e.closed and " closed" or "",
        e.shut and " shut" or "", e.ended and " ended" or "", e.connecting and " connecting" or "",
        e.reader and " reader" or "", e.writer and " writer" or "")
    end
  end
  return table.concat(lines)
end

local function calm(w)
  w.calm = true
  for i = 1, CONNECTIONS do -- some wait for more than will come
    for j = 1, 2 do
      local c = w.connections[i]
      if c then cancel(c[j], "reader") end
    end
  end
  collectgarbage() -- closes what was dropped: its peers wait for the end
  collectgarbage()
  local limit = net.now() + PATIENCE
  local settled
  repeat
    settled = true
    for i = 1, CONNECTIONS do
      local c = w.connections[i]
      if c then
        for j = 1, 2 do
          if not c[j].connecting and not c[j].closed then start_reader(w, c[j]) end
        end
        settled = settled and is_settled(c)
      end
    end
    net.sleep(settled and 0 or 0.0005)
  until settled or net.now() > limit
  if not settled then T.ok(false, "not all that was sent has come:" .. told(w)) end
  w.calm = false
end

-- --- the test -----------------------------------------------------------------------------

local function begin()
  local w = {
    random = T.generator(T.seed), connections = {}, datagrams = {}, awaited = {},
    listener = T.listener(), last = 0, bytes = 0, reads = 0, reused = 0,
  }
  w.address = w.listener:getsockname()
  w.acceptor = net.spawn(accept_all, w)
  for i = 1, 4 do w.datagrams[i] = new_datagrams(w) end
  return w
end

local function finish(w)
  for i = 1, CONNECTIONS do
    local c = w.connections[i]
    if c then
      close(w, c[1])
      close(w, c[2])
    end
  end
  for i = 1, 4 do w.datagrams[i].socket:close() end
  w.listener:close()
end

local function storm()
  local w = begin()
  for i = 1, OPS do
    deck[w.random(#deck)](w)
    if i % CALM_EVERY == 0 then calm(w) end
  end
  finish(w)
  T.ok(w.last > OPS / 100, w.last)
  T.ok(w.bytes > OPS, w.bytes)
  if os.getenv("OPS") then
    print(("%d operations, %d connections, %d numbers reused at once, %d bytes")
      :format(OPS, w.last, w.reused, w.bytes))
  end
end

local seconds = 60 + OPS // 250

T.test("every_byte_reaches_its_owner_whatever_tasks_do", { seconds = seconds }, storm)

T.test("every_byte_reaches_its_owner_over_a_net_with_faults", {
  net = "soft", seconds = seconds, stderr = { "" }, -- accept tells what it lacks
}, storm)

T.test("every_byte_reaches_its_owner_over_the_net_in_memory", {
  net = "fake", seconds = seconds,
}, storm)
