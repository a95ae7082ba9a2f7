-- Bodies of requests: framing, limits, 100-continue, and what nobody has read.

local net = require "net"
local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }

local function echo(req, res)
  res:send(200, assert(req:body()))
end

local function chunked(body, fields)
  return "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" .. (fields or "")
    .. "Transfer-Encoding: chunked\r\n\r\n" .. body
end

-- --- framing ---------------------------------------------------------------------------

T.test("a_body_has_the_length_that_its_head_tells", FAKE, function()
  local site <close> = web.serve(echo)
  local answers = site:ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    .. "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    .. "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi!")
  local bodies = {}
  answers = answers:gsub("Connection: close\r\n", "")
  for length, body in answers:gmatch("Content%-Length: (%d+)\r\n\r\n(%l*)") do
    T.eq(#body, tonumber(length))
    bodies[#bodies + 1] = body
  end
  T.eq(table.concat(bodies, ","), "hello,,hi")
end)

-- body, what it is, section
local good_chunks = {
  { "5\r\nhello\r\n0\r\n\r\n", "hello", "RFC 9112 section 7.1" },
  { "5\r\nhello\r\n1\r\n!\r\n000\r\n\r\n", "hello!", "RFC 9112 section 7.1: zeros" },
  { "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", "RFC 9112 section 7.1: either case" },
  { "1;a=b;c=\"d\"\r\nx\r\n0;e\r\n\r\n", "x", "RFC 9112 section 7.1.1: extensions" },
  { "1\r\nx\r\n0\r\nTrailer: y\r\nZ: w\r\n\r\n", "x", "RFC 9112 section 7.1.2: trailers" },
  { "0\r\n\r\n", "", "RFC 9112 section 7.1" },
}

local bad_chunks = {
  { "x\r\nhello\r\n0\r\n\r\n", 400, "RFC 9112 section 7.1: no size" },
  { "0x5\r\nhello\r\n0\r\n\r\n", 400, "RFC 9112 section 7.1" },
  { "+5\r\nhello\r\n0\r\n\r\n", 400, "RFC 9112 section 7.1" },
  { "-5\r\nhello\r\n0\r\n\r\n", 400, "RFC 9112 section 7.1" },
  { "1_0\r\nhello\r\n0\r\n\r\n", 400, "RFC 9112 section 7.1" },
  { "5\r\nhelloX\r\n0\r\n\r\n", 400, "RFC 9112 section 7.1: no CRLF behind the data" },
  { "5\nhello\r\n0\r\n\r\n", 400, "RFC 9112 section 2.2: a bare LF" },
  { "8000000000000000\r\n", 400, "RFC 9112 section 7.1: a size beyond 2^63" },
  { "fffffffffffffffff\r\n", 400, "RFC 9112 section 7.1: a size beyond 64 bits" },
  { "5;" .. ("a"):rep(300) .. "\r\nhello\r\n0\r\n\r\n", 400,
    "RFC 9112 section 7.1.1: an endless extension" },
  { "1\r\nx\r\n0\r\nno colon\r\n\r\n", 400, "RFC 9112 section 7.1.2" },
  { "1\r\nx\r\n0\r\n" .. ("A: b\r\n"):rep(101) .. "\r\n", 431, "RFC 6585 section 5" },
}

T.test("chunks_are_put_together", FAKE, function()
  local site <close> = web.serve(echo)
  for _, row in ipairs(good_chunks) do
    local answer = site:ask(chunked(row[1]))
    T.eq(web.status(answer), 200, row[3])
    T.eq(web.body(answer), row[2], row[3])
  end
end)

T.test("chunks_mean_the_same_however_they_are_cut", FAKE, function()
  local site <close> = web.serve(echo)
  local body = "5;ext\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n"
  for cut = 1, #body - 1 do
    local answer = site:ask { chunked(body:sub(1, cut)), body:sub(cut + 1) }
    T.eq(web.body(answer), "hello0123456789abcdef", "cut at " .. cut)
  end
  local pieces = { chunked("") }
  for i = 1, #body do pieces[i + 1] = body:sub(i, i) end
  T.eq(web.body(site:ask(pieces)), "hello0123456789abcdef")
end)

T.test("bad_chunks_are_answered_and_the_connection_closes", FAKE, function()
  local site <close> = web.serve(echo)
  for _, row in ipairs(bad_chunks) do
    local answer = site:ask(chunked(row[1]):gsub("Connection: close\r\n", "")
      .. "GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
    T.eq(web.statuses(answer), tostring(row[2]), row[3])
    T.match(answer, "\r\nConnection: close\r\n")
  end
end)

T.test("a_body_that_ends_early_is_an_error", FAKE, function()
  local codes = {}
  local site <close> = web.serve(function(req, res)
    local _, _, code = req:body()
    codes[#codes + 1] = code
    res:send(200)
  end)
  site:ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\nfew")
  site:ask(chunked("5\r\nhel"))
  site:ask(chunked("5\r\nhello\r\n"))
  T.eq(T.list(codes), "oversized eof eof")
end)

T.test("memory_grows_with_what_comes_and_not_with_what_is_promised", FAKE, function()
  local kilobytes, code, _
  local site <close> = web.serve(function(req, res)
    local before = collectgarbage("count")
    _, _, code = req:body(1 << 40)
    kilobytes = collectgarbage("count") - before
    res:send(200)
  end)
  site:ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000000\r\n\r\nfew")
  T.eq(code, "eof")
  T.ok(kilobytes < 100, kilobytes)
end)

-- --- reading ---------------------------------------------------------------------------

T.test("read_gives_pieces_and_nil_at_the_end", FAKE, function()
  local pieces = {}
  local site <close> = web.serve(function(req, res)
    for piece in function() return req:read(4) end do pieces[#pieces + 1] = piece end
    T.eq(req:read(), nil)
    res:send(200)
  end)
  site:post("/", "0123456789")
  T.eq(T.list(pieces), "0123 4567 89")
  pieces = {}
  site:ask(chunked("6\r\n012345\r\n4\r\n6789\r\n0\r\n\r\n"))
  T.eq(T.list(pieces), "0123 4567 89")
end)

T.test("body_gives_the_same_again", FAKE, function()
  local site <close> = web.serve(function(req, res)
    T.eq(req:body(), "hello")
    T.eq(req:body(), "hello")
    T.eq(req:read(), nil)
    res:send(200)
  end)
  T.eq(web.status(site:post("/", "hello")), 200)
end)

T.test("lines_strip_their_ends_wherever_pieces_are_cut", FAKE, function()
  local lines
  local site <close> = web.serve(function(req, res)
    lines = {}
    for line in req:lines() do lines[#lines + 1] = line end
    res:send(200)
  end)
  local text = "one\r\ntwo\n\nfour\rx\r\nlast"
  for cut = 0, #text do
    local head = ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(#text)
    site:ask { head .. text:sub(1, cut), text:sub(cut + 1) }
    T.eq(table.concat(lines, "|"), "one|two||four\rx|last", "cut at " .. cut)
  end
end)

T.test("a_line_without_end_is_refused", FAKE, function()
  local site <close> = web.serve(function(req, res)
    for _ in req:lines(1000) do end
    res:send(200)
  end)
  T.eq(web.status(site:post("/", ("x"):rep(2000))), 413)
end)

T.test("json_is_read_and_bad_json_is_a_failure_with_a_status", FAKE, function()
  local site <close> = web.serve(function(req, res)
    local value = assert(req:json())
    res:send(200, tostring(value.a[2]))
  end)
  T.eq(web.body(site:post("/", '{"a": [1, "ç"]}')), "ç")
  T.eq(web.status(site:post("/", "{")), 400)
  T.eq(web.status(site:post("/", "")), 400)
  T.eq(web.status(site:get("/")), 411)
end)

T.test("json_null_is_no_failure", FAKE, function()
  local site <close> = web.serve(function(req, res)
    local value, err = req:json()
    res:send(200, type(value) .. " " .. tostring(err))
  end)
  T.eq(web.body(site:post("/", "null")), "userdata nil")
  T.eq(web.body(site:post("/", "false")), "boolean nil")
end)

-- --- limits ----------------------------------------------------------------------------

T.test("a_body_over_the_limit_is_413_before_it_is_read", FAKE, function()
  local site <close> = web.serve(echo, { body = 10 })
  T.eq(web.status(site:post("/", ("x"):rep(10))), 200)
  local answer = site:ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n" .. ("x"):rep(11))
  T.eq(web.status(answer), 413)
  T.match(answer, "\r\nConnection: close\r\n")
  T.eq(web.status(site:ask(chunked("b\r\n0123456789a\r\n0\r\n\r\n"))), 413)
end)

T.test("an_expecting_client_is_invited_at_the_first_read", FAKE, function()
  local site <close> = web.serve(echo)
  local s <close> = site:connect()
  s:send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
  T.eq(s:read_until("\r\n\r\n"), "HTTP/1.1 100 Continue")
  s:send("hello")
  T.eq(s:read(), "HTTP/1.1 200 OK")
  s:read_until("\r\n\r\n")
  T.eq(s:read_exact(5), "hello")
end)

T.test("an_expecting_client_that_is_refused_is_not_invited_and_must_reconnect", FAKE, function()
  local site <close> = web.serve(echo, { body = 10 })
  local answer = site:ask(
    "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 50\r\n\r\n")
  T.eq(web.statuses(answer), "413")
  T.match(answer, "\r\nConnection: close\r\n")
end)

T.test("a_client_that_has_begun_to_send_is_not_invited", FAKE, function()
  local site <close> = web.serve(echo)
  local answer = site:ask("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
    .. "Content-Length: 5\r\n\r\nhello")
  T.eq(web.statuses(answer), "200") -- RFC 9110 section 10.1.1
end)

T.test("an_unread_body_is_dropped_so_that_the_connection_goes_on", FAKE, function()
  local site <close> = web.serve(function(req, res) res:send(200, req.method) end)
  local answers = site:ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    .. ("x"):rep(100000) .. "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
  T.unbroken(web.statuses(answers), "200 200")
end)

T.test("a_long_unread_body_ends_the_connection_and_the_answer_arrives", function()
  local site <close> = web.serve(function(_, res) res:send(200, "no thanks") end)
  local body = ("x"):rep(2000000)
  local answer = site:ask { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n", body }
  T.eq(web.body(answer), "no thanks")
  T.match(answer, "\r\nConnection: close\r\n")
end)

T.test("a_body_that_comes_too_slowly_is_408", FAKE, function()
  local site <close> = web.serve(echo, { body_timeout = 2, rate = 100 })
  local s <close> = site:connect()
  s:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
  local begun = net.now()
  T.eq(web.status(s:read("a")), 408)
  T.ok(net.now() - begun < 5)
end)

T.test("dripping_bytes_do_not_buy_time", FAKE, function()
  local site <close> = web.serve(echo, { body_timeout = 2, rate = 100 })
  local s <close> = site:connect()
  s:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")
  local begun = net.now()
  net.spawn(function()
    while net.now() - begun < 10 and s:send("x") do net.sleep(0.1) end
  end)
  T.eq(web.status(s:read("a")), 408)
  T.ok(net.now() - begun < 3.5)
end)

T.test("a_body_that_keeps_its_rate_may_take_long", FAKE, function()
  local site <close> = web.serve(echo, { body_timeout = 2, rate = 100 })
  local s <close> = site:connect()
  s:send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n")
  for _ = 1, 10 do
    net.sleep(1)
    s:send(("x"):rep(200))
  end
  T.eq(web.status(s:read("a")), 200)
end)

T.test("a_client_that_vanishes_in_mid_body_ends_its_task_alone", FAKE, function()
  local codes = {}
  local site <close> = web.serve(function(req, res)
    local _, err, code = req:body()
    codes[#codes + 1] = code
    if err then error(err) end
    res:send(200)
  end)
  local s = site:connect()
  s:send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhal")
  T.turns()
  s:close()
  T.turns()
  T.eq(T.list(codes), "eof")
  T.eq(web.status(site:get("/")), 200)
end)
