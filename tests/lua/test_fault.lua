-- Scenarios over sockets with faults, under many seeds. With soft faults nothing may be
-- noticed; with hard ones the process lives, and nothing is left over.

local net = require "net"
local T = require "harness"

local ANY = { "" } -- whatever stands on stderr

local function text_of(i, n)
  return (("%d:%d;"):format(i, n)):rep(n)
end

-- Clients of an echo server; each sends lines and pieces and reads all of it back.
local function echo(clients, check)
  local server = net.listen("127.0.0.1:0")
  if not server then return 0 end
  local address = server:getsockname() or server:getsockname() or server:getsockname()
  net.spawn(function()
    while true do
      local conn = server:accept()
      if not conn then return end
      net.spawn(function()
        local c <close> = conn
        local greeting = c:read()
        if not greeting then return end
        c:send(greeting .. "\r\n")
        while true do
          local piece = c:recv(1000)
          if not piece then break end
          if not c:send({ piece:sub(1, 10), piece:sub(11) }) then break end
        end
      end)
    end
  end)
  local tasks, whole = {}, 0
  for i = 1, address and clients or 0 do
    tasks[i] = net.spawn(function()
      local s = net.connect(address)
      if not s then return false end
      local c <close> = s
      local text = text_of(i, 400)
      local sender = net.spawn(function()
        c:send("hello " .. i .. "\n")
        c:send(text)
        c:shutdown()
      end)
      local line = c:read()
      local rest = c:read("a")
      sender:join()
      if line == "hello " .. i and rest == text then return true end
      T.ok(not check, "bytes were lost or changed")
      return false
    end)
  end
  for _, task in ipairs(tasks) do
    if task:join() then whole = whole + 1 end
  end
  server:close()
  return whole
end

T.test("echo_is_whole_whatever_soft_faults_come", {
  net = "soft", seeds = 100, stderr = ANY,
}, function()
  T.eq(echo(5, true), 5)
end)

T.test("echo_survives_hard_faults", { net = "hard", seeds = 200, stderr = ANY }, function()
  echo(5, false)
end)

T.test("reads_of_every_kind_are_whole_whatever_soft_faults_come", {
  net = "soft", seeds = 60, stderr = ANY,
}, function()
  local a, b = T.pair()
  local body = ("0123456789"):rep(3000)
  local sender = net.spawn(function()
    for i = 1, 20 do a:send(("line %d\r\n"):format(i)) end
    a:send("head--" .. #body .. "--")
    a:send(body)
    a:shutdown()
  end)
  for i = 1, 20 do T.eq(b:read("l"), "line " .. i) end
  T.eq(b:peek(1), "h")
  T.eq(b:read_until("--"), "head")
  T.eq(b:read_until("--"), tostring(#body))
  T.ok(b:read_exact(#body - 5) == body:sub(1, -6))
  T.eq(b:read(100), body:sub(-5))
  T.fails("eof", b:read(1))
  sender:join()
end)

T.test("two_senders_stay_whole_whatever_soft_faults_come", {
  net = "soft", seeds = 60, stderr = ANY,
}, function()
  local a, b = T.pair()
  local tasks = {}
  for i = 1, 3 do
    tasks[i] = net.spawn(function()
      for j = 1, 20 do a:send(("%d %02d %s\n"):format(i, j, ("x"):rep(i * 300))) end
    end)
  end
  net.spawn(function()
    for i = 1, 3 do tasks[i]:join() end
    a:shutdown()
  end)
  local count, last = 0, { 0, 0, 0 }
  for line in b:lines() do
    local i, j, x = line:match("^(%d) (%d%d) (x+)$")
    T.ok(i, line)
    T.eq(#x, i * 300)
    T.eq(tonumber(j), last[tonumber(i)] + 1)
    last[tonumber(i)] = tonumber(j)
    count = count + 1
  end
  T.eq(count, 60)
end)

T.test("datagrams_are_whole_whatever_soft_faults_come", {
  net = "soft", seeds = 40, stderr = ANY,
}, function()
  local a, b = T.datagrams()
  local receivers, got = {}, {}
  for i = 1, 3 do
    receivers[i] = net.spawn(function()
      for _ = 1, 10 do
        local data = T.ok(b:recvfrom())
        got[#got + 1] = data
      end
    end)
  end
  for i = 1, 30 do T.eq(a:sendto(("datagram %02d"):format(i), b:getsockname()), 11) end
  for i = 1, 3 do receivers[i]:join() end
  table.sort(got)
  for i = 1, 30 do T.eq(got[i], ("datagram %02d"):format(i)) end
end)

T.test("timeouts_under_soft_faults_lose_nothing", {
  net = "soft", seeds = 40, stderr = ANY,
}, function()
  local a, b = T.pair()
  local text = text_of(1, 500)
  local sender = net.spawn(function()
    for i = 1, #text, 100 do
      a:send(text:sub(i, i + 99))
      if i % 7 == 0 then net.yield() end
    end
    a:shutdown()
  end)
  b:settimeout(0)
  local parts = {}
  while true do
    local piece, _, code = b:read_exact(50)
    if piece then
      parts[#parts + 1] = piece
    elseif code == "eof" then
      break
    else
      T.eq(code, "timeout")
      net.yield()
    end
  end
  parts[#parts + 1] = b:read("a")
  T.ok(table.concat(parts) == text)
  sender:join()
end)

T.test("cancels_at_any_moment_leave_nothing_over", {
  net = "soft", seeds = 60, stderr = ANY,
}, function()
  local l = T.listener()
  local tasks = {}
  local function server()
    while true do
      local conn = l:accept()
      if not conn then return end
      tasks[#tasks + 1] = net.spawn(function()
        local c <close> = conn
        for piece in c:pieces() do c:send(piece) end
      end)
    end
  end
  tasks[1] = net.spawn(server)
  for i = 1, 8 do
    tasks[#tasks + 1] = net.spawn(function()
      local c <close> = T.ok(net.connect(l:getsockname()))
      for _ = 1, 1000 do
        c:send(("x"):rep(i * 100))
        c:read_exact(i * 100)
      end
    end)
  end
  T.turns(T.seed % 40)
  for _, task in ipairs(tasks) do task:cancel() end
  for _, task in ipairs(tasks) do pcall(task.join, task) end -- a reset is no wonder
  l:close()
end)

T.test("hard_faults_of_every_operation_are_values_and_never_crashes", {
  net = "hard", seeds = 150, stderr = ANY,
}, function()
  for _ = 1, 10 do
    local s = net.socket()
    if s then
      s:bind("127.0.0.1:0")
      pcall(s.listen, s)
      s:getsockname()
      s:close()
    end
    local u, v = net.udp("127.0.0.1:0"), net.udp("127.0.0.1:0")
    local to = v and v:getsockname()
    if u and to then
      u:settimeout(0.001)
      v:settimeout(0.001)
      if u:sendto("x", to) then v:recvfrom() end
      u:connect(to)
      u:send("y")
      v:recv()
    end
    net.gethostbyname("localhost")
    net.getaddrinfo("127.0.0.1", 80)
  end
end)
