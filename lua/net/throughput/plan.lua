-- What a test is to do: checked options, and the same as the parameters of iperf3's protocol.

local control = require "net.throughput.control"
local core = require "net.http.core"
local refusal = require "net.throughput.refusal"

local M = {}

local VERSION = "soquete"
local MOST_STREAMS = 128
local TCP_BYTES = 128 * 1024     -- of one send, unless told
local UDP_BYTES = 1460           -- of a datagram, unless told: fits the usual MTU of 1500
local UDP_LEAST, UDP_MOST = 16, 65507
local UDP_RATE = 1000000         -- bits per second, unless told
local LONGEST = 86400            -- seconds

-- The least and the most of each number; what is not here is a text or a flag.
local bounds = {
  bytes = { 1, 1 << 60 },
  interval = { 0.1, 3600 },
  length = { 1, 1 << 20 },
  mss = { 88, 32767 },
  omit = { 0, 60 },
  port = { 1, 65535 },
  rate = { 1, 10000000000000 },
  seconds = { 0.1, LONGEST },
  streams = { 1, MOST_STREAMS },
  window = { 1, 1 << 30 },
}

local whole = { bytes = true, length = true, mss = true, port = true, streams = true, window = true }

local kinds = {
  bidir = "boolean", bind = "string", congestion = "string", copy = "boolean", family = "string",
  host = "string", nodelay = "boolean", on_begin = "function", on_interval = "function",
  reverse = "boolean", udp = "boolean",
}

local function check_number(name, value)
  local least, most = bounds[name][1], bounds[name][2]
  if name == "rate" and value == 0 then return nil end -- no limit, as iperf3 has it
  if type(value) ~= "number" or value ~= value or value < least or value > most then
    return ("%s: %s is not a number from %s to %s"):format(name, value, least, most)
  end
  if whole[name] and not math.tointeger(value) then
    return ("%s: %s is no whole number"):format(name, value)
  end
end

-- The kernel's names are short (TCP_CA_NAME_MAX, linux/tcp.h), and a peer may send any text.
local function is_congestion(name)
  return #name < 16 and name:find("^[%w_-]+$") ~= nil
end

-- What is wrong with an option, or nil.
local function fault(name, value)
  if bounds[name] then return check_number(name, value) end
  local kind = kinds[name]
  if not kind then return ("there is no option '%s'"):format(name) end
  if type(value) ~= kind then return ("%s: a %s is needed, not a %s"):format(name, kind, type(value)) end
  if name == "congestion" and not is_congestion(value) then
    return "congestion: the name of a congestion control has up to 15 letters"
  end
end

-- Options are called by their names, where nothing else is told.
local by_name = setmetatable({}, { __index = function(_, name) return name end })

-- What does not go together. `called[name]` is how the user writes an option.
local function contradiction(plan, called)
  local function both(one, other)
    if not (plan[one] and plan[other]) then return nil end
    return ("%s and %s exclude each other"):format(called[one], called[other])
  end
  if plan.udp and plan.length and (plan.length < UDP_LEAST or plan.length > UDP_MOST) then
    return ("%s: a datagram of this test has %d to %d bytes"):format(called.length, UDP_LEAST, UDP_MOST)
  end
  for _, name in ipairs { "congestion", "mss", "nodelay" } do
    if plan.udp and plan[name] then return called[name] .. " is of TCP only" end
  end
  return both("reverse", "bidir") or both("seconds", "bytes")
end

-- What is not told.
local function complete(plan)
  plan.port = plan.port or control.PORT
  plan.streams = plan.streams or 1
  plan.omit = plan.omit or 0
  plan.interval = plan.interval or 1
  plan.length = plan.length or (plan.udp and UDP_BYTES or TCP_BYTES)
  if plan.udp and not plan.rate then plan.rate = UDP_RATE end
  if plan.rate == 0 then plan.rate = nil end
  if not plan.bytes then plan.seconds = plan.seconds or 10 end
  return plan
end

