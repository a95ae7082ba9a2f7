-- What both ends tell each other when a test is over, as iperf3's JSON.

local core = require "net.http.core"

local M = {}

local CLIENT_RECEIVES = -1 -- what iperf3's receivers say of retransmissions

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
  }
end

local function finite(value)
  return type(value) == "number" and value == value and math.abs(value) < 1e300
end

-- One stream's results, checked: a number that is missing or no number is refused. Older
-- versions do not tell what was omitted: then it is what this end has omitted.
local function stream_of(told, flow)
  if type(told) ~= "table" then return nil end
  for _, key in ipairs { "id", "bytes", "jitter", "errors", "packets" } do
    if not finite(told[key]) then return nil end
  end
  local begun, ended = told.start_time, told.end_time
  local omitted = finite(told.omitted_packets) and told.omitted_packets or flow.omitted_datagrams
  local omitted_errors = finite(told.omitted_errors) and told.omitted_errors or 0
  return {
    bytes = math.floor(told.bytes),
    datagrams = math.floor(told.packets - omitted),
    id = math.floor(told.id),
    jitter_seconds = told.jitter,
    lost_datagrams = math.floor(told.errors - omitted_errors),
    retransmits = finite(told.retransmits) and math.floor(told.retransmits) or 0,
    seconds = finite(begun) and finite(ended) and math.max(0, ended - begun) or 0,
  }
end

---The peer's results: its streams by id and its processor time; or nil, err, code.
function M.read(told, flows)
  if type(told.streams) ~= "table" then return core.invalid("test", "the peer's results name no streams") end
  local by_id, streams = {}, {}
  for _, one in ipairs(told.streams) do
    if type(one) == "table" and one.id then by_id[one.id] = one end
  end
  for _, flow in ipairs(flows) do
    local stream = stream_of(by_id[flow.id], flow)
    if not stream then
      return core.invalid("test", ("the peer's results of stream %d are not complete"):format(flow.id))
    end
    streams[flow.id] = stream
  end
  local function percent(key) return finite(told[key]) and told[key] or 0 end
  return {
    congestion = type(told.congestion_used) == "string" and told.congestion_used or nil,
    cpu = {
      system_percent = percent "cpu_util_system",
      total_percent = percent "cpu_util_total",
      user_percent = percent "cpu_util_user",
    },
    streams = streams,
  }
end

return M
