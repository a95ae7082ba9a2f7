-- The client of a test: it speaks iperf3's protocol, owns the clock, and ends the test.

local control = require "net.throughput.control"
local core = require "net.http.core"
local flow = require "net.throughput.flow"
local meters = require "net.throughput.meter"
local net = require "net"
local plans = require "net.throughput.plan"
local reach = require "net.throughput.reach"
local results = require "net.throughput.results"
local sockets = require "net.throughput.sockets"
local usage = require "net.throughput.usage"

local M = {}

local SETTLE = 2       -- seconds that the kernel may take to deliver the last bytes
local LOOK = 0.002     -- seconds between two looks whether it has
local STALL = 2        -- seconds in which no byte comes that is due: the server has sent its all
local QUIET = 0.2      -- seconds in which the other end's word comes that a test ends early

-- The directions that the plan has, in the order in which iperf3 opens their streams.
local function directions(plan)
  if plan.bidir then return { true, false } end
  return { not plan.reverse }
end

local function close_all(flows)
  for _, one in ipairs(flows) do one.conn:close() end
end

local function open_flows(self)
  local plan, flows = self.plan, self.flows
  for _, sends in ipairs(directions(plan)) do
    for _ = 1, plan.streams do
      local conn, err, code
      if plan.udp then
        conn, err, code = sockets.udp(plan, self.server)
      else
        conn, err, code = sockets.tcp(plan, self.server, self.cookie, sends)
      end
      if not conn then return nil, err, code end
      local direction = sends and "to_server" or "from_server"
      flows[#flows + 1] = flow.new(conn, #flows + 1, sends, direction, plan.udp)
    end
  end
  return true
end

-- How each flow ends. Who sends has a share of the bytes; several who receive count together,
-- since the server need not share evenly (iperf3 does not).
local function ends_of(self)
  local plan, ends = self.plan, {}
  local pot = { left = plan.bytes }
  for i, one in ipairs(self.flows) do
    if not plan.bytes then
      ends[i] = { seconds = plan.seconds }
    elseif one.sends or plan.streams == 1 then
      ends[i] = { bytes = plans.share(plan, i) }
    else
      ends[i] = { pot = pot }
    end
  end
  -- wakes the others, and tells the server nothing
  function pot.empty()
    for i, one in ipairs(self.flows) do
      if ends[i].pot then one.conn:shutdown(net.SHUT_RD) end
    end
  end
  return ends
end

-- Ends the sending of a stream and waits until the peer's kernel has everything, so that
-- what was sent and what was received can agree.
local function settle(one)
  if not one.sends or one.udp or one.stopped then return end
  one.conn:shutdown(net.SHUT_WR)
  local last = net.now() + SETTLE
  repeat
    local info = one.conn:info()
    if not info or info.state ~= "FIN-WAIT-1" then return end
    net.sleep(LOOK)
  until net.now() > last
end

local function run_flow(self, one, ends)
  local ok, err, code = one:run(self.plan, self.meter, ends)
  if ok then return settle(one) end
  net.sleep(QUIET) -- what the server says of it tells more
  if self.failure then return end
  self.failure = { err, code }
  for _, other in ipairs(self.flows) do other:stop() end
end

-- Reads the one state that comes while or after the bytes are moved. Anything else, and the
-- end of the connection, ends the test.
local function watch(self)
  local state, err, code = self.control:hear()
  if state == "exchange_results" and self.ended then return end
  if state then err, code = select(2, core.invalid("test", "the server says " .. state)) end
  self.failure = self.failure or { err, code }
  for _, one in ipairs(self.flows) do one:stop() end
end

-- Ends the test before its time: what has been measured so far counts. A server that sends
-- is told first: it would take a stream that closes for a failure.
local function interrupt(self)
  if self.ended then return end
  self.ended = true
  for _, one in ipairs(self.flows) do
    one:close_books()
    if one.sends then one:stop() end
  end
  self.control:tell("test_end")
  net.sleep(QUIET)
  for _, one in ipairs(self.flows) do one:stop() end
end

-- What has come so far on the flows that receive.
local function come(self)
  local sum = 0
  for _, one in ipairs(self.flows) do
    local info = not one.sends and not one.udp and one.conn:info()
    if not one.sends then sum = sum + (info and info.bytes_received or one.datagrams) end
  end
  return sum
end

-- So many bytes are waited for, and may not come: datagrams get lost, and iperf3 does not
-- omit quite what is omitted here.
local function watch_stall(self)
  local plan, seen, since = self.plan, come(self), net.now()
  local apart = plan.rate and 8 * plan.length / plan.rate or 0 -- seconds between two sends
  local patience = STALL + 2 * apart
  while net.now() - since < patience do
    net.sleep(STALL / 8)
    local now_seen = come(self)
    if now_seen ~= seen then seen, since = now_seen, net.now() end
  end
  for _, one in ipairs(self.flows) do
    if not one.sends then
      one:close_books(since)
      one:stop()
    end
  end
end

local function measure(self)
  self.meter = meters.new(self.flows, self.on_row)
  if self.plan.on_begin then self.plan.on_begin(function() interrupt(self) end) end
  local cpu = usage.begin()
  net.group(function(group)
    local watcher = group:spawn(watch, self)
    local movers, ends = {}, ends_of(self)
    for i, one in ipairs(self.flows) do movers[i] = group:spawn(run_flow, self, one, ends[i]) end
    local stall = self.plan.bytes and group:spawn(watch_stall, self)
    for _, mover in ipairs(movers) do mover:join() end
    if stall then stall:cancel() end
    self.cpu = cpu()
    if self.failure then
      watcher:cancel()
      return
    end
    if not self.ended then
      self.ended = true
      self.control:tell("test_end")
    end
    self.control.conn:settimeout(control.PATIENCE)
  end)
  if not self.failure then return true end
  self.control:tell("client_terminate")
  return nil, table.unpack(self.failure)
end

-- A receiver does not miss the last datagrams, or all of them: what was sent tells. Where
-- some are omitted the two ends omit not quite the same ones, and iperf3 does not count what
-- is on its way at the end: then the receiver's word counts, unless it has none.
local function lost_of(plan, sent, received, waits)
  if plan.omit > 0 or not waits and received.datagrams > 0 then return received.lost_datagrams end
  return math.max(received.lost_datagrams, sent.datagrams - received.datagrams)
end

-- The server's view of the flows: the other end of each.
local function merge(self, remote)
  local sums = self.meter:totals()
  for direction, local_side in pairs(sums) do
    local sends = direction == "to_server"
    local streams = {}
    for i, mine in ipairs(local_side.streams) do
      local theirs = remote.streams[mine.id]
      if not self.plan.udp then
        theirs.datagrams, theirs.lost_datagrams, theirs.jitter_seconds = nil, nil, nil
      end
      if theirs.seconds == 0 then theirs.seconds = mine.seconds end
      if sends or self.plan.udp then theirs.retransmits = nil end
      theirs.bits_per_second = meters.rate(theirs.bytes, theirs.seconds)
      streams[i] = theirs
      if self.plan.udp and sends then -- iperf3 tells of all that it expected
        theirs.datagrams = math.max(0, theirs.datagrams - theirs.lost_datagrams)
        theirs.lost_datagrams = lost_of(self.plan, mine, theirs, remote.waits)
      elseif self.plan.udp then
        theirs.lost_datagrams, theirs.jitter_seconds = nil, nil
      end
    end
    local other = meters.together(streams)
    sums[direction] = { received = sends and other or local_side, sent = sends and local_side or other }
  end
  return sums
end

local function exchange(self)
  local ok, err, code = self.control:send_json(results.of(self.flows, self.plan, self.cpu))
  if not ok then return nil, err, code end
  local told
  told, err, code = self.control:read_json(control.RESULT_BYTES)
  if not told then return nil, err, code end
  local remote
  remote, err, code = results.read(told, self.flows)
  if not remote then return nil, err, code end
  ok, err, code = self.control:expect("display_results")
  if not ok then return nil, err, code end
  self.control:leave()
  return remote
end

-- The steps from the greeting to the running test.
local function begin(self)
  local c = self.control
  for _, step in ipairs {
    function() return c.conn:send(self.cookie) end,
    function() return c:expect("parameters") end,
    function() return c:send_json(plans.to_parameters(self.plan)) end,
    function() return c:expect("create_streams") end,
    function() return open_flows(self) end,
    function() return c:expect("test_start") end,
    function() return c:expect("test_running") end,
  } do
    local ok, err, code = step()
    if not ok then return nil, err, code end
  end
  c.conn:settimeout(nil) -- while the bytes are moved the server says nothing
  return true
end

local function figures_of(self, remote)
  local plan = self.plan
  local figures = merge(self, remote)
  figures.cpu = { client = self.cpu, server = remote.cpu }
  figures.intervals = self.rows
  figures.test = {
    congestion_control = plan.congestion_used,
    length_bytes = (plan.udp or plan.each) and plan.length or nil,
    limit_bits_per_second = plan.rate,
    omitted_seconds = plan.omit,
    protocol = plan.udp and "udp" or "tcp",
    server = tostring(self.server),
    streams = plan.streams,
  }
  return figures
end

---Runs the test of a plan: its figures, or nil, err, code.
function M.run(plan)
  local conn, err, code = reach.connect(plan)
  if not conn then return nil, err, code end
  local link <close> = control.new(conn)
  conn:settimeout(control.PATIENCE)
  local self = {
    control = link, cookie = control.cookie(), flows = {}, plan = plan, rows = {},
    server = conn:getpeername(),
  }
  self.on_row = function(row)
    self.rows[#self.rows + 1] = row
    if plan.on_interval then plan.on_interval(row) end
  end
  local _ <close> = setmetatable({}, { __close = function() close_all(self.flows) end })
  plan.wide_counters = plan.udp
  local ok
  ok, err, code = begin(self)
  if not ok then return nil, err, code end
  local first = self.flows[1].conn
  plan.congestion_used = not plan.udp and first:getsockopt("TCP_CONGESTION") or nil
  ok, err, code = measure(self)
  local remote
  if ok then remote, err, code = exchange(self) end
  if remote then return figures_of(self, remote) end
  err.intervals = self.rows -- what this end has seen of it
  return nil, err, code
end

return M
