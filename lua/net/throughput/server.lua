-- The server of tests. The first bytes of a connection tell what it is: a cookie that a
-- running test waits for belongs to one of its streams, any other begins a test. So several
-- tests run at once over one port.

local control = require "net.throughput.control"
local core = require "net.http.core"
local flow = require "net.throughput.flow"
local greeter = require "net.throughput.greeter"
local net = require "net"
local places = require "net.throughput.places"
local plans = require "net.throughput.plan"
local refusal = require "net.throughput.refusal"
local results = require "net.throughput.results"
local sockets = require "net.throughput.sockets"
local usage = require "net.throughput.usage"
local meters = require "net.throughput.meter"

local M = {}

local GREETING = 10      -- seconds until the cookie has to be there, at most
local MOST_TESTS = 64    -- at once
local MOST_GREETED = 256 -- connections whose cookie has not come yet
local SETTLE = 2         -- seconds in which the last bytes come of a client that ends its streams
local QUIET = 0.2        -- the same, of one that leaves them open

local function close_all(sockets_of_test)
  for _, sock in ipairs(sockets_of_test) do sock:close() end
end

-- The client says nothing until all its streams are there: a word, its end, or too long a
-- silence ends the waiting, so that a client that has gone takes no other's streams.
local function watch_arrivals(self)
  local state, err, code = self.control:hear()
  if state then
    err, code = select(2, core.invalid("test", ("the client says %s before its streams"):format(state)))
  elseif code == "timeout" then
    err, code = select(2, core.invalid("test", "the client's streams have not come in time"))
  end
  self.failure = { err, code }
  self.arrivals:close()
end

