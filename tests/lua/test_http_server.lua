-- The server as a whole: deadlines of heads, limits, stopping, signals, the log.

local net = require "net"
local http = require "net.http"
local core = require "net.http.core"
local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }
local GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

local function ok(_, res) res:send(200) end

-- --- deadlines -------------------------------------------------------------------------

T.test("a_head_that_comes_too_slowly_is_408", FAKE, function()
  local site <close> = web.serve(ok, { head_timeout = 2 })
  local s <close> = site:connect()
  local begun = net.now()
  net.spawn(function() -- slowloris: a byte now and then buys no time
    for byte in (GET:sub(1, -3) .. "A: b\r\n"):gmatch(".") do
      if not s:send(byte) then break end
      net.sleep(0.5)
    end
  end)
  local answer = s:read("a")
  T.eq(web.status(answer), 408)
  T.match(answer, "\r\nConnection: close\r\n")
  T.ok(net.now() - begun < 5)
end)

T.test("a_slow_client_does_not_hold_the_others", FAKE, function()
  local site <close> = web.serve(ok, { head_timeout = 100 })
  local slow <close> = site:connect()
  slow:send("GET / HT")
  local begun = net.now()
  T.eq(web.status(site:get("/")), 200)
  T.ok(net.now() - begun < 1)
end)

T.test("an_idle_connection_is_closed_without_a_word", FAKE, function()
  local site <close> = web.serve(ok, { idle_timeout = 3 })
  local fresh <close> = site:connect()
  local used <close> = site:connect()
  used:send(GET)
  used:read_until("\r\n\r\n")
  local begun = net.now()
  T.eq(fresh:read("a"), "")
  T.eq(used:read("a"), "")
  T.ok(net.now() - begun >= 2)
end)

-- --- limits ----------------------------------------------------------------------------

local function head(fields)
  return "GET / HTTP/1.1\r\nHost: x\r\n" .. fields .. "\r\n"
end

T.test("a_head_has_limits", FAKE, function()
  local site <close> = web.serve(ok)
  local rows = {
    { head("A: " .. ("b"):rep(16000) .. "\r\n"), 200 },
    { head("A: " .. ("b"):rep(16384) .. "\r\n"), 431 },
    { head(("A: b\r\n"):rep(99)), 200 },
    { head(("A: b\r\n"):rep(100)), 431 },
    { "GET /" .. ("x"):rep(8178) .. " HTTP/1.1\r\nHost: x\r\n\r\n", 200 },
    { "GET /" .. ("x"):rep(8200) .. " HTTP/1.1\r\nHost: x\r\n\r\n", 414 },
    { "GET /" .. ("x"):rep(100000), 414 },
    { "GET / HTTP/1.1\r\nA: " .. ("x"):rep(100000), 431 },
    { ("x"):rep(100000), 400 },
  }
  for i, row in ipairs(rows) do
    local answer = web.status(site:ask(row[1]))
    if i == 9 and answer == 414 then answer = 400 end -- no method is that long
    T.eq(answer, row[2], "row " .. i)
  end
end)

T.test("a_client_is_told_which_rule_its_head_breaks", FAKE, function()
  local site <close> = web.serve(ok)
  T.eq(web.body(site:ask("GET / HTTP/1.1\nHost: x\n\n")),
    "400 Bad Request: LF without CR (RFC 9112 2.2)\n")
  T.eq(web.body(site:ask("GET / HTTP/1.1\r\n\r\n")),
    "400 Bad Request: HTTP/1.1 without a Host field (RFC 9112 3.2)\n")
end)

T.test("limits_are_settable", FAKE, function()
  local site <close> = web.serve(ok, { head = 100, line = 30, fields = 2 })
  T.eq(web.status(site:ask(GET)), 200)
  T.eq(web.status(site:ask(head(("A: b\r\n"):rep(2)))), 431)
  T.eq(web.status(site:ask(head("A: " .. ("b"):rep(100) .. "\r\n"))), 431)
  T.eq(web.status(site:ask("GET /" .. ("x"):rep(30) .. " HTTP/1.1\r\n\r\n")), 414)
end)

T.test("more_connections_than_the_limit_are_told_so", FAKE, function()
  local site <close> = web.serve(ok, { connections = 2 })
  local a <close> = site:connect()
  local b <close> = site:connect()
  T.turns()
  T.eq(web.status(site:get("/")), 503)
  a:close()
  T.turns()
  T.eq(web.status(site:get("/")), 200)
end)

T.test("wrong_options_raise", FAKE, function()
  T.raises("no option 'conections'", http.server, "127.0.0.1:0", ok, { conections = 1 })
  T.raises("head must be an integer", http.server, "127.0.0.1:0", ok, { head = "big" })
  T.raises("idle_timeout must be seconds", http.server, "127.0.0.1:0", ok, { idle_timeout = -1 })
  T.raises("must be a function", http.server, "127.0.0.1:0", {})
  T.raises("log is", http.server, "127.0.0.1:0", ok, { log = "combined?" })
  T.raises("options are a table", http.server, "127.0.0.1:0", ok, 1)
  T.fails("EADDRINUSE", (function()
    local taken <close> = T.listener()
    return http.server(taken:getsockname(), ok)
  end)())
end)

T.test("a_thousand_idle_connections_are_kept", { net = "fake", seconds = 60 }, function()
  local site <close> = web.serve(ok)
  local all = {}
  for i = 1, 1000 do
    all[i] = site:connect()
    all[i]:send(GET)
  end
  for _, s in ipairs(all) do s:read_until("\r\n\r\n") end
  T.eq(site.server:counts().connections, 1000)
  for _, s in ipairs(all) do s:close() end
  T.turns(50)
  T.eq(site.server:counts().connections, 0)
end)

