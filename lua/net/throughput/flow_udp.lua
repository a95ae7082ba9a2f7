-- The datagrams of a UDP stream. Each begins with the time it was sent and its number, so
-- that the receiver sees what was lost and what came late; jitter is RFC 3550's, section
-- 6.4.1. The layout is iperf3's.

local net = require "net"

local MOST_NUMBER = 1 << 53 -- of a datagram: more than any test sends
local BURST = 32 -- datagrams that may go at once where the pace has fallen behind

-- What a datagram may meet without being the end: nobody listens yet, no room for it.
local passing = { ECONNREFUSED = true, ENOBUFS = true }

-- iperf3 writes a number of 32 bits unless both ends know 64.
local layouts = { [false] = ">I4I4I4", [true] = ">I4I4I8" }

local function header(layout, number)
  local now = net.now()
  local seconds = math.floor(now)
  return layout:pack(seconds & 0xffffffff, math.floor((now - seconds) * 1e6), number)
end

-- Ticks at the same instants as every other flow, and the last part.
local function ticker(flow, plan, begun)
  local self = { at = begun, bytes = 0, datagrams = 0, lost = 0, next = begun + plan.interval,
    out_of_order = 0 }
  function self.tell(now)
    local more = { datagrams = flow.datagrams - self.datagrams }
    if not flow.sends then
      more.jitter_seconds = flow.jitter or 0
      -- one that was missed in an earlier part and came late makes no loss below zero
      more.lost_datagrams = math.max(0, flow.lost - self.lost)
      more.out_of_order_datagrams = flow.out_of_order - self.out_of_order
    end
    local bytes = self.bytes
    self.bytes, self.datagrams, self.lost = 0, flow.datagrams, flow.lost
    self.out_of_order = flow.out_of_order
    flow:count(bytes, now - self.at, more)
    self.at = now
  end
  function self.look(now)
    while now >= self.next do
      self.tell(math.min(now, self.next))
      self.next = self.next + plan.interval
    end
  end
  function self.finish(now)
    self.look(now)
    if self.bytes > 0 or now - self.at > plan.interval / 10 then self.tell(now) end
  end
  return self
end

-- How many datagrams are due, and when the next one is.
local function due(plan, begun, sent, now)
  if not plan.rate then return BURST end
  local per_second = plan.rate / 8 / plan.length
  local count = math.floor((now - begun) * per_second) + 1 - sent
  if count > 0 then return math.min(count, BURST) end
  return 0, begun + sent / per_second
end

-- Sends the next `count` datagrams: how many went, or nil, err, code.
local function send_burst(flow, layout, rest, count)
  local burst, number = {}, flow.last_sequence or 0
  for i = 1, count do burst[i] = header(layout, number + i) .. rest end
  local sent, err, code = flow.conn:send_many(burst)
  if not sent and not passing[code] then return nil, err, code end
  sent = sent or err.sent
  flow.last_sequence = number + sent
  return sent
end

local function send(flow, plan, ends)
  local layout = layouts[plan.wide_counters or false]
  local rest = ("\0"):rep(plan.length - layout:packsize())
  local begun = net.now()
  local ticks, last = ticker(flow, plan, begun), begun + (ends.seconds or math.huge)
  local sent, now = 0, begun
  local most = ends.bytes and math.ceil(ends.bytes / plan.length) or math.maxinteger
  while now < last and sent < most do
    local count, later = due(plan, begun, sent, now)
    if count == 0 then
      net.sleep(math.min(later, last, ticks.next) - now)
    else
      local n, err, code = send_burst(flow, layout, rest, math.min(count, most - sent))
      if not n then
        ticks.finish(net.now())
        return nil, err, code
      end
      sent, flow.datagrams = sent + n, flow.datagrams + n
      ticks.bytes = ticks.bytes + n * plan.length
    end
    now = net.now()
    ticks.look(now)
  end
  ticks.finish(now)
  return true
end

-- A gap is counted as lost until what is missing comes late after all. False: this is no
-- datagram of the test.
local function note(flow, layout, data, now)
  if #data < layout:packsize() then return false end
  local seconds, micros, number = layout:unpack(data)
  if number < 1 or number > MOST_NUMBER then return false end
  local expected = (flow.last_sequence or 0) + 1
  if number >= expected then
    flow.lost = flow.lost + number - expected
    flow.last_sequence = number
  else
    flow.out_of_order = flow.out_of_order + 1
    flow.lost = math.max(0, flow.lost - 1)
  end
  local transit = now - (seconds + micros / 1e6)
  local change = math.abs(transit - (flow.transit or transit))
  flow.transit = transit
  flow.jitter = (flow.jitter or 0) + (change - (flow.jitter or 0)) / 16
  return true
end

local function receive(flow, plan, ends)
  local layout = layouts[plan.wide_counters or false]
  local begun = net.now()
  local ticks, last = ticker(flow, plan, begun), begun + (ends.seconds or math.huge)
  local now, pot = begun, ends.pot or { left = ends.bytes or math.huge }
  while now < last and pot.left > 0 do
    flow.conn:settimeout(math.max(0, math.min(last, ticks.next) - now))
    local datagrams, err, code = flow.conn:recv_many()
    now = net.now()
    if not datagrams and code ~= "timeout" and code ~= "ECONNREFUSED" then
      ticks.finish(now)
      return nil, err, code
    end
    for _, data in ipairs(datagrams or {}) do
      if note(flow, layout, data, now) then
        pot.left, flow.datagrams = pot.left - #data, flow.datagrams + 1
        ticks.bytes = ticks.bytes + #data
      end
    end
    ticks.look(now)
  end
  ticks.finish(now)
  if pot.left <= 0 and pot.empty then pot.empty() end
  return true
end

---Moves datagrams until `ends` or a failure. `ends` has `seconds`, or `bytes`, or of those who
---receive the `pot` of flow_tcp.
return function(flow, plan, ends)
  return (flow.sends and send or receive)(flow, plan, ends)
end
