-- Throughput tests between our own client and server: what is counted on both sides, what a
-- lossy path does, and what the server makes of clients that do not keep to the protocol.

local net = require "net"
local json = require "net.throughput.json"
local control = require "net.throughput.control"
local places = require "net.throughput.places"
local plans = require "net.throughput.plan"
local plot = require "net.throughput.plot"
local reach = require "net.throughput.reach"
local results = require "net.throughput.results"
local quantity = require "net.cli.quantity"
local sockets = require "net.throughput.sockets"
local throughput = require "net.throughput"
local T = require "harness"

-- A server on a port of its own; `reports` collects what it says of each test.
local function serve(patience)
  local listener = assert(net.listen("127.0.0.1:0"))
  local site = { address = listener:getsockname(), reports = {} }
  local task = net.spawn(throughput.serve, listener, {
    on_test = function(report) table.insert(site.reports, report) end,
    patience = patience,
  })
  return setmetatable(site, {
    __close = function()
      listener:close()
      task:join()
    end,
  })
end

local function run(site, options)
  options.host, options.port = "127.0.0.1", options.port or site.address.port
  return throughput.run(options)
end

-- A hundredth of a second, and the same by another name, to keep the tests short.
local BRIEF = { interval = 0.1, seconds = 0.2 }

local function brief(more)
  local options = {}
  for name, value in pairs(BRIEF) do options[name] = value end
  for name, value in pairs(more) do options[name] = value end
  return options
end

local function sum(rows, direction, name)
  local total = 0
  for _, row in ipairs(rows) do
    if row[direction] and not row.omitted then total = total + row[direction][name] end
  end
  return total
end

local shapes = {
  { "to_the_server", {} },
  { "from_the_server", { reverse = true } },
  { "on_several_streams", { streams = 3 } },
  { "from_the_server_on_several_streams", { reverse = true, streams = 3 } },
  { "that_are_really_read", { copy = true } },
  { "that_are_really_read_from_the_server", { copy = true, reverse = true } },
}