-- --- stopping --------------------------------------------------------------------------

T.test("stop_closes_idle_connections_and_lets_running_requests_end", FAKE, function()
  local server = T.ok(http.server("127.0.0.1:0", function(_, res)
    net.sleep(2)
    res:send(200, "done")
  end))
  local running = net.spawn(server.run, server)
  local idle <close> = T.ok(net.connect(server.address))
  local busy <close> = T.ok(net.connect(server.address))
  busy:send(GET .. GET)
  T.turns()
  local begun = net.now()
  local stopping = net.spawn(server.stop, server)
  T.eq(idle:read("a"), "")
  T.ok(net.now() - begun < 1)
  local answers = busy:read("a")
  T.eq(web.statuses(answers), "200")
  T.match(answers, "\r\nConnection: close\r\n")
  T.eq(stopping:join(), true)
  T.eq(running:join(), true)
  T.fails("ECONNREFUSED", net.connect(server.address))
end)

T.test("a_request_that_takes_longer_than_the_grace_is_cancelled", FAKE, function()
  local closed
  local server = T.ok(http.server("127.0.0.1:0", function(_, res)
    local _ <close> = setmetatable({}, { __close = function() closed = true end })
    net.sleep(1000)
    res:send(200)
  end))
  local running = net.spawn(server.run, server)
  local s <close> = T.ok(net.connect(server.address))
  s:send(GET)
  T.turns()
  local begun = net.now()
  T.eq(server:stop(3), true)
  T.ok(net.now() - begun < 5)
  T.eq(closed, true)
  T.eq(s:read("a"), "")
  T.eq(running:join(), true)
end)

T.test("a_server_whose_task_is_cancelled_leaves_nothing", FAKE, function()
  local server = T.ok(http.server("127.0.0.1:0", function() net.sleep(1000) end))
  local running = net.spawn(server.run, server)
  local s <close> = T.ok(net.connect(server.address))
  s:send(GET)
  T.turns()
  running:cancel()
  T.fails("cancelled", running:join())
  T.eq(s:read("a"), "")
end)

T.test("serve_ends_by_a_signal", function()
  local task
  task = net.spawn(function()
    return http.serve("127.0.0.1:0", ok)
  end)
  T.turns()
  net.spawn(function() os.execute("kill -TERM $PPID") end)
  T.eq(task:join(), true)
end)

-- --- the log ---------------------------------------------------------------------------

local function logged(format, requests, handler)
  local path = os.tmpname()
  local file = io.open(path, "wb")
  do
    local site <close> = web.serve(handler or function(_, res) res:send(200, "hello") end,
      { log = { format = format, file = file } })
    for _, request in ipairs(requests) do site:ask(request) end
  end
  file:close()
  local f <close> = io.open(path, "rb")
  os.remove(path)
  return f:read("a")
end

T.test("the_common_log_has_a_line_for_each_request", FAKE, function()
  local text = logged("common", { GET, "junk\r\n\r\n", "GET /a\"b\\ HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /a\\x HTTP/1.1\r\nHost: x\r\n\r\n" })
  local time = "%[%d%d/%u%l%l/%d%d%d%d:%d%d:%d%d:%d%d %+0000%]"
  T.match(text, '^127.0.0.1 %- %- ' .. time .. ' "GET / HTTP/1.1" 200 5\n'
    .. '127.0.0.1 %- %- ' .. time .. ' "%-" 400 %d+\n'
    .. '127.0.0.1 %- %- ' .. time .. ' "%-" 400 %d+\n'
    .. '127.0.0.1 %- %- ' .. time .. ' "GET /a\\x5cx HTTP/1.1" 200 5\n$')
end)

T.test("the_json_log_is_lines_of_json", FAKE, function()
  local text = logged("json", {
    "GET /x HTTP/1.1\r\nHost: x\r\nUser-Agent: \xff\"\r\nReferer: ç\r\n\r\n", "junk\r\n\r\n" })
  T.match(text, '^{"time":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ","peer":"127.0.0.1:%d+",'
    .. '"method":"GET","target":"\\?/x","version":"1.1","status":200,"bytes":5,"seconds":[%d.e-]+,'
    .. '"referer":"ç","user_agent":"[^\n]*"}\n{"time":"[^"]+","peer":"[^"]+","status":400,'
    .. '"bytes":%d+}\n$')
  T.ok(utf8.len(text))
end)

T.test("fields_of_an_answer_that_never_went_are_in_no_line", FAKE, function()
  local text = logged("json", { GET }, function(_, res)
    res:header("X-Left", "behind")
    core.socket_of(res):close()
  end)
  T.match(text, '^{"time":[^\n]*"target":"/"[^\n]*}\n$')
  T.ok(not text:find("Left", 1, true), text)
end)

T.test("a_log_function_gets_each_entry", FAKE, function()
  local entries = {}
  local site <close> = web.serve(function(_, res) res:send(201, "abc") end,
    { log = function(entry) entries[#entries + 1] = entry end })
  site:ask(GET)
  T.eq(#entries, 1)
  T.eq(entries[1].status, 201)
  T.eq(entries[1].bytes, 3)
  T.eq(entries[1].method, "GET")
  T.eq(entries[1].peer.host, "127.0.0.1")
end)

T.test("a_log_that_cannot_be_written_is_dropped_and_counted", FAKE, function()
  local full = io.open("/dev/full", "wb")
  local site <close> = web.serve(ok, { log = { format = "common", file = full } })
  for _ = 1, 3 do T.eq(web.status(site:ask(GET)), 200) end
  T.eq(site.server:counts().dropped, 3)
end)
