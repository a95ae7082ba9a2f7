-- Unix sockets: streams, datagrams, paths and abstract names.

local net = require "net"
local T = require "harness"

local function path()
  local name = os.tmpname()
  os.remove(name)
  return name
end

T.test("a_unix_stream_has_a_path", function()
  local p = path()
  local l <close> = T.ok(net.listen("unix:" .. p))
  local a <close> = T.ok(net.connect("unix:" .. p))
  local b, peer = l:accept()
  T.eq(tostring(peer), "unix:")
  T.eq(tostring(a:getpeername()), "unix:" .. p)
  T.eq(a:getpeername().path, p)
  T.eq(a:getpeername().port, nil)
  a:send("hello\n")
  T.eq(b:read(), "hello")
  b:send("back")
  b:shutdown()
  T.eq(a:read("a"), "back")
  T.ok(os.remove(p))
end)

T.test("an_unnamed_peer_is_told_in_words", function()
  local a, b = net.socketpair()
  T.eq(tostring(a), "socket (unix, unnamed → unnamed)")
  b:close()
  local err = T.fails("eof", a:recv())
  T.match(tostring(err), "^recv unnamed Unix peer: ")
  a:close()
  local p = path()
  local l <close> = T.ok(net.listen("unix:" .. p))
  T.ok(net.connect("unix:" .. p)):close()
  local c <close> = l:accept()
  err = T.fails("eof", c:recv())
  T.match(tostring(err), "^recv client of unix:" .. p .. ": ")
  T.ok(os.remove(p))
  local d <close> = net.socket(net.AF_UNIX, net.SOCK_DGRAM)
  d:settimeout(0)
  err = T.fails("timeout", d:recvfrom())
  T.match(tostring(err), "^recvfrom: ")
end)

T.test("an_abstract_name_leaves_no_file", function()
  local name = "unix:@soquete-test-" .. path():match("[^/]*$")
  local l <close> = T.ok(net.listen(name))
  T.eq(tostring(l:getsockname()), name)
  local a <close> = T.ok(net.connect(name))
  local b <close> = l:accept()
  a:send("x")
  T.eq(b:recv(), "x")
  local err = T.fails("EADDRINUSE", net.listen(name))
  T.eq(err.op, "bind")
end)

T.test("a_stale_socket_file_is_told_with_a_hint", function()
  local p = path()
  net.listen("unix:" .. p):close()
  local err = T.fails("EADDRINUSE", net.listen("unix:" .. p))
  T.match(err.hint, "remove it")
  T.fails("ECONNREFUSED", net.connect("unix:" .. p))
  T.ok(os.remove(p))
  err = T.fails("ENOENT", net.connect("unix:" .. p))
  T.match(err.hint, "no server has made this socket file")
end)

-- A listener whose backlog is full, its clients, and one more that waits to connect.
local function full_listener()
  local l = T.ok(net.socket(net.AF_UNIX))
  T.ok(l:bind("unix:@" .. T.seed .. path()))
  T.ok(l:listen(1))
  local clients, address = {}, l:getsockname()
  for i = 1, 10 do
    local s = T.ok(net.socket(net.AF_UNIX))
    s:settimeout(0)
    clients[i] = s
    if not s:connect(address) then return l, address, clients end
  end
  error("ten connections found room")
end

T.test("connect_waits_for_room_in_a_full_backlog", function()
  local l <close>, address, clients = full_listener()
  local late = T.waiting(net.connect, address)
  T.eq(late:status(), "waiting")
  for _ = 1, #clients do
    local conn <close> = T.ok(l:accept())
  end
  local s <close> = T.ok(late:join())
end)

T.test("a_connect_that_waits_for_room_obeys_its_time_and_the_listener", function()
  local l, address, clients = full_listener()
  local s <close> = T.ok(net.socket(net.AF_UNIX))
  s:settimeout(0.02)
  T.fails("timeout", s:connect(address))
  local late = T.waiting(net.connect, address)
  l:close()
  T.fails("ECONNREFUSED", late:join())
  for _, c in ipairs(clients) do c:close() end
end)

T.test("unix_datagrams_tell_the_sender_when_it_has_a_name", function()
  local p, q = path(), path()
  local a <close> = net.socket(net.AF_UNIX, net.SOCK_DGRAM)
  T.ok(a:bind("unix:" .. p))
  local b = net.socket(net.AF_UNIX, net.SOCK_DGRAM)
  T.eq(b:sendto("unnamed", "unix:" .. p), 7)
  local data, from, size = a:recvfrom()
  T.eq(data, "unnamed")
  T.eq(from, nil)
  T.eq(size, 7)
  T.ok(b:bind("unix:" .. q))
  T.eq(b:sendto("named", a:getsockname()), 5)
  data, from = a:recvfrom()
  T.eq(data, "named")
  T.eq(tostring(from), "unix:" .. q)
  T.eq(a:sendto("back", from), 4)
  T.eq(b:recv(), "back")
  b:close()
  os.remove(p)
  os.remove(q)
end)

T.test("a_full_unix_datagram_queue_makes_the_sender_wait", function()
  local p = path()
  local a <close> = net.socket(net.AF_UNIX, net.SOCK_DGRAM)
  T.ok(a:bind("unix:" .. p))
  local b <close> = net.socket(net.AF_UNIX, net.SOCK_DGRAM)
  T.ok(b:connect("unix:" .. p))
  local sent = 0
  local sender = net.spawn(function()
    for i = 1, 2000 do
      T.eq(b:send(tostring(i)), #tostring(i))
      sent = i
    end
  end)
  T.turns(100)
  T.ok(sent < 2000, "the queue has no end")
  for i = 1, 2000 do T.eq(a:recv(), tostring(i)) end
  sender:join()
  os.remove(p)
end)

T.test("a_path_that_is_too_long_raises", function()
  T.raises("at most 107 bytes", net.listen, "unix:" .. ("x"):rep(108))
  T.raises("a Unix address has no port", function() net.connect("unix:/x", 5) end)
end)

T.test("families_are_not_mixed", function()
  local s <close> = net.socket(net.AF_UNIX)
  T.raises("bad address '127.0.0.1:9': a Unix socket needs", s.connect, s, "127.0.0.1:9")
  T.raises("bad address '127.0.0.1'", s.bind, s, "127.0.0.1", 9)
  local t <close> = net.socket()
  T.raises("bad address 'unix:/nowhere': only a socket of AF_UNIX",
    t.connect, t, "unix:/nowhere")
  T.raises("bad address 'unix:/nowhere'", t.bind, t, "unix:/nowhere")
end)

T.test("a_unix_socket_tells_what_it_is", function()
  local p = path()
  local l <close> = T.ok(net.listen("unix:" .. p))
  T.eq(tostring(l), "socket (unix, unix:" .. p .. ", listening)")
  local d <close> = net.socket(net.AF_UNIX, net.SOCK_DGRAM)
  T.match(tostring(d), "^socket %(unix datagram")
  os.remove(p)
end)
