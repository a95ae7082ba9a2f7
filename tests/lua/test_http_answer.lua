-- Answers: whole, in pieces, JSON, redirects, cookies, events, other protocols.

local net = require "net"
local http = require "net.http"
local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }

local function answer_of(handler, request)
  local site <close> = web.serve(handler)
  return site:ask(request or "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
end

-- --- whole answers ---------------------------------------------------------------------

T.test("an_answer_is_status_line_fields_and_body", FAKE, function()
  T.eq(answer_of(function(_, res) T.eq(res:send(200, "hello"), true) end),
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 5\r\n\r\nhello")
  T.eq(answer_of(function(_, res) res:send(404) end),
    "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
  T.eq(answer_of(function(_, res) res:send(599, 42) end),
    "HTTP/1.1 599 \r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\n42")
end)

T.test("an_answer_tells_its_date_and_server", FAKE, function()
  local site <close> = web.serve(function(_, res) res:send(200) end)
  local s <close> = site:connect()
  s:send("GET / HTTP/1.0\r\n\r\n")
  local text = s:read("a")
  T.match(text, "\r\nDate: %u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT\r\n")
  T.match(text, "\r\nServer: soquete\r\n")
end)

T.test("fields_go_in_the_order_of_their_names", FAKE, function()
  T.match(answer_of(function(_, res)
    res:send(200, "x", { c = 3, ["B-b"] = { "1", 2 }, a = "", ["Content-Type"] = "text/x" })
  end), "OK\r\nB%-b: 1\r\nB%-b: 2\r\nContent%-Type: text/x\r\na: \r\nc: 3\r\nContent%-Length: 1\r\n\r\nx$")
end)

T.test("header_replaces_and_add_header_adds", FAKE, function()
  T.match(answer_of(function(_, res)
    res:header("A", "1"):header("b", "2"):header("a", "3"):add_header("B", "4")
    res:header("C", "5"):header("c", nil)
    res:send(200)
  end), "OK\r\nb: 2\r\na: 3\r\nB: 4\r\nContent%-Length: 0\r\n\r\n$")
end)

T.test("a_field_that_would_break_the_message_raises_and_nothing_is_sent", FAKE, function()
  for _, bad in ipairs { "a\rb", "a\nb", "a\0b", "a\r\nSet-Cookie: x", "\127", "\27[1m" } do
    local answer = answer_of(function(_, res)
      T.raises("header 'X%-Own': the value holds a control byte", res.header, res, "X-Own", bad)
      T.raises("X%-Own", res.send, res, 200, "x", { ["X-Own"] = bad })
      T.raises("control byte", res.redirect, res, "/" .. bad)
      res:send(204)
    end)
    T.eq(answer, "HTTP/1.1 204 No Content\r\n\r\n")
  end
  answer_of(function(_, res)
    for _, name in ipairs { "", "a b", "a:", "a\r\nb", "ç" } do
      T.raises("not a token", res.header, res, name, "x")
    end
    T.raises("a string, a number or a list", res.header, res, "A", {{}})
    T.raises("framed", res.header, res, "Transfer-Encoding", "chunked")
    T.raises("number of bytes", res.header, res, "Content-Length", "-1")
    T.raises("only \"close\"", res.header, res, "Connection", "upgrade")
    T.raises("status from 200", res.send, res, 101)
    T.raises("status from 200", res.send, res, 1000)
    res:send(200)
  end)
end)

T.test("a_script_may_end_the_connection", FAKE, function()
  local answers = answer_of(function(_, res)
    res:header("Connection", "close"):send(200)
  end, ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(2))
  T.eq(web.statuses(answers), "200")
  T.match(answers, "\r\nConnection: close\r\n")
end)

T.test("a_second_answer_raises", FAKE, function()
  answer_of(function(_, res)
    T.eq(res.sent, false)
    res:send(201)
    T.eq(res.sent, true)
    T.eq(res.status, 201)
    T.raises("has been answered", res.send, res, 200)
    T.raises("has been answered", res.write, res, "x")
    T.raises("has been answered", res.header, res, "a", "b")
  end)
end)

T.test("an_answer_to_a_request_that_is_over_raises", FAKE, function()
  local kept
  local site <close> = web.serve(function(_, res)
    kept = kept or res
    if kept ~= res then T.raises("is over", kept.send, kept, 200) end
    res:send(200)
  end)
  site:ask(("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(2))
  T.raises("is over", kept.send, kept, 200)
end)

T.test("misspelt_names_of_res_raise_with_the_right_one", FAKE, function()
  answer_of(function(_, res)
    T.raises("did you mean 'redirect'", function() return res.redirekt end)
    T.raises("no field 'stats'", function() res.stats = 1 end)
    res:send(200)
  end)
end)

-- --- no body ---------------------------------------------------------------------------

T.test("head_has_the_fields_of_get_and_no_body", FAKE, function()
  local function handler(_, res) res:send(200, "hello") end
  local get = answer_of(handler)
  local head = answer_of(handler, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
  T.eq(head .. "hello", get)
  local pieces = answer_of(function(_, res) res:write("hello") end, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
  T.eq(pieces, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
end)

T.test("204_205_and_304_never_have_a_body", FAKE, function()
  T.eq(answer_of(function(_, res) res:send(204, "x") end), "HTTP/1.1 204 No Content\r\n\r\n")
  T.eq(answer_of(function(_, res) res:header("ETag", '"x"'):send(304, "x") end),
    'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n\r\n')
  T.eq(answer_of(function(_, res) res:send(205, "x") end),
    "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n")
  answer_of(function(_, res)
    res.status = 204
    T.eq(res:write(""), true)
    T.raises("has no body", res.write, res, "x")
  end)
end)

-- --- answers in pieces -----------------------------------------------------------------

T.test("pieces_are_chunks", FAKE, function()
  T.eq(answer_of(function(_, res)
    res:write("hello")
    res:write("")
    res:write(("x"):rep(16))
  end), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n" .. ("x"):rep(16)
    .. "\r\n0\r\n\r\n")
end)

T.test("pieces_for_http_1_0_end_with_the_connection", FAKE, function()
  T.eq(answer_of(function(_, res)
    res.status = 202
    res:write("a")
    res:write("b")
  end, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"),
    "HTTP/1.1 202 Accepted\r\nConnection: close\r\n\r\nab")
end)

T.test("pieces_of_a_promised_length_need_no_chunks", FAKE, function()
  T.match(answer_of(function(_, res)
    res:header("Content-Length", 6)
    res:write("abc")
    res:write("def")
    T.raises("more bytes than the Content%-Length of 6", res.write, res, "g")
  end), "\r\nContent%-Length: 6\r\n\r\nabcdef$")
end)

T.test("fewer_bytes_than_promised_end_the_connection", FAKE, function()
  local answers = answer_of(function(_, res)
    res:header("Content-Length", 6):write("abc")
  end, ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(2))
  T.eq(web.statuses(answers), "200")
  T.match(answers, "\r\n\r\nabc$")
  answer_of(function(_, res)
    res:header("Content-Length", 6)
    T.raises("says 6, but the body has 3", res.send, res, 200, "abc")
    res:header("Content-Length", 3):send(200, "abc")
  end)
end)

T.test("long_pieces_arrive_whole", function()
  local big = ("0123456789abcdef"):rep(65536) -- 1 MiB
  local site <close> = web.serve(function(req, res)
    if req.path == "/send" then return res:send(200, big) end
    res:write("a")
    res:write(big)
  end)
  T.eq(web.body(site:get("/send")), big)
  T.eq(web.body(site:get("/write")), "1\r\na\r\n100000\r\n" .. big .. "\r\n0\r\n\r\n")
end)

T.test("a_reader_that_does_not_read_holds_the_writer", FAKE, function()
  local written = 0
  local site <close> = web.serve(function(_, res)
    local piece = ("x"):rep(10000)
    while res:write(piece) do written = written + #piece end
  end, { body_timeout = 5 })
  local s <close> = site:connect()
  s:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
  T.turns(100)
  T.ok(written < 400000, written)
  net.sleep(400) -- and not for ever
  T.eq(site.server.count, 0)
end)

T.test("a_client_that_goes_while_it_is_answered_is_nobodys_fault", FAKE, function()
  local code
  local site <close> = web.serve(function(_, res)
    local ok, err
    repeat
      ok, err, code = res:write(("x"):rep(10000))
    until not ok
    error(err)
  end)
  local s = site:connect()
  s:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
  s:recv(1)
  s:close()
  T.turns(20)
  T.ok(code == "EPIPE" or code == "ECONNRESET", code)
end)

-- --- errors ----------------------------------------------------------------------------

T.test("an_error_in_a_handler_is_500_and_its_traceback_is_on_stderr",
  { net = "fake", stderr = { "GET /x: .*boom", "traceback" } }, function()
    local site <close> = web.serve(function(req, res)
      if req.path ~= "/x" then return res:send(200) end
      res:header("X-Secret", "1")
      error("boom")
    end)
    local answers = site:ask("GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
    T.eq(web.statuses(answers), "500 200")
    T.ok(not answers:find("boom") and not answers:find("Secret"))
  end)

T.test("an_error_behind_the_head_cuts_the_answer",
  { net = "fake", stderr = "boom" }, function()
    local answers = answer_of(function(_, res)
      res:write("part")
      error("boom")
    end, ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(2))
    T.match(answers, "\r\n\r\n4\r\npart\r\n$")
  end)

T.test("an_error_behind_a_whole_answer_is_told_and_harms_nobody",
  { net = "fake", stderr = "boom" }, function()
    local answers = answer_of(function(_, res)
      res:send(200)
      error("boom")
    end, ("GET / HTTP/1.1\r\nHost: x\r\n\r\n"):rep(2))
    T.eq(web.statuses(answers), "200 200")
  end)

T.test("a_traceback_shows_the_script_and_not_the_server",
  { net = "fake", stderr = "tests/lua/test_http_answer.lua:%d+: in " }, function()
    answer_of(function() error("boom") end)
    T.ok(not T.stderr():find("soquete:net"))
  end)

T.test("a_cancelled_handler_cannot_go_on_sending", FAKE, function()
  local server, sent = nil, 0
  server = T.ok(http.server("127.0.0.1:0", function(_, res)
    pcall(net.sleep, 1000)
    while pcall(res.write, res, "x") do sent = sent + 1 end
  end))
  local running = net.spawn(server.run, server)
  local s <close> = T.ok(net.connect(server.address))
  s:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
  T.turns()
  server:stop(0.1)
  T.eq(running:join(), true)
  T.eq(sent, 0)
end)

T.test("a_handler_that_sends_nothing_is_500",
  { net = "fake", stderr = "GET /: the handler has sent nothing" }, function()
    T.eq(web.status(answer_of(function() end)), 500)
  end)

T.test("an_error_with_a_status_is_that_answer", FAKE, function()
  T.eq(web.status(answer_of(function() error { status = 403 } end)), 403)
end)

T.test("an_error_with_a_status_that_is_no_failure_is_500",
  { net = "fake", stderr = "GET /: table: 0x" }, function()
    for _, status in ipairs { 42, 101, 204, 302, 1000 } do
      T.eq(web.status(answer_of(function() error { status = status } end)), 500)
    end
  end)

-- --- more than text --------------------------------------------------------------------

T.test("json_is_written", FAKE, function()
  local text = answer_of(function(_, res) res:json({ 1, "ç", { a = true } }, 201) end)
  T.match(text, "^HTTP/1.1 201 Created\r\nContent%-Type: application/json\r\n")
  T.eq(web.body(text), '[1,"ç",{"a":true}]')
  answer_of(function(_, res)
    T.raises("json:", res.json, res, { f = print })
    res:send(200)
  end)
end)

T.test("redirect_names_the_place", FAKE, function()
  T.match(answer_of(function(_, res) res:redirect("/there") end),
    "^HTTP/1.1 302 Found\r\nLocation: /there\r\n")
  T.match(answer_of(function(_, res) res:redirect("https://x/", 308) end), "^HTTP/1.1 308 ")
end)

T.test("cookies_are_written_with_their_attributes", FAKE, function()
  T.match(answer_of(function(_, res)
    res:cookie("a", "1")
    res:cookie("b", "xy", {
      domain = "example.org", expires = 784111777, http_only = true, max_age = 60, path = "/",
      same_site = "Lax", secure = true,
    })
    res:send(200)
  end), "Set%-Cookie: a=1\r\nSet%-Cookie: b=xy; Path=/; Domain=example.org; Max%-Age=60; "
    .. "Expires=Sun, 06 Nov 1994 08:49:37 GMT; SameSite=Lax; Secure; HttpOnly\r\n")
  T.raises("must be a token", http.cookie, "a b", "1")
  for _, bad in ipairs { "a;b", "a b", 'a"b', "a,b", "a\\b", "a\r\n", "ç" } do
    T.raises("holds a byte", http.cookie, "a", bad)
  end
  T.raises("Path holds", http.cookie, "a", "1", { path = "/; Domain=evil" })
  T.raises("no attribute 'pth'", http.cookie, "a", "1", { pth = "/" })
end)

T.test("events_are_lines", FAKE, function()
  T.match(answer_of(function(_, res)
    local events = T.ok(res:events())
    events:send("one")
    events:send { event = "tick", id = 7, data = "a\nb\r\nc", retry = 1000 }
    events:comment("still here")
    T.raises("cannot hold a line's end", events.send, events, { event = "a\nb" })
  end, "GET / HTTP/1.0\r\n\r\n"), "Content%-Type: text/event%-stream\r\n.*\r\n\r\ndata: one\n\n"
    .. "event: tick\nid: 7\nretry: 1000\ndata: a\ndata: b\ndata: c\n\n: still here\n\n$")
end)

T.test("events_end_when_the_client_goes", FAKE, function()
  local code
  local site <close> = web.serve(function(_, res)
    local events = res:events()
    local ok
    repeat
      net.sleep(1)
      ok, _, code = events:send("tick")
    until not ok
  end)
  local s = site:connect()
  s:send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
  s:recv()
  s:close()
  net.sleep(10)
  T.ok(code == "EPIPE" or code == "ECONNRESET", code)
end)

T.test("upgrade_hands_the_connection_over", FAKE, function()
  local site <close> = web.serve(function(req, res)
    T.eq(req.upgrade, true)
    T.eq(req.headers.upgrade, "shout")
    local s = T.ok(res:upgrade("shout"))
    for line in s:lines() do s:send(line:upper() .. "\n") end
  end)
  local s <close> = site:connect()
  s:send("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: shout\r\n\r\nearly\n")
  T.match(s:read_until("\r\n\r\n"), "^HTTP/1.1 101 Switching Protocols\r\n.*Upgrade: shout\r\n"
    .. "Connection: Upgrade")
  T.eq(s:read(), "EARLY")
  s:send("late\n")
  T.eq(s:read(), "LATE")
  s:shutdown()
  T.eq(s:read("a"), "")
end)

T.test("an_upgrade_needs_a_client_that_asks_for_it", FAKE, function()
  local site <close> = web.serve(function(_, res)
    local _, _, code = res:upgrade("shout")
    res:send(400, code)
  end)
  local rows = { "", "Connection: upgrade\r\nUpgrade: h2c, shouting\r\n", "Upgrade: shout\r\n" }
  for _, fields in ipairs(rows) do
    local answer = site:ask("GET / HTTP/1.1\r\nHost: x\r\n" .. fields .. "\r\n")
    T.eq(web.status(answer), 400)
    T.eq(web.body(answer), "invalid")
  end
end)

-- --- what an answer is not --------------------------------------------------------------

T.test("a_body_of_another_length_than_promised_raises", FAKE, function()
  T.match(answer_of(function(_, res)
    res:header("Content-Length", 3)
    T.raises("Content%-Length says 3, but the body has 5 bytes", res.send, res, 200, "hello")
    res:send(200, "abc")
  end), "\r\nContent%-Length: 3\r\n.*abc$")
end)

T.test("fields_have_a_bound_and_their_names_are_strings", FAKE, function()
  answer_of(function(_, res)
    T.raises("more than 65536 bytes of headers", res.header, res, "a", ("x"):rep(70000))
    T.raises("headers: a name is a string, not number", res.send, res, 200, "x", { "a" })
    res:send(200)
  end)
end)

T.test("a_script_may_set_date_and_server_itself", FAKE, function()
  local site <close> = web.serve(function(_, res)
    res:header("Date", "today"):header("Server", "mine"):send(200)
  end)
  local s <close> = site:connect()
  s:send("GET / HTTP/1.0\r\n\r\n")
  local text = s:read("a")
  T.match(text, "\r\nDate: today\r\nServer: mine\r\n")
  T.eq(select(2, text:gsub("\r\nDate:", "")), 1)
  T.eq(select(2, text:gsub("\r\nServer:", "")), 1)
end)

T.test("an_answer_shows_whether_it_was_sent", FAKE, function()
  answer_of(function(_, res)
    T.eq(tostring(res) .. " " .. tostring(res.status), "response (not sent) nil")
    res:send(200)
    T.eq(tostring(res) .. " " .. tostring(res.status), "response (sent) 200")
  end)
end)