for _, case in ipairs(shapes) do
  local name, shape = case[1], case[2]
  T.test("bytes_sent_and_received_agree_" .. name, function()
    local site <close> = serve()
    local direction = shape.reverse and "from_server" or "to_server"
    local figures = assert(run(site, brief(shape)))
    local sums = figures[direction]
    assert(sums.sent.bytes > 0)
    if not shape.reverse then assert(sums.sent.bytes == sums.received.bytes) end
    assert(sums.received.bytes <= sums.sent.bytes)
    assert(#sums.sent.streams == (shape.streams or 1))
    assert(sum(figures.intervals, direction, "bytes") ==
      (shape.reverse and sums.received or sums.sent).bytes)
  end)

  T.test("so_many_bytes_are_moved_and_no_more_" .. name, function()
    local site <close> = serve()
    local options = { bytes = 1000003 }
    for key, value in pairs(shape) do options[key] = value end
    local figures = assert(run(site, options))
    local sums = shape.reverse and figures.from_server or figures.to_server
    assert(sums.received.bytes == 1000003, sums.received.bytes)
    assert(sums.sent.bytes == 1000003, sums.sent.bytes)
  end)
end

T.test("both_directions_are_measured_at_once", function()
  local site <close> = serve()
  local figures = assert(run(site, brief { bidir = true, streams = 2 }))
  for _, direction in ipairs { "to_server", "from_server" } do
    assert(figures[direction].received.bytes > 0)
    assert(#figures[direction].sent.streams == 2)
    assert(sum(figures.intervals, direction, "bytes") > 0)
  end
  assert(figures.to_server.sent.bytes == figures.to_server.received.bytes)
end)

T.test("what_is_omitted_does_not_count", function()
  local site <close> = serve()
  local figures = assert(run(site, brief { omit = 0.1 }))
  local omitted = 0
  for _, row in ipairs(figures.intervals) do
    if row.omitted then omitted = omitted + row.to_server.bytes end
  end
  assert(omitted > 0)
  assert(sum(figures.intervals, "to_server", "bytes") == figures.to_server.sent.bytes)
end)

T.test("both_ends_omit_the_same_part_of_a_second", function()
  local site <close> = serve()
  local sums = assert(run(site, brief { omit = 0.1, reverse = true })).from_server
  assert(sums.sent.bytes > 0 and sums.received.bytes > 0)
  while #site.reports == 0 do net.yield() end
  assert(site.reports[1].plan.omit == 0.1)
end)

for _, reverse in ipairs { false, true } do
  local from = reverse and "_from_the_server" or ""
  for _, rate in ipairs { 1e5, 8e6, 2e8 } do
    T.test(("a_rate_of_%d_is_kept"):format(rate) .. from, function()
      local site <close> = serve()
      local figures = assert(run(site, { rate = rate, reverse = reverse, seconds = 0.5 }))
      -- a send is no more than a hundredth of a second's
      local received = figures[reverse and "from_server" or "to_server"].received
      assert(received.bytes > 0 and received.bytes <= rate / 8 * (received.seconds + 0.02),
        ("%d bytes in %f s"):format(received.bytes, received.seconds))
    end)
  end
end

T.test("at_a_rate_each_send_has_the_length_that_was_told", function()
  local site <close> = serve()
  local sent = assert(run(site, { length = 1000, rate = 1e5, seconds = 0.5 })).to_server.sent
  assert(sent.bytes > 0 and sent.bytes % 1000 == 0, sent.bytes)
  assert(sent.bytes <= 1e5 / 8 * sent.seconds + 1000)
end)

T.test("datagrams_sent_and_received_agree", function()
  for _, reverse in ipairs { false, true } do
    local site <close> = serve()
    local figures = assert(run(site, brief { rate = 1e6, reverse = reverse, udp = true }))
    local sums = figures[reverse and "from_server" or "to_server"]
    assert(sums.sent.datagrams > 0)
    assert(sums.received.datagrams + sums.received.lost_datagrams <= sums.sent.datagrams + 1)
    assert(sums.received.lost_datagrams == 0)
    assert(sums.received.jitter_seconds >= 0)
    local direction = reverse and "from_server" or "to_server"
    local own = reverse and sums.received or sums.sent
    for _, name in ipairs { "bytes", "datagrams" } do
      assert(sum(figures.intervals, direction, name) == own[name], name)
    end
  end
end)

-- A relay of datagrams to the server that drops each `nth` of those with data.
local function lossy(front, target, nth)
  local back = assert(net.udp("127.0.0.1:0"))
  local path = { address = front:getsockname(), dropped = 0 }
  local client
  local there = net.spawn(function()
    local count = 0
    while true do
      local data, from = front:recvfrom()
      if not data then return end
      client = from
      if #data > 4 then count = count + 1 end
      if #data > 4 and count % nth == 0 then
        path.dropped = path.dropped + 1
      else
        back:sendto(data, target)
      end
    end
  end)
  local again = net.spawn(function()
    while true do
      local data = back:recvfrom()
      if not data then return end
      front:sendto(data, client)
    end
  end)
  return setmetatable(path, {
    __close = function()
      front:close()
      back:close()
      there:join()
      again:join()
    end,
  })
end

-- Passes bytes on until one of the two ends.
local function pump(from, to)
  local piece = from:recv()
  while piece and to:send(piece) do piece = from:recv() end
  to:shutdown(net.SHUT_WR)
end

-- A port that is free for both protocols: its two sockets.
local function both_free()
  while true do
    local datagrams = assert(net.udp("127.0.0.1:0"))
    local listener = net.listen(datagrams:getsockname())
    if listener then return datagrams, listener end
    datagrams:close()
  end
end

-- The same for the bytes of the control connection, to the same port.
local function forward(listener, target)
  local task = net.spawn(function()
    while true do
      local conn = listener:accept()
      if not conn then return end
      net.spawn(function()
        local a <close> = conn
        local b <close> = assert(net.connect(target))
        local back = net.spawn(pump, b, a)
        pump(a, b)
        back:join()
      end)
    end
  end)
  return setmetatable({}, {
    __close = function()
      listener:close()
      task:join()
    end,
  })
end

T.test("the_loss_that_is_told_is_what_a_lossy_path_dropped", function()
  local site <close> = serve()
  local datagrams, listener = both_free()
  local path <close> = lossy(datagrams, site.address, 7)
  local way <close> = forward(listener, site.address)
  local figures = assert(run(site, {
    length = 200, port = path.address.port, rate = 400000, seconds = 0.5, udp = true,
  }))
  local received = figures.to_server.received
  assert(path.dropped > 10)
  assert(received.lost_datagrams == path.dropped,
    ("%d told, %d dropped"):format(received.lost_datagrams, path.dropped))
  assert(received.datagrams == figures.to_server.sent.datagrams - path.dropped)
end)

T.test("a_path_that_drops_every_datagram_loses_all_of_them", function()
  local site <close> = serve()
  local datagrams, listener = both_free()
  local path <close> = lossy(datagrams, site.address, 1)
  local way <close> = forward(listener, site.address)
  local figures = assert(run(site, brief { port = path.address.port, udp = true }))
  local received = figures.to_server.received
  assert(received.datagrams == 0 and path.dropped > 0)
  assert(received.lost_datagrams == figures.to_server.sent.datagrams)
  assert(received.lost_percent == 100)
end)

T.test("several_clients_are_measured_at_once", function()
  local site <close> = serve()
  local function measure() return (assert(run(site, brief { streams = 2 }))) end
  local all = { net.all(measure, measure, measure, measure) }
  assert(#all == 4)
  for _, figures in ipairs(all) do
    assert(figures.to_server.sent.bytes == figures.to_server.received.bytes)
  end
  while #site.reports < 4 do net.yield() end
end)

T.test("streams_whose_cookies_come_in_another_order_have_their_places", function()
  local site <close> = serve()
  local cookie = control.cookie()
  local main = control.new(assert(net.connect(site.address)))
  local guard <close> = main
  main.conn:send(cookie)
  assert(main:expect("parameters"))
  main:send_json { bidirectional = true, len = 1000, parallel = 1, tcp = true, time = 1 }
  assert(main:expect("create_streams"))
  local first <close> = assert(net.connect(site.address))
  local second <close> = assert(net.connect(site.address))
  second:send(cookie)
  net.sleep(0.02) -- the other way round would be as right an answer, so nothing can fail wrongly
  first:send(cookie)
  assert(main:expect("test_start"))
  assert(main:expect("test_running"))
  assert(#second:read_exact(1000) == 1000) -- the server sends on the second
end)

T.test("a_stream_has_the_options_that_were_asked_for", function()
  local listener <close> = assert(net.listen("127.0.0.1:0"))
  local plan = assert(plans.new {
    congestion = "reno", host = "x", mss = 600, nodelay = true, rate = 8e6, window = 16384,
  })
  local cookie = control.cookie()
  local conn <close> = assert(sockets.tcp(plan, listener:getsockname(), cookie, true))
  assert(conn:getsockopt("TCP_CONGESTION") == "reno")
  assert(conn:getsockopt("TCP_NODELAY") == true)
  assert(conn:info().snd_mss_bytes <= 600)
  for _, name in ipairs { "SO_RCVBUF", "SO_SNDBUF" } do
    assert(conn:getsockopt(name) == 2 * 16384, name) -- socket(7): the kernel doubles it
  end
  local pace = conn:getsockopt({ 1, 47 }, 8)
  assert((("=I8"):unpack(pace)) == 1250001, pace)
  assert(assert(listener:accept()):read_exact(#cookie) == cookie)
end)

-- Counts the calls of a method of a socket while `fn` runs.
local function calls_of(sock, method, fn)
  local class, count = getmetatable(sock).__index, 0
  local true_method = class[method]
  class[method] = function(...)
    count = count + 1
    return true_method(...)
  end
  fn()
  class[method] = true_method
  return count
end

T.test("bytes_are_copied_only_where_it_was_asked_for", function()
  local site <close> = serve()
  local probe <close> = net.socket()
  for _, copy in ipairs { false, true } do
    local count = calls_of(probe, "recv_into", function()
      assert(run(site, { bytes = 100000, copy = copy }))
    end)
    assert((count > 0) == copy, count)
  end
end)

T.test("the_page_needs_nothing_from_elsewhere", function()
  local html = require "net.throughput.page"
  for _, outside in ipairs { "src=", "href=", "http:", "https:", "@import", "url(" } do
    assert(not html:find(outside, 1, true), outside)
  end
end)

-- Lets the name "several.test" have these addresses.
local function several(...)
  local true_getaddrinfo, hosts = net.getaddrinfo, { ... }
  net.getaddrinfo = function(host, port)
    if host ~= "several.test" then return true_getaddrinfo(host, port) end
    local found = {}
    for i, one in ipairs(hosts) do found[i] = assert(true_getaddrinfo(one, port))[1] end
    return found
  end
  return setmetatable({}, { __close = function() net.getaddrinfo = true_getaddrinfo end })
end

T.test("of_a_family_that_was_asked_for_the_next_address_is_tried", function()
  local site <close> = serve()
  local _ <close> = several("::1", "127.0.0.2", "127.0.0.1")
  local figures = assert(throughput.run {
    bytes = 1000, family = "4", host = "several.test", port = site.address.port,
  })
  assert(figures.test.server == tostring(site.address))
  local none, err = throughput.run {
    bytes = 1000, family = "6", host = "127.0.0.1", port = site.address.port,
  }
  assert(not none and tostring(err):find("127.0.0.1 has no IPv6 address", 1, true), err)
end)

T.test("the_address_that_this_end_is_bound_to_chooses_the_family", function()
  local site <close> = serve()
  local _ <close> = several("::1", "127.0.0.1")
  local function measure(bind)
    return throughput.run {
      bind = bind, bytes = 1000, host = "several.test", port = site.address.port,
    }
  end
  assert(assert(measure("127.0.0.3")).test.server == tostring(site.address))
  local figures, _, code = measure("::1")
  assert(not figures and code == "ECONNREFUSED", code)
  local none, err = throughput.run { bind = "::1", bytes = 1, host = "127.0.0.1" }
  assert(not none and tostring(err):find("no address of one family", 1, true), err)
end)

T.test("a_server_of_one_family_does_not_take_the_other", function()
  local listener = assert(reach.listen(nil, 0, "6"))
  local port = listener:getsockname().port
  local task = net.spawn(throughput.serve, listener)
  assert(throughput.run { bytes = 1000, host = "::1", port = port, udp = true })
  local figures, _, code = throughput.run { bytes = 1000, host = "127.0.0.1", port = port }
  assert(not figures and code == "ECONNREFUSED", code)
  local datagrams <close> = assert(net.udp("0.0.0.0", port)) -- IPv4's port is free
  listener:close()
  task:join()
end)

T.test("a_figure_is_told_in_the_unit_that_it_rounds_to", function()
  for _, case in ipairs {
    { 999.96e3, "1.00 Mbit/s" }, { 999.94e3, "999.9 kbit/s" }, { 999, "999 bit/s" },
    { 0, "0 bit/s" }, { 1e15, "1000.0 Tbit/s" },
  } do
    assert(quantity.rate(case[1]) == case[2], quantity.rate(case[1]))
  end
  assert(quantity.size(1024 * 1024 - 1) == "1.00 MiB")
  assert(quantity.size(1023) == "1023 B")
end)

T.test("json_keeps_every_number_and_the_order_of_names", function()
  local read = require("net.http.json").decode
  for _, value in ipairs { 1 / 3, 0.1, 3.0, 941234567.123456789, 5e-324, 1.7976931348623157e308 } do
    assert(tonumber(json.encode(value)) == value, json.encode(value))
  end
  assert(json.encode { b = 1 << 53, a = { 0.1, "ç\n" }, c = {} } ==
    '{"a":[0.1,"ç\\n"],"b":9007199254740992,"c":[]}')
  assert(read(json.encode { x = { true, false } }).x[1] == true)
  for _, value in ipairs { 0 / 0, 1 / 0, -1 / 0 } do assert(not pcall(json.encode, value)) end
end)

-- What a hostile client does on its control connection. None of it may end the server.
local attacks = {
  { "a_cookie_of_other_letters", function(conn) conn:send(("!"):rep(37)) end },
  { "half_a_cookie", function(conn) conn:send("abc") end },
  { "nothing_at_all", function() end },
  { "oversized_parameters", function(conn)
    conn:send(control.cookie() .. (">I4"):pack(8193) .. ("x"):rep(8193))
  end },
  { "parameters_of_four_gigabytes", function(conn) conn:send(control.cookie() .. "\255\255\255\255") end },
  { "parameters_that_are_no_json", function(conn)
    conn:send(control.cookie() .. (">s4"):pack("{\"tcp\":"))
  end },
  { "parameters_that_are_no_object", function(conn) conn:send(control.cookie() .. (">s4"):pack("7")) end },
  { "deeply_nested_parameters", function(conn)
    conn:send(control.cookie() .. (">s4"):pack(("["):rep(8000)))
  end },
  { "too_many_streams", function(conn)
    conn:send(control.cookie() .. (">s4"):pack('{"tcp":true,"parallel":1000000}'))
  end },
  { "a_length_that_is_no_number", function(conn)
    conn:send(control.cookie() .. (">s4"):pack('{"udp":true,"len":1e300}'))
  end },
  { "a_state_in_place_of_parameters", function(conn) conn:send(control.cookie() .. "\4\4\4\4") end },
}

for _, case in ipairs(attacks) do
  local name, attack = case[1], case[2]
  T.test("the_server_outlives_" .. name, function()
    local site <close> = serve()
    local conn <close> = assert(net.connect(site.address))
    attack(conn)
    conn:shutdown(net.SHUT_WR)
    repeat until not conn:recv() -- an end, or a reset where it left something unread
    assert(run(site, { bytes = 1000 }))
  end)
end

-- How far each of them goes before it falls silent.
local silences = {
  { "before_its_cookie", function() end },
  { "before_its_parameters", function(c) c.conn:send(control.cookie()) end },
  { "before_its_streams", function(c)
    c.conn:send(control.cookie())
    c:send_json { len = 1000, parallel = 1, tcp = true, time = 1 }
  end },
}

for _, case in ipairs(silences) do
  T.test("a_client_that_falls_silent_" .. case[1] .. "_is_given_up", function()
    local site <close> = serve(0.05)
    local client = control.new(assert(net.connect(site.address)))
    local _ <close> = client
    case[2](client)
    for _ in client.conn:lines("L") do end -- luacheck: ignore 542
    assert(run(site, { bytes = 1000 }))
  end)
end

T.test("silent_connections_do_not_pile_up", function()
  local site <close> = serve()
  local silent = {}
  for i = 1, 129 do silent[i] = assert(net.connect(site.address)) end
  assert(not silent[129]:recv()) -- the one too many is closed at once
  for _, conn in ipairs(silent) do conn:close() end
  while not run(site, { bytes = 1000 }) do net.yield() end
end)

T.test("a_host_that_begins_many_tests_leaves_places_to_others", function()
  local site <close> = serve()
  local begun_tests, denied = {}, 0
  for i = 1, 40 do
    begun_tests[i] = assert(net.connect(site.address))
    begun_tests[i]:send(control.cookie())
    if begun_tests[i]:read_exact(1) == control.DENIED then denied = denied + 1 end
  end
  assert(denied == 8, denied)
  assert(throughput.run {
    bind = "127.0.0.2", bytes = 1000, host = "127.0.0.1", port = site.address.port,
  })
  for _, conn in ipairs(begun_tests) do conn:close() end
  while not run(site, { bytes = 1000 }) do net.yield() end
end)

T.test("of_the_places_a_host_has_half_of_those_that_the_others_leave", function()
  local all, had = places.new(8), {}
  local function take(host)
    local count = 0
    local place = all:take(host)
    while place do
      had[#had + 1], count = place, count + 1
      place = all:take(host)
    end
    return count
  end
  assert(take "192.0.2.1" == 4)
  assert(take "192.0.2.2" == 2)
  assert(take "192.0.2.3" == 1 and take "192.0.2.4" == 1)
  assert(take "192.0.2.5" == 0)
  for _, place in ipairs(had) do getmetatable(place).__close() end
  assert(take "192.0.2.5" == 4)
end)

T.test("addresses_of_one_network_of_ipv6_are_one_host", function()
  for _, case in ipairs {
    { "2001:db8:0:1::1", "2001:db8:0:1:a:b:c:d", true },
    { "2001:db8::1", "2001:db8::2:0:0:1", true },
    { "::1", "::2", true },
    { "2001:db8:0:1::1", "2001:db8:0:2::1", false },
    { "1::4:5:6:7:8", "1:0:0:4:a::", true },
    { "1::4:5:6:7:8", "1::3:5:6:7:8", false },
    { "192.0.2.1", "192.0.2.2", false },
  } do
    local two = places.new(2)
    local first = assert(two:take(case[1]))
    assert((two:take(case[2]) == nil) == case[3], case[1])
    getmetatable(first).__close()
  end
end)

T.test("a_second_answer_to_one_cookie_is_no_second_test", function()
  local site <close> = serve()
  local cookie = control.cookie()
  local main = control.new(assert(net.connect(site.address)))
  local guard <close> = main
  main.conn:send(cookie)
  assert(main:expect("parameters"))
  local other <close> = assert(net.connect(site.address))
  other:send(cookie)
  assert(other:read_exact(1) == control.DENIED)
end)

-- A client of our own that has told its parameters and may open its streams.
local function begun(site, parameters)
  local cookie = control.cookie()
  local main = control.new(assert(net.connect(site.address)))
  main.conn:send(cookie)
  assert(main:expect("parameters"))
  main:send_json(parameters)
  return main, cookie
end

T.test("the_control_connection_probes_a_silent_peer", function()
  local site <close> = serve()
  local main <close> = control.new(assert(net.connect(site.address)))
  assert(main.conn:getsockopt("SO_KEEPALIVE") == true)
end)

T.test("a_client_that_goes_before_its_streams_takes_no_others", function()
  local site <close> = serve()
  local main = begun(site, { len = 1000, parallel = 1, time = 1, udp = true })
  assert(main:expect("create_streams"))
  main:close()
  while #site.reports == 0 do net.yield() end
  assert(site.reports[1].error.text:find("has ended the control connection", 1, true))
  assert(run(site, brief { udp = true }))
end)

T.test("a_name_that_no_congestion_control_can_have_is_refused", function()
  for _, name in ipairs { ("x"):rep(5000), "a\0b", "" } do
    local site <close> = serve()
    local main = begun(site, { congestion = name, len = 1000, parallel = 1, tcp = true, time = 1 })
    local _ <close> = main
    local ok, err = main:expect("create_streams")
    assert(not ok and tostring(err):find("cannot set the congestion control (EINVAL)", 1, true), err)
  end
end)

local function limit_of_the_system(name)
  local f <close> = assert(io.open("/proc/sys/net/core/" .. name))
  return f:read("n")
end

-- What a server cannot do for its client, and what it says then.
local impossible = {
  { "a_congestion_control", { congestion = "nosuch" }, "the congestion control (ENOENT)" },
  { "a_window", { window = 1 << 30 }, "it cannot have so large a window (EINVAL)" },
  { "a_window_just_beyond", { window = limit_of_the_system("wmem_max") + 2 },
    "it cannot have so large a window (EINVAL)" },
  { "so_many_streams", { parallel = 1000 }, "it does not take so many streams (EINVAL)" },
  { "so_long_a_time", { time = 1e6 }, "it does not take a test of that time (EINVAL)" },
  { "sctp", { sctp = true }, "it has no SCTP (EINVAL)" },
  { "datagrams_that_short", { len = 8, udp = true }, "it does not take that length (EINVAL)" },
}

for _, case in ipairs(impossible) do
  T.test("a_server_that_cannot_give_" .. case[1] .. "_says_so", function()
    local site <close> = serve()
    local parameters = { len = 1000, parallel = 1, time = 1 }
    for name, value in pairs(case[2]) do parameters[name] = value end
    local main, cookie = begun(site, parameters)
    local _ <close> = main
    local ok, err = main:expect("create_streams")
    if ok then
      local stream <close> = assert(net.connect(site.address))
      stream:send(cookie)
      ok, err = main:expect("test_start")
    end
    assert(not ok and tostring(err):find(case[3], 1, true), err)
    while #site.reports == 0 do net.yield() end
    assert(site.reports[1].error.text ~= "")
  end)
end

T.test("datagrams_whose_numbers_no_test_has_do_not_count", function()
  local site <close> = serve()
  local main = begun(site, { len = 1000, parallel = 1, time = 1, udp = true, udp_counters_64bit = 1 })
  local _ <close> = main
  assert(main:expect("create_streams"))
  local datagrams <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
  datagrams:connect(site.address)
  datagrams:send("9876")
  assert(datagrams:recv() == "6789")
  assert(main:expect("test_start"))
  assert(main:expect("test_running"))
  for _, number in ipairs { 1, 0, 1 << 62, -1, 2 } do
    datagrams:send((">I4I4i8"):pack(1, 1, number))
  end
  main:tell("test_end")
  assert(main:expect("exchange_results"))
  main:send_json { streams = { { bytes = 32, errors = 0, id = 1, jitter = 0, packets = 2 } } }
  local told = assert(main:read_json(control.RESULT_BYTES))
  assert(told.streams[1].packets == 2, told.streams[1].packets)
  assert(told.streams[1].errors == 0)
  assert(told.streams[1].bytes == 32)
end)

-- Results that make no sense: none may reach the user, or stop the program.
local nonsense = {
  bytes = { -1, 1e299, 0 / 0, math.huge, "7" },
  errors = { -1, 1e299, 0 / 0 },
  id = { 0 / 0, 2, -1, true },
  jitter = { -1, 1e299, 0 / 0 },
  packets = { -1, 1e299, 0 / 0 },
}

T.test("results_that_make_no_sense_are_refused", function()
  local flows = { { id = 1, omitted_datagrams = 0 } }
  local function read(name, value)
    local stream = { bytes = 1, errors = 0, id = 1, jitter = 0, packets = 0 }
    if name then stream[name] = value end
    return results.read({ streams = { stream } }, flows)
  end
  assert(read())
  for name, values in pairs(nonsense) do
    for _, value in ipairs(values) do
      local told, _, code = read(name, value)
      assert(not told and code == "invalid", ("%s: %s"):format(name, value))
    end
  end
end)

T.test("what_a_peer_need_not_tell_is_never_below_zero_nor_without_end", function()
  for _, value in ipairs { -7, 1e299, 0 / 0, math.huge, "7" } do
    local told = assert(results.read({
      cpu_util_total = value, cpu_util_user = value, cpu_util_system = value,
      streams = { {
        bytes = 1, end_time = value, errors = 0, id = 1, jitter = 0, omitted_errors = value,
        omitted_packets = value, packets = 0, retransmits = value, start_time = 0,
      } },
    }, { { id = 1, omitted_datagrams = 3 } }))
    local stream = told.streams[1]
    for _, name in ipairs { "datagrams", "lost_datagrams", "retransmits", "seconds" } do
      assert(stream[name] == 0, name)
    end
    for name, percent in pairs(told.cpu) do assert(percent == 0, name) end
  end
end)

local function drawing(to_server, from_server)
  local function part(rate) return rate and { bits_per_second = rate } end
  return plot.svg {
    intervals = { {
      from_seconds = 0, from_server = part(from_server), to_seconds = 1, to_server = part(to_server),
    } },
    test = { omitted_seconds = 0, protocol = "tcp", server = "x", streams = 1 },
  }
end

T.test("a_single_interval_is_drawn_as_a_line", function()
  local from, to = drawing(1000):match('points="([%d.]+),[%d.]+ ([%d.]+),')
  assert(tonumber(to) > tonumber(from))
end)

T.test("the_name_of_the_upper_curve_stands_above_the_other", function()
  local function height(svg, name) return tonumber(svg:match('y="([%d.]+)"[^>]*>' .. name)) end
  for _, rates in ipairs { { 1000, 1001 }, { 1001, 1000 } } do
    local svg = drawing(rates[1], rates[2])
    local first = height(svg, "to server") < height(svg, "from server")
    assert(first == (rates[1] > rates[2]))
  end
end)

-- The labels beside the lines of the first panel.
local function labels(rate, key)
  local part = { bits_per_second = 1, [key] = rate }
  local svg = plot.svg {
    intervals = { { from_seconds = 0, to_seconds = 3, to_server = part } },
    test = { omitted_seconds = 0, protocol = "tcp", server = "x", streams = 1 },
  }
  local found = {}
  for words in svg:gmatch('text%-anchor="end"[^>]*>([^<]+)<') do found[#found + 1] = words end
  return table.concat(found, ", ", key == "bits_per_second" and 1 or 3)
end

T.test("the_lines_of_an_axis_stand_at_round_numbers", function()
  for _, case in ipairs {
    { "bits_per_second", 31e9, "0 bit/s, 10 Gbit/s, 20 Gbit/s, 30 Gbit/s, 40 Gbit/s" },
    { "bits_per_second", 1e6, "0 bit/s, 200 kbit/s, 400 kbit/s, 600 kbit/s, 800 kbit/s, 1 Mbit/s" },
    { "bits_per_second", 0, "0 bit/s, 1 bit/s" },
    { "rtt_us", 2197, "0 ms, 0.5 ms, 1 ms, 1.5 ms, 2 ms, 2.5 ms" },
    { "rtt_us", 2, "0 ms, 0.001 ms, 0.002 ms" },
    { "congestion_window_bytes", 1000 * 1024, "0 B, 256 KiB, 512 KiB, 768 KiB, 1 MiB" },
    { "congestion_window_bytes", 5 << 20, "0 B, 1 MiB, 2 MiB, 3 MiB, 4 MiB, 5 MiB" },
  } do
    local told = labels(case[2], case[1])
    assert(told == case[3], told)
  end
end)

T.test("the_seconds_of_a_drawing_are_round", function()
  local svg = plot.svg {
    intervals = { { from_seconds = 0, to_seconds = 7.3, to_server = { bits_per_second = 1 } } },
    test = { omitted_seconds = 0, protocol = "tcp", server = "x", streams = 1 },
  }
  local found = {}
  for words in svg:gmatch('text%-anchor="middle"[^>]*>([^<]+)<') do found[#found + 1] = words end
  assert(table.concat(found, ", ") == "0 s, 2 s, 4 s, 6 s", table.concat(found, ", "))
end)

-- Clients of versions that differ in what they tell: the oldest, the newest, and one to come.
local versions = {
  { "that_tells_no_version", { len = 1000, omit = 0, parallel = 1, tcp = true, time = 1 } },
  { "that_tells_what_nobody_knows", {
    blockcount = 0, burst = 0, client_version = "4.0", len = 1000, mptcp = 0, nested = { { {} } },
    num = 0, pacing_timer = 1000, parallel = 1, skip_rx_copy = 1, tcp = true, time = 1,
    udp_counters_64bit = false, window = "none",
  } },
}

for _, case in ipairs(versions) do
  T.test("a_client_is_served_" .. case[1], function()
    local site <close> = serve()
    local main, cookie = begun(site, case[2])
    local _ <close> = main
    assert(main:expect("create_streams"))
    local stream <close> = assert(net.connect(site.address))
    stream:send(cookie .. ("x"):rep(5000))
    assert(main:expect("test_start"))
    assert(main:expect("test_running"))
    stream:shutdown(net.SHUT_WR)
    while stream:info().state == "FIN-WAIT-1" do net.yield() end
    main:tell("test_end")
    assert(main:expect("exchange_results"))
    main:send_json { streams = { { bytes = 5000, errors = 0, id = 1, jitter = 0, packets = 0 } } }
    assert(assert(main:read_json(control.RESULT_BYTES)).streams[1].bytes == 5000)
    assert(main:expect("display_results"))
  end)
end

T.test("an_iperf3_is_asked_to_drop_the_bytes_of_a_stream_alone", function()
  local function asked(options)
    options.host = "x"
    return plans.to_parameters(assert(plans.new(options))).skip_rx_copy
  end
  assert(asked {} == 1 and asked { copy = true } == 0 and asked { udp = true } == nil)
end)

T.test("a_client_of_another_protocol_is_denied", function()
  local site <close> = serve()
  local conn <close> = assert(net.connect(site.address))
  conn:send("\0\0\0\1" .. ("\0"):rep(56)) -- as iperf 2 begins
  assert(conn:read_exact(1) == control.DENIED)
end)

T.test("an_iperf3_gets_whole_blocks_at_a_rate_too", function()
  local site <close> = serve()
  local main, cookie = begun(site, {
    bandwidth = 80000, len = 5000, parallel = 1, reverse = true, tcp = true, time = 1,
  })
  local _ <close> = main
  assert(main:expect("create_streams"))
  local stream <close> = assert(net.connect(site.address))
  stream:send(cookie)
  assert(main:expect("test_start"))
  assert(main:expect("test_running"))
  assert(#stream:recv(5000) == 5000) -- at once, not in parts as they are due
end)

-- A server that is scripted: what the client says of each misbehaviour.
local function scripted(script)
  local listener = assert(net.listen("127.0.0.1:0"))
  local task = net.spawn(function()
    local conn <close> = assert(listener:accept())
    conn:read_exact(control.COOKIE_BYTES)
    script(conn, listener)
  end)
  return setmetatable({ address = listener:getsockname() }, {
    __close = function()
      task:cancel()
      listener:close()
      task:join()
    end,
  })
end

-- A server that sends so many bytes on each of its streams, then says what it sent.
local function uneven(conn, listener, shares)
  local c, streams, told = control.new(conn), {}, { streams = {} }
  c:tell("parameters")
  assert(c:read_json(control.PARAMETER_BYTES))
  c:tell("create_streams")
  for i, share in ipairs(shares) do
    streams[i] = assert(listener:accept())
    assert(streams[i]:read_exact(control.COOKIE_BYTES))
    told.streams[i] = {
      bytes = share, errors = 0, id = i == 1 and 1 or i + 1, jitter = 0, packets = 0,
    }
  end
  c:tell("test_start")
  c:tell("test_running")
  for i, share in ipairs(shares) do streams[i]:send(("x"):rep(share)) end
  assert(c:expect("test_end"))
  c:tell("exchange_results")
  assert(c:read_json(control.RESULT_BYTES))
  c:send_json(told)
  c:tell("display_results")
  c:hear()
  for _, stream in ipairs(streams) do stream:close() end
end

T.test("a_client_leaves_when_the_server_has_put_the_test_away", function()
  local away = false
  local site <close> = scripted(function(conn, listener)
    uneven(conn, listener, { 1000 })
    net.sleep(0.02)
    away = true
  end)
  assert(run(site, { bytes = 1000, reverse = true }))
  assert(away)
end)

T.test("a_server_that_tells_less_than_we_ask_is_enough", function()
  local site <close> = scripted(function(conn, listener)
    uneven(conn, listener, { 1000 }) -- no processor time, no seconds, nothing omitted
  end)
  local figures = assert(run(site, { bytes = 1000, reverse = true }))
  assert(figures.from_server.sent.bytes == 1000 and figures.cpu.server.total_percent == 0)
end)

for _, copy in ipairs { false, true } do
  local how = copy and "that_are_read" or "that_are_dropped"
  T.test("so_many_bytes_count_together_on_streams_that_share_unevenly_" .. how, function()
    local site <close> = scripted(function(conn, listener)
      uneven(conn, listener, { 0, 700001, 300002 })
    end)
    local options = { bytes = 1000003, copy = copy, reverse = true, streams = 3 }
    local received = assert(run(site, options)).from_server.received
    assert(received.bytes == 1000003, received.bytes)
    assert(received.streams[1].bytes == 0 and received.streams[2].bytes == 700001)
  end)
end

T.test("of_more_bytes_than_were_asked_for_no_more_are_taken", function()
  local site <close> = scripted(function(conn, listener)
    uneven(conn, listener, { 70000, 70000 })
  end)
  local options = { bytes = 100000, reverse = true, streams = 2 }
  assert(assert(run(site, options)).from_server.received.bytes == 100000)
end)

T.test("a_client_that_counts_gets_no_bytes_in_vain_but_whole_blocks", function()
  for _, case in ipairs {
    { { num = 1000003, parallel = 3 }, 8 * 131072 }, { { len = 1000, num = 2500 }, 3000 },
    { { blockcount = 40, len = 1024 }, 40960 },
  } do
    local plan = assert(plans.from_parameters(case[1]))
    local all = 0
    for i = 1, plan.streams do all = all + plans.share(plan, i) end
    assert(all == case[2], all)
  end
end)

local peers = {
  { "access is denied", "the server is busy", function(conn) conn:send("\255") end },
  { "an unknown state", "does not speak iperf3's protocol", function(conn) conn:send("\77") end },
  { "a state out of order", "says test_end where parameters is due", function(conn) conn:send("\4") end },
  { "an early end", "has ended the control connection", function(conn) conn:shutdown(net.SHUT_WR) end },
  { "an error of its own", "busy with another test (EBADF)", function(conn)
    conn:send("\254" .. (">i4i4"):pack(121, 9))
  end },
  { "an error that nobody knows", "its number for it is 9999", function(conn)
    conn:send("\254" .. (">i4i4"):pack(9999, 0))
  end },
  { "an end of the test", "the server has ended the test", function(conn) conn:send("\11") end },
}

for _, case in ipairs(peers) do
  T.test("a_client_tells_of_" .. case[1]:gsub(" ", "_"), function()
    local site <close> = scripted(function(conn)
      case[3](conn)
      for _ in conn:lines("L") do end -- luacheck: ignore 542
    end)
    local figures, err, code = run(site, BRIEF)
    assert(not figures and code == "invalid", code)
    assert(tostring(err):find(case[2], 1, true), tostring(err))
  end)
end

T.test("a_server_that_ends_in_the_middle_is_told", function()
  local site <close> = serve()
  local listener = assert(net.listen("127.0.0.1:0"))
  -- everything goes to the true server until the test runs: then all is reset
  local conns = {}
  local task = net.spawn(function()
    while true do
      local conn = listener:accept()
      if not conn then return end
      local target = assert(net.connect(site.address))
      table.insert(conns, conn)
      table.insert(conns, target)
      net.spawn(pump, conn, target)
      net.spawn(pump, target, conn)
    end
  end)
  local figures, err = run(site, {
    interval = 0.1,
    on_interval = function()
      for _, conn in ipairs(conns) do
        conn:setsockopt("SO_LINGER", 0)
        conn:close()
      end
    end,
    port = listener:getsockname().port,
    seconds = 5,
  })
  listener:close()
  task:join()
  assert(not figures and #err.intervals > 0 and err.intervals[1].to_server.bytes > 0)
end)

local refused = {
  { {}, "host" },
  { { host = "x", seconds = 0 }, "seconds: 0 is not a number from 0.1" },
  { { host = "x", streams = 129 }, "streams: 129" },
  { { host = "x", streams = 1.5 }, "no whole number" },
  { { host = "x", rate = 0 / 0 }, "rate" },
  { { host = "x", bidir = true, reverse = true }, "exclude each other" },
  { { host = "x", udp = true, length = 65508 }, "16 to 65507 bytes" },
  { { host = "x", udp = true, mss = 1000 }, "mss is of TCP only" },
  { { host = "x", seconds = 1, bytes = 1 }, "exclude each other" },
  { { host = "x", strems = 1 }, "no option 'strems'" },
  { { host = "x", udp = "yes" }, "a boolean is needed" },
}

for i, case in ipairs(refused) do
  T.test("options_that_make_no_sense_raise_" .. i, function()
    local ok, err = pcall(throughput.run, case[1])
    assert(not ok and err:find(case[2], 1, true), err)
  end)
end

T.test("a_port_where_nobody_listens_is_told", function()
  local listener = assert(net.listen("127.0.0.1:0"))
  local port = listener:getsockname().port
  listener:close()
  local figures, _, code = throughput.run { host = "127.0.0.1", port = port }
  assert(not figures and code == "ECONNREFUSED")
end)