---The plan that options ask for, or nil and what is wrong with them. `spelling[name]`: how
---the user writes an option, where it is not by its name.
function M.new(options, spelling)
  local called = spelling or by_name
  local plan = {}
  local names = {}
  for name in pairs(options) do names[#names + 1] = name end
  table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
  for _, name in ipairs(names) do -- in this order: of two faults always the same is told
    local reason = fault(name, options[name])
    if reason then return nil, (reason:gsub("^%l+:", called[name] .. ":")) end
    plan[name] = options[name]
  end
  if not plan.host or plan.host == "" then return nil, called.host .. ": which server?" end
  local reason = contradiction(plan, called)
  if reason then return nil, reason end
  plan.each = plan.length ~= nil and not plan.udp
  plan.ours = true
  return complete(plan)
end

-- So many units, and one of the rest, for the nth of the streams.
local function part(units, streams, nth)
  return units // streams + (nth <= units % streams and 1 or 0)
end

---The part of `bytes` that one of the streams of a direction moves: for an iperf3, which may
---wait for them, in whole blocks.
function M.share(plan, position)
  local nth = (position - 1) % plan.streams + 1
  if plan.ours then return part(plan.bytes, plan.streams, nth) end
  return plan.length * part((plan.bytes - 1) // plan.length + 1, plan.streams, nth)
end

---The parameters of iperf3's protocol.
function M.to_parameters(plan)
  return {
    MSS = plan.mss,
    bandwidth = math.floor(plan.rate or 0),
    bidirectional = plan.bidir or nil,
    blockcount = 0,
    client_version = VERSION,
    congestion = plan.congestion,
    len = plan.length,
    nodelay = plan.nodelay or nil,
    num = plan.bytes or 0,
    omit = plan.omit, -- iperf3 takes the whole seconds of it
    pacing_timer = 1000,
    parallel = plan.streams,
    reverse = plan.reverse or nil,
    skip_rx_copy = not plan.udp and (plan.copy and 0 or 1) or nil, -- iperf3 miscounts it over UDP
    tcp = not plan.udp or nil,
    time = plan.bytes and 0 or math.ceil(plan.seconds),
    udp = plan.udp or nil,
    udp_counters_64bit = plan.udp and 1 or nil,
    window = plan.window,
  }
end

-- A number that a peer has sent, as `bounds` wants it; iperf3's own value for "not told" is 0.
local function number(parameters, key, name)
  local value = parameters[key]
  if type(value) ~= "number" or value == 0 then return nil end
  if whole[name] then value = math.tointeger(value) or value end
  return value, check_number(name, value)
end

-- iperf3 counts -n in blocks with -k.
local function bytes_of(parameters, length)
  local blocks = parameters.blockcount
  if type(blocks) ~= "number" or blocks < 1 then return number(parameters, "num", "bytes") end
  return number({ bytes = math.floor(blocks) * length }, "bytes", "bytes")
end

local function refuse(option, reason)
  return refusal.of(option, select(2, core.invalid("test", reason)))
end

---The plan that a client's parameters ask for, or nil, err, code.
function M.from_parameters(parameters)
  local plan = {
    bidir = parameters.bidirectional == true,
    congestion = type(parameters.congestion) == "string" and parameters.congestion or nil,
    copy = parameters.skip_rx_copy == 0,
    nodelay = parameters.nodelay == true,
    ours = parameters.client_version == VERSION,
    reverse = parameters.reverse == true,
    udp = parameters.udp == true,
    wide_counters = parameters.udp_counters_64bit ~= nil and parameters.udp_counters_64bit ~= false,
  }
  if plan.congestion and not is_congestion(plan.congestion) then
    return refuse("congestion", "congestion: this is no name of a congestion control")
  end
  if parameters.sctp then return refuse("sctp", "SCTP is not supported") end
  local keys = {
    { "MSS", "mss" }, { "fqrate", "rate" }, { "bandwidth", "rate" }, { "len", "length" },
    { "omit", "omit" }, { "parallel", "streams" }, { "time", "seconds" }, { "window", "window" },
  }
  for _, pair in ipairs(keys) do
    local value, reason = number(parameters, pair[1], pair[2])
    if reason then return refuse(pair[2], reason) end
    plan[pair[2]] = value or plan[pair[2]]
  end
  local bytes, reason = bytes_of(parameters, plan.length or TCP_BYTES)
  if reason then return refuse("bytes", reason) end
  plan.bytes, reason = bytes, contradiction({ length = plan.length, udp = plan.udp }, by_name)
  if reason then return refuse("length", reason) end
  if plan.bytes then plan.seconds = nil end
  if not plan.seconds and not plan.bytes then plan.seconds = LONGEST end -- until the client ends it
  local rate = plan.rate
  complete(plan)
  plan.rate = rate -- 0 means without a limit here, for UDP too
  return plan
end

return M
