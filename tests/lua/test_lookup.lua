-- Names: gethostbyname, getaddrinfo, getnameinfo.

local net = require "net"
local T = require "harness"

T.test("gethostbyname_gives_one_ipv4_text", function()
  T.eq(net.gethostbyname("localhost"), "127.0.0.1")
  T.eq(net.gethostbyname("10.1.2.3"), "10.1.2.3")
end)

T.test("getaddrinfo_gives_addresses", function()
  local list = T.ok(net.getaddrinfo("127.0.0.1", 80))
  T.eq(T.list(list), "127.0.0.1:80")
  T.ok(rawequal(list[1], net.address("127.0.0.1:80")))
  T.eq(T.list(T.ok(net.getaddrinfo("::1", "0"))), "[::1]:0")
  local v4 = T.ok(net.getaddrinfo("localhost", 7, { family = net.AF_INET }))
  T.eq(T.list(v4), "127.0.0.1:7")
end)

T.test("getaddrinfo_takes_services_by_name", function()
  local list, _, code = net.getaddrinfo("127.0.0.1", "http")
  if code == "EAI_SERVICE" then T.skip("no /etc/services here") end
  T.eq(T.list(list), "127.0.0.1:80")
end)

T.test("getaddrinfo_without_a_name_is_this_machine", function()
  local list = T.ok(net.getaddrinfo(nil, 80))
  T.match(T.list(list), "127.0.0.1:80")
  T.raises("a name or a service is needed", net.getaddrinfo)
end)

T.test("a_name_that_is_none_gives_a_code", function()
  local _, _, code = net.gethostbyname("no such name")
  T.match(code, "^EAI_")
  local _, err = net.getaddrinfo("127.0.0.1", "no-such-service")
  T.match(err.code, "^EAI_S")
end)

T.test("getnameinfo_gives_name_and_service", function()
  local name, service, code = net.getnameinfo("127.0.0.1:80")
  if code == "EAI_NONAME" then T.skip("127.0.0.1 has no name here") end
  T.eq(type(name), "string")
  T.ok(service == "http" or service == "80", service)
end)

T.test("an_address_without_a_name_gives_a_code", function()
  local name, err, code = net.getnameinfo("192.0.2.1:1")
  T.eq(name, nil)
  T.match(code, "^EAI_")
  T.eq(err.address, "192.0.2.1:1")
end)

T.test("what_getaddrinfo_is_to_find_is_checked", function()
  T.raises("no option is named 'fam': it has family, type", net.getaddrinfo, "::1", 80,
    { fam = net.AF_INET })
  for _, family in ipairs { "inet", 1.5, -1, 2 ^ 40, true } do
    T.raises("family must be one of the constants", net.getaddrinfo, "::1", 80,
      { family = family })
  end
  T.raises("type must be", net.getaddrinfo, "::1", 80, { type = {} })
end)

T.test("getnameinfo_of_a_unix_address_raises", function()
  T.raises("a Unix address has no name", net.getnameinfo, "unix:@x")
end)

T.test("names_are_checked", function()
  T.raises("holds no NUL byte", net.gethostbyname, "a\0b")
  T.raises("too long", net.gethostbyname, ("x"):rep(300))
  T.raises("string expected", net.gethostbyname)
  T.raises("a numeric address is needed", net.getnameinfo, "localhost:80")
end)

T.test("a_loop_over_lookups_that_never_wait_lets_the_others_run", function()
  local ticks = 0
  local ticker = net.spawn(function()
    while true do
      ticks = ticks + 1
      net.yield()
    end
  end)
  for _ = 1, 640 do T.eq(tostring(T.ok(net.getaddrinfo("127.0.0.1", 80))[1]), "127.0.0.1:80") end
  T.ok(ticks >= 9, ticks)
  ticker:cancel()
end)

T.test("lookups_do_not_stop_the_others", { net = "fake" }, function()
  local ticks = 0
  net.spawn(function()
    for _ = 1, 4 do
      net.sleep(1)
      ticks = ticks + 1
    end
  end)
  T.eq(net.gethostbyname("slow.test"), "127.0.0.1")
  T.eq(ticks, 4)
end)

