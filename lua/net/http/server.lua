-- A server: its listener, a task for each connection, and how it ends.

local net = require "net"
local callable = require "net.callable"
local runtime = require "net.core"
local core = require "net.http.core"
require "net.http.request"
require "net.http.response"

local M = {}

local exchanges = core.methods.exchanges

local CONNECTIONS = 10000
local REFUSALS = 100 -- connections that may be told at one time that there are too many
local HEARING = 2    -- seconds for which such a one is heard out
local GRACE = 5      -- seconds that running requests have when the server stops

-- --- one connection --------------------------------------------------------------------

-- `why`: the client's own fault, in words.
local function page(status, why)
  return status .. " " .. core.reason(status) .. (why and ": " .. why or "") .. "\n"
end

-- Raises again what has to end the task; a cancel cannot be swallowed.
local function pass_interruption(err)
  if type(err) == "table" and err.code == "cancelled" then net.yield() end
end

-- The status that an error asks for; nil where it asks for none, or for what is no failure.
local function status_of(err)
  local status = type(err) == "table" and rawget(err, "status")
  if math.type(status) == "integer" and status >= 400 and status <= 599 then return status end
  return nil
end

-- What a failed handler means for its client: the status that the error asks for, 500, or
-- an answer that is cut where its head has gone.
local function failed(conn, req, err, trace)
  pass_interruption(err)
  if conn:broken() then return end -- the client has gone: nobody's fault
  local status = status_of(err)
  if not status then
    local what = req and req.method .. " " .. core.escape(req.target) or "a request"
    io.stderr:write("soquete: ", what, ": ", trace, "\n")
  end
  local sent = conn:state()
  if sent == "part" then conn:abandon() end
  if sent == "nothing" then conn:answer(status or 500, page(status or 500)) end
end

-- Ends the exchange: true when another request may follow.
local function settle(conn, req)
  if conn:state() == "nothing" and not conn:broken() then
    net.yield() -- raises in a handler that has swallowed its cancel
    io.stderr:write("soquete: ", req.method, " ", core.escape(req.target),
      ": the handler has sent nothing\n")
    conn:answer(500, page(500))
  end
  conn:finish()
  return conn:drop()
end

-- The answer to what no handler sees; the connection ends behind it. A head that breaks a
-- rule is told which.
local function refuse(server, conn, status, err, hearing)
  conn:answer(status, page(status, err and err.rule and err.text), true)
  if server.log then server.log(server, conn, nil, status) end
  conn:linger(hearing)
end

-- The life of a connection. C reads the requests and calls the handler inside one protected
-- call, which is left for what is not usual: an error, a body that nobody has read, a log.
local function converse(server, conn)
  local handler, log, ready, routes = server.handler, server.log, server.ready, server.routes
  local once = log and not server.logs_itself
  local trace
  local function note(err)
    trace = runtime.traced(tostring(err))
    return err
  end
  while true do
    local ok, handled, err, _, status = xpcall(exchanges, note, conn, handler, ready, once,
      routes)
    if not ok then
      failed(conn, conn:request(), handled, trace)
    elseif not handled then
      if status then refuse(server, conn, status, err) end
      return
    end
    local again = conn:done() or settle(conn, conn:request())
    if log then log(server, conn, conn:request()) end
    if not again then return conn:linger() end
  end
end

-- However a task ends, its connection is closed and it is counted out.
local function counted(server, conn, name, number)
  return setmetatable({}, {
    __close = function()
      conn:close()
      if number then server.tasks[number] = nil end
      server[name] = server[name] - 1
      if server.count == 0 then server.empty:wake() end
    end,
  })
end

local function serve_connection(server, conn, number)
  local _ <close> = counted(server, conn, "count", number)
  converse(server, conn)
end

local function turn_away(server, conn)
  local _ <close> = counted(server, conn, "refusals")
  refuse(server, conn, 503, nil, HEARING)
end

-- --- the server ------------------------------------------------------------------------

local Server = {}
Server.__index = Server
Server.__name = "net.http.server"

local function admit(server, sock, peer)
  local conn = core.connection(sock, server.shared, peer)
  if server.count < server.connections then
    server.count = server.count + 1
    local number = server.last + 1
    server.last = number
    server.tasks[number] = net.spawn(serve_connection, server, conn, number)
  elseif server.refusals < REFUSALS then
    server.refusals = server.refusals + 1
    net.spawn(turn_away, server, conn)
  else
    conn:close()
  end
end

-- Waits until no connection is left.
local function wait_empty(server)
  while server.count > 0 do server.empty:wait("get") end
  server.empty:wake() -- the next who waits
end

