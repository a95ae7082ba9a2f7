-- Operations that fail at once, in a loop: the task still steps aside for the others, and
-- can be cancelled.

local net = require "net"
local T = require "harness"

local TRIES = 10000 -- in a row: many times what a task may do before it steps aside

-- Runs `attempt` in a loop beside this task, which must go on, and then cancel the loop.
local function check(attempt)
  local row, turns = 0, 0
  local task = net.spawn(function()
    while row < TRIES do
      row = row + 1
      attempt()
    end
  end)
  while turns < 3 and row < TRIES do
    turns, row = turns + 1, 0
    net.yield()
  end
  T.ok(row < TRIES, "the others stand still")
  row = 0
  task:cancel()
  local joined = table.pack(task:join())
  T.ok(row < TRIES, "the cancelled task goes on")
  T.fails("cancelled", table.unpack(joined, 1, 3))
end

local used = {} -- closed when the test ends

local function use(...)
  for _, s in ipairs { ... } do used[#used + 1] = s end
  return ...
end

-- A close may fail for lack of memory: then the collector closes the others.
local function close_used()
  local list = used
  used = nil
  for _, s in ipairs(list) do s:close() end
end

-- Each prepares an operation that fails with `code`: its function and arguments.
local function test(name, code, prepare)
  T.test(name .. "_in_a_loop_steps_aside_and_can_be_cancelled", function()
    local _ <close> = setmetatable({}, { __close = close_used })
    local call = table.pack(prepare())
    local function attempt() return call[1](table.unpack(call, 2, call.n)) end
    T.fails(code, attempt())
    check(attempt)
  end)
end

local function closed(s)
  s:close()
  return s
end

-- --- closed handles --------------------------------------------------------------------

-- A method and its arguments.
for _, call in ipairs {
  { "accept" }, { "bind", ":0" }, { "connect", "127.0.0.1:9" }, { "fileno" },
  { "getpeername" }, { "getsockname" }, { "getsockopt", "SO_RCVBUF" }, { "info" },
  { "listen" }, { "peek" }, { "read" }, { "read_exact", 1 }, { "read_until", ";" },
  { "recv" }, { "recv", 1, net.MSG_OOB }, { "recvmsg" }, { "send", "x" },
  { "send_some", "x" }, { "sendmsg", "x" }, { "setsockopt", "SO_RCVBUF", 4096 },
  { "shutdown" }, { "write", "x" },
} do
  test(table.concat(call, "_") .. "_of_a_closed_stream", "closed", function()
    local s = closed(T.ok(net.socket()))
    return s[call[1]], s, table.unpack(call, 2)
  end)
end

for _, call in ipairs {
  { "join", "224.0.0.1" }, { "recv" }, { "recvfrom" }, { "recvmsg" }, { "send", "x" },
  { "sendmsg", "x" }, { "sendto", "x", "127.0.0.1:9" },
} do
  test(table.concat(call, "_") .. "_of_a_closed_datagram_socket", "closed", function()
    local s = closed(T.ok(net.udp("127.0.0.1:0")))
    return s[call[1]], s, table.unpack(call, 2)
  end)
end

for _, call in ipairs { { "read" }, { "seek" }, { "size" } } do
  test(call[1] .. "_of_a_closed_file", "closed", function()
    T.need_files()
    local file = closed(T.ok(net.open("/etc", "passwd")))
    return file[call[1]], file
  end)
end

for _, method in ipairs { "get", "put" } do
  test(method .. "_of_a_closed_channel", "closed", function()
    local channel = closed(net.channel())
    return channel[method], channel, 1
  end)
end

-- --- sockets that fail ------------------------------------------------------------------

-- A stream whose peer has gone, which a first send was told.
local function broken_stream()
  local a, b = T.unix_pair()
  b:close()
  while a:send("x") do net.yield() end
  return a
end

-- A stream that has met its end.
local function ended_stream()
  local a, b = T.unix_pair()
  b:close()
  T.fails("eof", a:recv())
  return a
end

local function impatient(s)
  s:settimeout(0)
  return s
end

local function full_stream()
  local a, b = T.unix_pair()
  T.fill(a)
  return a, b
end

test("send_on_a_broken_stream", "EPIPE", function()
  local s = use(broken_stream())
  return s.send, s, "x"
end)

test("send_on_a_full_stream_that_does_not_wait", "EAGAIN", function()
  local s = use(full_stream())
  return s.send, s, "x", net.MSG_DONTWAIT
end)

test("send_on_a_full_stream_whose_timeout_is_0", "timeout", function()
  local s = use(full_stream())
  return s.send, impatient(s), "x"
end)

test("a_read_at_the_end", "eof", function()
  local s = use(ended_stream())
  return s.read, s
end)

test("recv_that_does_not_wait", "EAGAIN", function()
  local s = use(T.unix_pair())
  return s.recv, s, 1, net.MSG_DONTWAIT
end)

test("recvfrom_that_does_not_wait", "EAGAIN", function()
  local s = use(T.ok(net.udp("127.0.0.1:0")))
  return s.recvfrom, s, 1, net.MSG_DONTWAIT
end)

test("recvmsg_that_does_not_wait", "EAGAIN", function()
  local s = use(T.ok(net.udp("127.0.0.1:0")))
  return s.recvmsg, s, 1, nil, net.MSG_DONTWAIT
end)

for _, method in ipairs { "peek", "read", "recv", "recvmsg" } do
  test(method .. "_of_a_stream_whose_timeout_is_0", "timeout", function()
    local s = use(T.unix_pair())
    return s[method], impatient(s)
  end)
end

test("recvfrom_whose_timeout_is_0", "timeout", function()
  local s = use(impatient(T.ok(net.udp("127.0.0.1:0"))))
  return s.recvfrom, s
end)

test("accept_whose_timeout_is_0", "timeout", function()
  local s = use(impatient(T.listener()))
  return s.accept, s
end)

test("accept_of_a_broken_listener", "EINVAL", function()
  local s = use(T.listener())
  T.ok(s:shutdown(net.SHUT_RD))
  return s.accept, s
end)

test("connect_to_a_path_where_nothing_is", "ENOENT", function()
  local s = use(T.ok(net.socket(net.AF_UNIX)))
  return s.connect, s, "unix:/none/at/all"
end)

test("connect_that_is_refused_at_once", "ECONNREFUSED", function()
  local listener = T.listener()
  local address = T.ok(listener:getsockname())
  listener:close()
  local s = use(T.ok(net.socket()))
  return s.connect, s, address
end)

test("bind_to_a_port_that_is_in_use", "EADDRINUSE", function()
  local listener = use(T.listener())
  local s = use(T.ok(net.socket()))
  return s.bind, s, T.ok(listener:getsockname())
end)

test("listen_on_a_port_that_is_in_use", "EADDRINUSE", function()
  local a, b = use(T.ok(net.socket()), T.ok(net.socket()))
  T.ok(a:bind("127.0.0.1:0"))
  T.ok(b:bind(T.ok(a:getsockname())))
  T.ok(a:listen())
  return b.listen, b
end)

test("getpeername_without_a_peer", "ENOTCONN", function()
  local s = use(T.ok(net.socket()))
  return s.getpeername, s
end)

test("setsockopt_that_the_kernel_refuses", "ENOPROTOOPT", function()
  local s = use(T.ok(net.socket()))
  return s.setsockopt, s, { net.SOL_SOCKET, 9999 }, 1
end)

test("getsockopt_that_the_kernel_refuses", "ENOPROTOOPT", function()
  local s = use(T.ok(net.socket()))
  return s.getsockopt, s, { net.SOL_SOCKET, 9999 }
end)

test("shutdown_of_a_socket_that_is_not_connected", "ENOTCONN", function()
  local s = use(T.ok(net.socket()))
  return s.shutdown, s
end)

test("sendto_an_address_that_cannot_be_reached", "EACCES", function()
  local s = use(T.ok(net.udp()))
  return s.sendto, s, "x", "255.255.255.255:9" -- SO_BROADCAST is off
end)

-- --- functions of the module --------------------------------------------------------------

test("fdopen_of_a_closed_descriptor", "EBADF", function() return net.fdopen, 999999 end)

for _, kind in ipairs { "socket", "socketpair", "udp" } do
  test(kind .. "_without_a_descriptor_left", "EMFILE", function()
    use(T.ok(net[kind]())) -- what it needs is loaded
    T.limit_files(1)
    use { close = function() T.limit_files(1024) end } -- tools look around at the end
    return net[kind]
  end)
end

test("net_listen_on_a_port_that_is_in_use", "EADDRINUSE", function()
  local listener = use(T.listener())
  return net.listen, T.ok(listener:getsockname())
end)

test("net_connect_that_is_refused", "ENOENT", function()
  return net.connect, "unix:/none/at/all"
end)

test("open_of_a_file_that_does_not_exist", "ENOENT", function()
  T.need_files()
  return net.open, "/etc", "none/at/all"
end)

test("getaddrinfo_of_a_service_that_does_not_exist", "EAI_SERVICE", function()
  return net.getaddrinfo, "127.0.0.1", "no-such-service"
end)

test("join_of_a_cancelled_task", "cancelled", function()
  local task = T.waiting(net.sleep, 100)
  task:cancel()
  task:join()
  return task.join, task
end)

test("a_deadline_that_has_passed", "timeout", function()
  return net.deadline, 0, net.sleep, 1
end)

-- --- iterators ------------------------------------------------------------------------------

for _, method in ipairs { "lines", "pieces" } do
  T.test(method .. "_of_a_closed_stream_in_a_loop_steps_aside_and_can_be_cancelled", function()
    local s = closed(T.ok(net.socket()))
    T.raises("closed", s[method](s))
    check(function() pcall(s[method](s)) end)
  end)

  T.test(method .. "_at_the_end_in_a_loop_steps_aside_and_can_be_cancelled", function()
    local s <close> = ended_stream()
    T.eq(s[method](s)(), nil)
    check(s[method](s))
  end)
end

-- --- successes that move nothing --------------------------------------------------------

-- Each prepares an operation that succeeds at once.
local function test_success(name, prepare)
  T.test(name .. "_in_a_loop_steps_aside_and_can_be_cancelled", function()
    local _ <close> = setmetatable({}, { __close = close_used })
    local call = table.pack(prepare())
    check(function() T.ok(call[1](table.unpack(call, 2, call.n))) end)
  end)
end

test_success("connect_of_a_datagram_socket", function()
  local s = use(T.ok(net.udp("127.0.0.1:0")))
  return s.connect, s, T.ok(s:getsockname())
end)

test_success("shutdown", function()
  local s = use(T.unix_pair())
  return s.shutdown, s
end)

test_success("listen", function()
  local s = use(T.listener())
  return s.listen, s
end)

test_success("read_exact_of_no_bytes", function()
  local s = use(T.unix_pair())
  return s.read_exact, s, 0
end)

test_success("getaddrinfo_of_a_number", function()
  return net.getaddrinfo, "127.0.0.1", "80"
end)

for _, kind in ipairs { "socket", "udp" } do
  test_success(kind, function()
    return function() return closed(T.ok(net[kind]())) end
  end)
end

test_success("socketpair", function()
  return function()
    local a, b = T.ok(net.socketpair())
    return closed(a) and closed(b)
  end
end)

test_success("open", function()
  T.need_files()
  return function() return closed(T.ok(net.open("/etc", "passwd"))) end
end)

test_success("put_and_get", function()
  local channel = net.channel(1)
  return function() return T.ok(channel:put(1)) and channel:get() end
end)
