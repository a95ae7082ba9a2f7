-- What a test has measured: rows of intervals while it runs, sums when it is over. Every
-- flow tells of the same instants, so a row is complete when each has told or has ended.

local M = {}

local Meter = {}
Meter.__index = Meter

-- A rate that is finite whatever the time.
local function rate(bytes, seconds)
  return seconds > 0 and bytes * 8 / seconds or 0
end

M.rate = rate

---The part of the datagrams that was lost.
function M.lost_percent(part)
  local all = part.datagrams + part.lost_datagrams
  return all > 0 and 100.0 * part.lost_datagrams / all or 0
end

-- Counts of a flow that add up over the flows of a direction.
local summed = {
  "bytes", "congestion_window_bytes", "datagrams", "lost_datagrams", "out_of_order_datagrams",
  "retransmits",
}

-- Those of which the mean is told.
local averaged = { "jitter_seconds", "rtt_us" }

-- What the flows of one direction did together in the same time.
local function together(flows)
  local sum = { seconds = 0, streams = flows }
  for _, flow in ipairs(flows) do
    for _, name in ipairs(summed) do
      if flow[name] then sum[name] = (sum[name] or 0) + flow[name] end
    end
    for _, name in ipairs(averaged) do
      if flow[name] then sum[name] = (sum[name] or 0) + flow[name] / #flows end
    end
    sum.seconds = math.max(sum.seconds, flow.seconds)
  end
  sum.bits_per_second = rate(sum.bytes or 0, sum.seconds)
  if sum.lost_datagrams then sum.lost_percent = M.lost_percent(sum) end
  return sum
end

M.together = together

-- The directions of a row or of the sums: which flows belong to each.
local function by_direction(flows)
  local found = {}
  for _, flow in ipairs(flows) do
    local list = found[flow.direction] or {}
    found[flow.direction] = list
    list[#list + 1] = flow
  end
  return found
end

local function complete(self, row)
  for _, flow in ipairs(self.flows) do
    if not flow.ended and (flow.told or 0) < row.number then return false end
  end
  return true
end

-- Rows that are complete go out in their order.
local function give(self)
  local row = self.rows[self.given + 1]
  while row and complete(self, row) do
    self.given = self.given + 1
    self.rows[self.given] = nil -- a server's test may take a day
    for direction, flows in pairs(by_direction(row.flows)) do
      table.sort(flows, function(a, b) return a.id < b.id end)
      row[direction] = together(flows)
    end
    row.flows, row.number = nil, nil
    if self.on_interval then self.on_interval(row) end
    row = self.rows[self.given + 1]
  end
end

local function row_of(self, flow, seconds)
  local number = (flow.told or 0) + 1
  local row = self.rows[number]
  if not row then
    row = { flows = {}, from_seconds = flow.at or 0, number = number, omitted = flow.omitting }
    row.to_seconds = row.from_seconds + seconds
    self.rows[number] = row
  end
  row.to_seconds = math.max(row.to_seconds, row.from_seconds + seconds)
  return row, number
end

---A flow tells what it did in the time since it told last.
function Meter:tell(flow, part)
  local row, number = row_of(self, flow, part.seconds)
  part.id, part.direction = flow.id, flow.direction
  part.bits_per_second = rate(part.bytes, part.seconds)
  row.flows[#row.flows + 1] = part
  flow.told, flow.at = number, (flow.at or 0) + part.seconds
  give(self)
end

---A flow is over and tells no more.
function Meter:finish(flow)
  flow.ended = true
  give(self)
end

---The sums of each direction, by its name: lists of the flows' totals.
function Meter:totals()
  local parts = {}
  for _, flow in ipairs(self.flows) do parts[#parts + 1] = flow:total() end
  local sums = {}
  for direction, flows in pairs(by_direction(parts)) do sums[direction] = together(flows) end
  return sums
end

---Measures those flows; `on_interval(row)` gets each complete row.
function M.new(flows, on_interval)
  return setmetatable({ flows = flows, given = 0, on_interval = on_interval, rows = {} }, Meter)
end

return M
