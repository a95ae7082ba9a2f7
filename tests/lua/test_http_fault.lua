-- The server over sockets with faults, under many seeds, and scripts that misbehave.

local net = require "net"
local http = require "net.http"
local core = require "net.http.core"
local T = require "harness"
local web = require "web"

local ANY = { "" } -- whatever stands on stderr

-- Reads one answer of a known length or in chunks; nil when the stream failed.
local function read_answer(s)
  local head = s:read_until("\r\n\r\n")
  if not head then return nil end
  local status = head:match("^HTTP/1%.1 (%d+)")
  local length = head:match("Content%-Length: (%d+)")
  if length then return status, s:read_exact(tonumber(length)) end
  local pieces = {}
  repeat
    local size = tonumber(s:read() or "", 16)
    local piece = size and s:read_exact(size + 2)
    if not piece then return nil end
    pieces[#pieces + 1] = piece:sub(1, -3)
  until size == 0
  return status, table.concat(pieces)
end

local function handler(req, res)
  if req.path == "/pieces" then
    for i = 1, tonumber(req.query.n) do
      if not res:write(("%d;"):format(i):rep(i)) then return end
    end
    return
  end
  local body, err = req:body()
  if not body then error(err) end
  res:send(200, req.path .. body)
end

local function chunked(text, size)
  local parts = {}
  for at = 1, #text, size do
    local piece = text:sub(at, at + size - 1)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#piece, piece)
  end
  return table.concat(parts) .. "0\r\n\r\n"
end

-- The exchanges of one client; each gives whether it got what it should.
local function talk(s, i)
  local body = ("%d:"):format(i):rep(i * 50)
  s:send(("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)
    .. "GET /pieces?n=20 HTTP/1.1\r\nHost: x\r\n\r\n"
    .. "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" .. chunked(body, 7 * i))
  local _, first = read_answer(s)
  local _, second = read_answer(s)
  local _, third = read_answer(s)
  local pieces = {}
  for n = 1, 20 do pieces[n] = ("%d;"):format(n):rep(n) end
  return first == "/a" .. body and second == table.concat(pieces) and third == "/b" .. body
end

-- `patience`: seconds that either side waits for the other.
local function scenario(clients, patience)
  local server = http.server("127.0.0.1:0", handler,
    { body_timeout = patience, head_timeout = patience, idle_timeout = patience })
  if not server then return 0 end
  local running = net.spawn(server.run, server)
  local tasks, good = {}, 0
  for i = 1, clients do
    tasks[i] = net.spawn(function()
      local s <close> = server.address and net.connect(server.address)
      return s and talk(s:settimeout(patience), i)
    end)
  end
  for _, task in ipairs(tasks) do
    if task:join() then good = good + 1 end
  end
  server:stop(0.2)
  running:join()
  return good
end

T.test("soft_faults_are_not_noticed", { net = "soft", seeds = 20, stderr = ANY }, function()
  T.eq(scenario(8, 100), 8)
end)

T.test("hard_faults_leave_nothing_behind", { net = "hard", seeds = 20, stderr = ANY }, function()
  pcall(scenario, 8, 0.2)
end)

T.test("finalizers_that_close_the_socket_are_survived", { net = "fake" }, function()
  collectgarbage("setpause", 10)
  collectgarbage("setstepmul", 1000)
  local site <close> = web.serve(function(req, res)
    local s = core.socket_of(res)
    if tonumber(req.query.n) % 7 == 0 then
      for _ = 1, 20 do setmetatable({}, { __gc = function() s:close() end }) end
    end
    for _ = 1, 50 do local _ = { req.headers.host, req.query } end
    res:send(200, ("x"):rep(100))
  end)
  for round = 1, 20 do
    local requests = {}
    for n = 1, 30 do
      requests[n] = ("GET /?n=%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(n + round)
    end
    local s <close> = site:connect()
    s:send(table.concat(requests))
    s:shutdown()
    s:read("a")
  end
end)

-- A head is made a message where it was received, and so is what a finalizer receives.
T.test("finalizers_that_receive_leave_a_head_as_it_came", { net = "fake" }, function()
  collectgarbage("setpause", 10)
  collectgarbage("setstepmul", 1000)
  local a, b = T.pair()
  local ran = 0
  local function arm()
    setmetatable({}, { __gc = function()
      if not b:fileno() then return end
      ran = ran + 1
      a:send(("#"):rep(300))
      b:recv(300)
      arm()
    end })
  end
  local site <close> = web.serve(function(req, res) res:send(200, req.target) end)
  local s <close> = site:connect()
  arm()
  for n = 1, 2000 do
    local target = "/" .. n
    s:send("GET " .. target .. " HTTP/1.1\r\nHost: x\r\n\r\n")
    local _, body = read_answer(s)
    T.eq(body, target)
  end
  T.ok(ran > 100, ran)
  a:close()
  b:close()
end)

T.test("a_task_that_a_handler_left_behind_cannot_touch_the_next_request",
  { net = "fake" }, function()
    local raised = {}
    local site <close> = web.serve(function(req, res)
      if req.path == "/left" then
        net.spawn(function()
          net.sleep(1)
          for name, f in pairs {
            send = function() res:send(200, "late") end,
            write = function() res:write("late") end,
            read = function() req:read() end,
          } do
            raised[#raised + 1] = not pcall(f) and name or nil
          end
        end)
      else
        net.sleep(2)
      end
      res:send(200, req.path)
    end)
    local answers = site:ask("GET /left HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
    T.eq(web.statuses(answers), "200 200")
    T.ok(not answers:find("late"))
    table.sort(raised)
    T.eq(T.list(raised), "read send write")
  end)

T.test("a_handler_may_stop_its_own_server", { net = "fake" }, function()
  local server
  server = T.ok(http.server("127.0.0.1:0", function(_, res)
    net.spawn(server.stop, server)
    res:send(200, "bye")
  end))
  local running = net.spawn(server.run, server)
  local s <close> = T.ok(net.connect(server.address))
  s:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
  T.match(s:read("a"), "\r\n\r\nbye$")
  T.eq(running:join(), true)
end)

T.test("several_tasks_may_write_one_answer", { net = "fake" }, function()
  local site <close> = web.serve(function(_, res)
    local writers = {}
    res:write("")
    for i = 1, 5 do
      writers[i] = net.spawn(function()
        for _ = 1, 5 do
          res:write(tostring(i):rep(20000))
          net.yield()
        end
      end)
    end
    for _, task in ipairs(writers) do task:join() end
  end)
  local s <close> = site:connect()
  s:send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  local _, body = read_answer(s)
  T.eq(#body, 500000)
  T.eq(select(2, body:gsub("1+2+", "")) >= 1, true)
  for run in body:gmatch("(%d)%1*") do T.ok(run) end
end)
