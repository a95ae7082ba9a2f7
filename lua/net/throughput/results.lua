-- What both ends tell each other when a test is over, as iperf3's JSON.

local core = require "net.http.core"

local M = {}

local CLIENT_RECEIVES = -1 -- what iperf3's receivers say of retransmissions
local MOST = 1 << 53       -- of a count: up to here JSON's numbers are whole
local MOST_PERCENT = 1e6   -- ten thousand cores
local SHORTEST = 1e-6      -- seconds of a test that give a rate
local LONGEST = 1e10       -- seconds, also since an epoch

---Our results of these flows.
function M.of(flows, plan, cpu)
  local streams, sends = {}, false
  for i, flow in ipairs(flows) do
    sends = sends or flow.sends
    streams[i] = {
      bytes = flow.bytes,
      end_time = flow:total().seconds,
      errors = flow.omitted_lost + flow.lost,
      id = flow.id,
      jitter = flow.jitter or 0,
      omitted_errors = flow.omitted_lost,
      omitted_packets = flow.omitted_datagrams,
      packets = flow.last_sequence or 0,
      retransmits = flow.sends and not plan.udp and flow.retransmits or CLIENT_RECEIVES,
      start_time = 0,
    }
  end
  return {
    congestion_used = plan.congestion_used,
    cpu_util_system = cpu.system_percent,
    cpu_util_total = cpu.total_percent,
    cpu_util_user = cpu.user_percent,
    sender_has_retransmits = sends and (plan.udp and 0 or 1) or CLIENT_RECEIVES,
    streams = streams,
    waits_for_the_last = true, -- not iperf3's: what was on its way at the end has been counted
  }
end

-- A peer's number from 0 to `most`, or nil: what is told to the user stays finite, and sums
-- of it stay exact.
local function sane(value, most)
  if type(value) == "number" and value >= 0 and value <= most then return value end
end

local function count(value)
  local known = sane(value, MOST)
  return known and math.floor(known)
end

-- What is left of a count without the omitted part; datagrams that come late can make that
-- part the larger one.
local function without(value, omitted)
  return math.max(0, value - omitted)
end

-- How long the peer has measured; 0 where it does not tell, or tells nonsense.
local function seconds_of(told)
  local begun, ended = sane(told.start_time, LONGEST), sane(told.end_time, LONGEST)
  local seconds = begun and ended and ended - begun or 0
  return seconds >= SHORTEST and seconds or 0
end

-- One stream's results, checked: a number that is missing or makes no sense is refused. Older
-- versions do not tell what was omitted: then it is what this end has omitted.
local function stream_of(told, flow)
  if type(told) ~= "table" then return nil end
  local bytes, packets, errors = count(told.bytes), count(told.packets), count(told.errors)
  local jitter = sane(told.jitter, LONGEST)
  if not (bytes and packets and errors and jitter) then return nil end
  return {
    bytes = bytes,
    datagrams = without(packets, count(told.omitted_packets) or flow.omitted_datagrams),
    id = flow.id,
    jitter_seconds = jitter,
    lost_datagrams = without(errors, count(told.omitted_errors) or 0),
    retransmits = count(told.retransmits) or 0,
    seconds = seconds_of(told),
  }
end

---The peer's results: its streams by id and its processor time; or nil, err, code.
function M.read(told, flows)
  if type(told.streams) ~= "table" then return core.invalid("test", "the peer's results name no streams") end
  local by_id, streams = {}, {}
  for _, one in ipairs(told.streams) do
    local id = type(one) == "table" and count(one.id)
    if id then by_id[id] = one end
  end
  for _, flow in ipairs(flows) do
    local stream = stream_of(by_id[flow.id], flow)
    if not stream then
      return core.invalid("test", ("the peer's results of stream %d are not complete"):format(flow.id))
    end
    streams[flow.id] = stream
  end
  local function percent(key) return sane(told[key], MOST_PERCENT) or 0 end
  return {
    congestion = type(told.congestion_used) == "string" and told.congestion_used or nil,
    cpu = {
      system_percent = percent "cpu_util_system",
      total_percent = percent "cpu_util_total",
      user_percent = percent "cpu_util_user",
    },
    streams = streams,
    waits = told.waits_for_the_last == true,
  }
end

return M