T.test("an_interrupted_lookup_gives_its_ticket_back_at_once", { net = "fake" }, function()
  collectgarbage("stop")
  local s <close> = net.socket()
  local before = T.open_handles()
  local function look_up() return net.gethostbyname("slow.test") end
  for _, wait in ipairs { look_up, function() return s:connect("slow.test", 1) end } do
    local task = T.waiting(wait)
    T.eq(T.open_handles(), before + 1)
    task:cancel()
    T.fails("cancelled", task:join())
    T.eq(T.open_handles(), before)
    T.fails("timeout", net.deadline(1, wait))
    T.eq(T.open_handles(), before)
  end
  s:settimeout(1)
  T.fails("timeout", s:connect("slow.test", 1))
  T.eq(T.open_handles(), before)
  local co = coroutine.create(look_up)
  local task = T.waiting(coroutine.resume, co)
  T.eq(T.open_handles(), before + 1)
  coroutine.close(co)
  T.eq(T.open_handles(), before)
  task:join()
end)

T.test("a_report_names_what_is_looked_up", { net = "fake" }, function()
  local s <close> = net.socket()
  local tasks = {
    T.waiting(net.getaddrinfo, "slow.test", 80),
    T.waiting(net.getnameinfo, "192.0.2.1:80"),
    T.waiting(function() return s:connect("slow.test", 1) end),
    T.waiting(function() return net.connect("slow.test:1") end),
  }
  local told = {}
  for _, task in ipairs(net.tasks()) do told[#told + 1] = task.waits_in end
  T.eq(T.list(told), "getaddrinfo slow.test getnameinfo 192.0.2.1:80 connect slow.test "
    .. "connect slow.test")
  for _, task in ipairs(tasks) do task:cancel() end
end)

T.test("many_lookups_at_once", { net = "fake" }, function()
  local tasks = {}
  local before = net.now()
  for i = 1, 100 do tasks[i] = net.spawn(net.getaddrinfo, "slow.test", i) end
  for i = 1, 100 do T.eq(T.list(tasks[i]:join()), "127.0.0.1:" .. i) end
  T.ok(net.now() - before < 6)
end)

T.test("bind_and_connect_take_names", { net = "fake" }, function()
  local l <close> = net.socket()
  T.ok(l:bind("localhost:5000"))
  T.ok(l:listen())
  local s <close> = net.socket()
  T.ok(s:connect("localhost", 5000))
  T.eq(tostring(s:getpeername()), "127.0.0.1:5000")
end)

T.test("connect_and_listen_take_localhost_of_the_real_system", function()
  local l <close> = T.ok(net.listen("localhost:0"))
  local a <close> = T.ok(net.connect("localhost", l:getsockname().port))
  T.ok(l:accept())
end)

T.test("threads_answer_many_lookups_at_once", function()
  local tasks = {}
  for i = 1, 100 do
    tasks[i] = net.spawn(net.getaddrinfo, "localhost", i, { family = net.AF_INET })
  end
  for i = 1, 100 do T.eq(T.list(T.ok(tasks[i]:join())), "127.0.0.1:" .. i) end
end)

T.test("a_lookup_that_threads_do_may_be_cancelled", function()
  local before = T.open_files()
  local tasks = {}
  for i = 1, 50 do tasks[i] = net.spawn(net.gethostbyname, "localhost") end
  net.yield()
  for i = 1, 50, 2 do tasks[i]:cancel() end
  for i = 1, 50 do
    local name, _, code = tasks[i]:join()
    T.ok(name == "127.0.0.1" or i % 2 == 1 and code == "cancelled", code)
  end
  local patience = net.now() + 10 -- threads may still read files for those who have gone
  while T.open_files() > before + 1 and net.now() < patience do net.sleep(0.01) end
  T.ok(T.open_files() <= before + 1, "no ticket is left")
end)

T.test("a_lookup_that_threads_do_has_a_deadline", function()
  for _ = 1, 20 do
    local name, _, code = net.deadline(0.000001, net.gethostbyname, "localhost")
    T.ok(name == "127.0.0.1" or code == "timeout", code)
  end
  T.eq(net.gethostbyname("localhost"), "127.0.0.1")
end)

-- RFC 6761 section 6.3; such a name is in nobody's /etc/hosts.
T.test("names_below_localhost_are_the_loopback_address", function()
  T.eq(net.gethostbyname("printer.localhost."), "127.0.0.1")
  local v4 = { family = net.AF_INET }
  T.eq(T.list(T.ok(net.getaddrinfo("Printer.LocalHost", 80, v4))), "127.0.0.1:80")
  T.match(select(3, net.gethostbyname("notlocalhost")), "^EAI_")
end)