-- The oldest first: what `pairs` gives differs from run to run.
local function cancel_all(server)
  local numbers = {}
  for number in pairs(server.tasks) do numbers[#numbers + 1] = number end
  table.sort(numbers)
  for _, number in ipairs(numbers) do server.tasks[number]:cancel() end
end

---Accepts and serves until the server is stopped or its listener breaks.
function Server:run()
  local _ <close> = self
  while true do
    local sock, peer, code = self.listener:accept()
    if sock then
      admit(self, sock, peer)
    elseif self.stopping then
      break
    else
      return nil, peer, code
    end
  end
  wait_empty(self)
  return true
end

---Stops: no connection is accepted any more, idle ones are closed, and running requests
---have `grace` seconds to end before they are cancelled.
function Server:stop(grace)
  if not self.stopping then
    self.stopping = true
    self.listener:close()
    self.shared:stop()
  end
  local _, _, code = net.deadline(grace or self.grace, wait_empty, self)
  if code == "timeout" then
    cancel_all(self)
    wait_empty(self)
  end
  return true
end

---Stops at once: running requests are cancelled.
function Server:close()
  self.stopping = true
  self.listener:close()
  self.shared:stop()
  cancel_all(self)
end

Server.__close = Server.close

---How many connections are open, how many requests have come, how many of them were given
---a ready answer, and how many were refused before a handler saw them.
function Server:counts()
  local open, requests, refused, ready, dropped = self.shared:counts()
  return {
    connections = open,
    dropped = self.dropped + dropped, -- lines that the log could not take
    ready = ready, -- of the requests: those that a ready answer was enough for
    refused = refused,
    requests = requests,
  }
end

local known = {
  body = true, body_timeout = true, connections = true, fields = true, grace = true,
  head = true, head_timeout = true, idle_timeout = true, line = true, log = true,
  rate = true, requests = true, signals = true,
}

local function check_options(options)
  if type(options) ~= "table" then
    runtime.raise("http: the options are a table, not " .. type(options))
  end
  for name in pairs(options) do
    if not known[name] then runtime.raise("http: there is no option '" .. tostring(name) .. "'") end
  end
end

local function check_number(options, name, otherwise)
  local value = options[name]
  if value == nil then return otherwise end
  if type(value) ~= "number" or value ~= value or value < 0 then
    runtime.raise("http: " .. name .. " must be a number, not negative")
  end
  return value
end

local function listen(where)
  if runtime.is_socket(where) then return where end
  if type(where) ~= "string" and not runtime.is_address(where) then
    runtime.raise("http: an address or a listening socket is needed, not " .. type(where))
  end
  return net.listen(where)
end

---A server that does not run yet: `where` is an address or a listening socket.
function M.server(where, handler, options)
  options = options or {}
  check_options(options)
  if not callable(handler) then runtime.raise("http: the handler must be a function") end
  local connections = check_number(options, "connections", CONNECTIONS)
  local grace = check_number(options, "grace", GRACE)
  local shared = core.shared(options)
  local log, logs_itself
  if options.log then log, logs_itself = require("net.http.log").new(shared, options.log) end
  local listener, err, code = listen(where)
  if not listener then return nil, err, code end
  listener:setsockopt("TCP_NODELAY", true) -- what it accepts inherits it
  local meta = getmetatable(handler)
  if type(meta) ~= "table" then meta = {} end
  -- A log of the script's has to see each request itself: there are no ready answers then.
  local ready = (logs_itself or not log) and meta.ready or nil
  if ready then shared:keep_ready() end
  return setmetatable({
    address = listener:getsockname(),
    connections = connections,
    count = 0,
    dropped = 0,
    empty = runtime.condition(),
    grace = grace,
    handler = handler,
    last = 0, -- connections so far
    listener = listener,
    log = log,
    logs_itself = logs_itself, -- what is answered inside `exchanges`
    ready = ready,
    refusals = 0,
    routes = meta.fixed_routes and meta.fixed_routes(handler),
    shared = shared,
    tasks = {}, -- by the connection's number
  }, Server)
end

local signals = { "SIGINT", "SIGTERM" }

-- The first signal stops the server; a second one has its own meaning again. A log whose
-- reader has gone is no reason to end, as it is for a filter.
local function take_signals(server)
  net.on_signal("SIGPIPE", function() end)
  for _, name in ipairs(signals) do
    net.on_signal(name, function()
      for _, each in ipairs(signals) do net.on_signal(each, nil) end
      server:stop()
    end)
  end
end

local signals_back = setmetatable({}, {
  __close = function()
    net.on_signal("SIGPIPE", nil)
    for _, each in ipairs(signals) do net.on_signal(each, nil) end
  end,
})

---Serves until a signal stops it, SIGINT or SIGTERM: true; or nil, err, code.
function M.serve(where, handler, options)
  local server, err, code = M.server(where, handler, options)
  if not server then return nil, err, code end
  if options and options.signals == false then return server:run() end
  local _ <close> = signals_back
  take_signals(server)
  return server:run()
end

return M
