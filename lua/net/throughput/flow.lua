-- One stream of a test: a socket, its direction, and what has been counted on it. The bytes
-- are moved by flow_tcp and flow_udp.

local meter = require "net.throughput.meter"
local net = require "net"

local M = {}

M.LONGEST = 86400 -- seconds: a flow that the other end stops

local Flow = {}
Flow.__index = Flow

local movers = { [false] = "net.throughput.flow_tcp", [true] = "net.throughput.flow_udp" }

-- The part of a test that counts begins anew.
local function reset(self)
  self.bytes, self.seconds = 0, 0
  self.omitted_datagrams = self.last_sequence or 0
  self.omitted_lost = (self.omitted_lost or 0) + (self.lost or 0)
  self.datagrams, self.lost, self.out_of_order = 0, 0, 0
  self.retransmits = 0
  self.begun = net.now()
end

---Tells the meter what was moved in the last part of the time.
function Flow:count(bytes, seconds, more)
  self.bytes, self.seconds = self.bytes + bytes, self.seconds + seconds
  self.moved = self.moved + bytes
  local part = more or {}
  part.bytes, part.seconds = bytes, seconds
  if self.meter then self.meter:tell(self, part) end
end

---Moves bytes until the plan's end or a stop: true, or nil, err, code.
function Flow:run(plan, measuring, ends)
  local move = require(movers[plan.udp or false])
  self.meter = measuring
  reset(self)
  if plan.omit > 0 then
    self.omitting = true
    local ok, err, code = move(self, plan, { seconds = plan.omit })
    self.omitting = nil
    reset(self)
    if not ok and not self.stopped then return nil, err, code end
  end
  local ok, err, code = move(self, plan, ends)
  if measuring then measuring:finish(self) end
  if ok or self.stopped then return true end
  return nil, err, code
end

---The test is over, now or since then: what comes later belongs to the time before.
function Flow:close_books(at)
  self.most_seconds = math.max(0, (at or net.now()) - self.begun)
end

-- How long it has moved bytes.
local function seconds_of(self)
  return math.min(self.seconds, self.most_seconds or self.seconds)
end

---Ends it from another task.
function Flow:stop()
  self.stopped = true
  self.conn:close()
end

---What it has done, without what was omitted.
function Flow:total()
  local total = {
    bits_per_second = meter.rate(self.bytes, seconds_of(self)),
    bytes = self.bytes,
    direction = self.direction,
    id = self.id,
    seconds = seconds_of(self),
  }
  if self.udp then
    total.datagrams = self.datagrams
    if not self.sends then
      total.lost_datagrams, total.out_of_order_datagrams = self.lost, self.out_of_order
      total.jitter_seconds = self.jitter or 0
    end
  elseif self.sends then
    total.retransmits = self.retransmits
  end
  return total
end

-- iperf3 numbers its streams 1, 3, 4, 5 …
local function id_of(position)
  return position == 1 and 1 or position + 1
end

---A flow over a connected socket. `position` counts the streams of a test from 1; it
---`sends` or receives; `direction` is "to_server" or "from_server".
function M.new(conn, position, sends, direction, udp)
  local flow = {
    conn = conn, direction = direction, id = id_of(position), moved = 0, sends = sends,
    udp = udp or false,
  }
  reset(flow)
  return setmetatable(flow, Flow)
end

return M