-- The sockets of all streams. Their cookies may come in another order than they connected in.
local function arrivals_of(self, count)
  local found = {}
  net.group(function(group)
    local watcher = group:spawn(watch_arrivals, self)
    while #found < count do
      local arrival = self.arrivals:get()
      if not arrival then return end
      found[#found + 1] = arrival
      self.arrived[#found] = arrival.conn
    end
    watcher:cancel()
  end)
  if self.failure then return nil, table.unpack(self.failure) end
  table.sort(found, function(one, other) return one.number < other.number end)
  return found
end

-- The streams of the plan, in the order in which iperf3's client opens them: first those on
-- which it sends.
local function take_flows(self)
  local plan = self.plan
  local found, err, code = arrivals_of(self, plan.bidir and 2 * plan.streams or plan.streams)
  if not found then return nil, err, code end
  for i, arrival in ipairs(found) do
    local conn, receives = arrival.conn, not plan.reverse
    if plan.bidir then receives = i <= plan.streams end
    local direction = receives and "to_server" or "from_server"
    self.flows[i] = flow.new(conn, i, not receives, direction, plan.udp)
    if not plan.udp then
      local ok
      ok, err, code = sockets.before(conn, plan)
      if ok then ok, err, code = sockets.tune(conn, plan, not receives) end
      if not ok then return nil, err, code end
    end
  end
  return true
end

-- Until the client says that the test is over.
local function hear_end(self)
  local plan = self.plan
  self.control.conn:settimeout((plan.seconds or flow.LONGEST) + plan.omit + self.patience)
  local ok, err, code = self.control:expect("test_end")
  self.control.conn:settimeout(self.patience)
  return ok, err, code
end

-- What is on its way still counts; senders end at once.
local function finish(self, movers)
  for _, one in ipairs(self.flows) do
    one:close_books()
    if one.sends then one:stop() end
  end
  net.deadline(self.plan.ours and not self.plan.udp and SETTLE or QUIET, function()
    for _, mover in ipairs(movers) do mover:join() end
  end)
  for _, one in ipairs(self.flows) do one:stop() end
  for _, mover in ipairs(movers) do mover:join() end
end

-- A stream ends when its client says so. A client that waits for so many bytes gets no more
-- than those; but some may be lost over UDP, and none is sent in vain where some are omitted.
local function ends_of(plan, one, position)
  local exact = plan.bytes and one.sends and not plan.udp and plan.omit == 0
  return exact and { bytes = plans.share(plan, position) } or { seconds = flow.LONGEST }
end

local function run_flow(self, one, position)
  local ok, err, code = one:run(self.plan, self.meter, ends_of(self.plan, one, position))
  if not ok and not self.failure then self.failure = { err, code } end
end

local function measure(self)
  self.meter = meters.new(self.flows, self.options.on_interval)
  local cpu = usage.begin()
  local ok, err, code
  net.group(function(group)
    local movers = {}
    for i, one in ipairs(self.flows) do movers[i] = group:spawn(run_flow, self, one, i) end
    ok, err, code = hear_end(self)
    self.cpu = cpu()
    finish(self, movers)
  end)
  if ok and self.failure then return nil, table.unpack(self.failure) end
  return ok, err, code
end

local function exchange(self)
  local c = self.control
  local ok, err, code = c:tell("exchange_results")
  if not ok then return nil, err, code end
  local told
  told, err, code = c:read_json(control.RESULT_BYTES)
  if not told then return nil, err, code end
  self.remote, err, code = results.read(told, self.flows)
  if not self.remote then return nil, err, code end
  ok, err, code = c:send_json(results.of(self.flows, self.plan, self.cpu))
  if ok then ok, err, code = c:tell("display_results") end
  if not ok then return nil, err, code end
  c:hear() -- done, or the end of the connection
  return true
end

-- What the client wants, and whether it can be had.
local function read_plan(self)
  local c = self.control
  local ok, err, code = c:tell("parameters")
  if not ok then return nil, err, code end
  local told
  told, err, code = c:read_json(control.PARAMETER_BYTES)
  if not told then return nil, err, code end
  self.plan, err, code = plans.from_parameters(told)
  if not self.plan then return nil, err, code end
  if self.plan.udp then return self.greeter:expect(self) end
  return true
end

local function steps(self)
  local c = self.control
  for _, step in ipairs {
    function() return read_plan(self) end,
    function() return c:tell("create_streams") end,
    function() return take_flows(self) end,
    function() return c:tell("test_start") end,
    function() return c:tell("test_running") end,
    function() return measure(self) end,
    function() return exchange(self) end,
  } do
    local ok, err, code = step()
    if not ok then return nil, err, code end
  end
  return true
end

-- One test, from the cookie to its results. `place` is its own.
local function run_test(server, conn, cookie, place)
  local _ <close> = place
  local link <close> = control.new(conn)
  local self = {
    arrivals = net.channel(2 * 128), arrived = {}, control = link, flows = {}, greeter = server.greeter,
    options = server.options, patience = server.patience, peer = conn:getpeername(),
  }
  server.tests[cookie] = self
  local _ <close> = setmetatable({}, { __close = function()
    server.tests[cookie] = nil
    server.greeter:forget(self)
    self.arrivals:close()
    for late in self.arrivals do late.conn:close() end
    close_all(self.arrived)
  end })
  conn:settimeout(self.patience)
  local over = false
  local _ <close> = setmetatable({}, { __close = function() -- the server ends before the test
    if not over then link:tell("server_terminate") end
  end })
  local ok, err, code = steps(self)
  over = true
  if not ok then link:give_up(err) end
  if server.options.on_test then
    server.options.on_test {
      cpu = { client = self.remote and self.remote.cpu, server = self.cpu },
      error = not ok and { code = code, text = refusal.say(err) } or nil,
      peer = self.peer,
      plan = self.plan,
      totals = self.meter and self.meter:totals(),
    }
  end
end

-- The first bytes of a connection, or nil. Silent ones are not kept in any number.
local function read_cookie(server, conn, host)
  local place <close> = server.greeted:take(host)
  if not place then return nil end
  return (net.deadline(math.min(GREETING, server.patience), conn.read_exact, conn, control.COOKIE_BYTES))
end

-- Who is it? A stream of a test that waits for it, or somebody who begins one.
local function greet(server, conn, number)
  local _ <close> = setmetatable({}, { __close = function() if conn then conn:close() end end })
  local peer = conn:getpeername()
  local cookie = peer and read_cookie(server, conn, peer.host)
  if not cookie then return end
  local test = server.tests[cookie]
  local place = not test and control.is_cookie(cookie) and server.running:take(peer.host)
  if test and test.plan and not test.plan.udp then
    if test.arrivals:put { conn = conn, number = number } then conn = nil end
  elseif place then
    local mine = conn
    conn = nil
    run_test(server, mine, cookie, place)
  else
    conn:send(control.DENIED)
  end
end

---Serves tests on the listening socket, which it closes in the end, until it is closed.
---`options`: `on_interval(row)`, `on_test(report)`, `patience` in seconds.
function M.serve(listener, options)
  local _ <close> = listener
  options = options or {}
  local server = {
    accepted = 0, greeted = places.new(MOST_GREETED), greeter = greeter.new(listener),
    options = options, patience = options.patience or control.PATIENCE,
    running = places.new(MOST_TESTS), tests = {},
  }
  local _ <close> = server.greeter
  while true do
    local conn, err, code = listener:accept()
    if not conn then return nil, err, code end
    server.accepted = server.accepted + 1
    net.spawn(greet, server, conn, server.accepted)
  end
end

return M
