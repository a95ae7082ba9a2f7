-- The client: requests as they go out, answers in every framing and with every early end,
-- redirects, retries, the pool, deadlines. The servers are scripted, byte by byte.

local net = require "net"
local http = require "net.http"
local pool = require "net.http.pool"
local T = require "harness"

local FAKE = { net = "fake" }
local OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

-- A server that runs `script(conn, number)` for each connection, one after the other, and
-- closes it. Its `url`; `count` connections so far.
local function serve(script, address)
  local listener = T.listener(address)
  local site = { url = "http://" .. listener:getsockname(), count = 0 }
  local task = net.spawn(function()
    while true do
      local conn = listener:accept()
      if not conn then return end
      site.count = site.count + 1
      local number = site.count
      net.spawn(function()
        local _ <close> = conn
        script(conn, number)
      end)
    end
  end)
  return setmetatable(site, {
    __close = function()
      http.close_idle()
      listener:close()
      task:join()
    end,
  })
end

-- The head of the next request and its body by Content-Length; nil at the end.
local function request(conn)
  local head = conn:read_until("\r\n\r\n")
  if not head then return nil end
  local length = tonumber(head:match("\r\nContent%-Length: (%d+)")) or 0
  return head .. "\r\n\r\n", length > 0 and conn:read_exact(length) or ""
end

-- Answers each request of a connection with the same bytes.
local function always(bytes)
  return serve(function(conn)
    while request(conn) do conn:send(bytes) end
  end)
end

-- Answers one request with the bytes, then ends the connection.
local function once(bytes)
  return serve(function(conn)
    request(conn)
    conn:send(bytes)
  end)
end

local function answer(status, fields, body)
  return ("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s"):format(status, fields or "",
    #(body or ""), body or "")
end

-- --- what goes out ---------------------------------------------------------------------

-- Gives what a request looks like on the wire.
local function wire(options)
  local seen
  local site <close> = serve(function(conn)
    local head, body = request(conn)
    seen = head .. body
    conn:send(OK)
  end)
  options.url = site.url .. (options.url or "/")
  T.eq(T.ok(http.request(options)):body(), "ok")
  return (seen:gsub("Host: 127.0.0.1:%d+", "Host: H"))
end

local DEFAULTS = "Host: H\r\nAccept: */*\r\n"
local AGENT = "User-Agent: soquete/0.1.0\r\n"

T.test("a_get_says_what_it_wants_and_who_asks", FAKE, function()
  T.eq(wire { url = "/a?b=c#d" }, "GET /a?b=c HTTP/1.1\r\n" .. DEFAULTS .. AGENT .. "\r\n")
  T.eq(wire { url = "" }, "GET / HTTP/1.1\r\n" .. DEFAULTS .. AGENT .. "\r\n")
  T.eq(wire { url = "?x" }, "GET /?x HTTP/1.1\r\n" .. DEFAULTS .. AGENT .. "\r\n")
end)

T.test("host_tells_the_port_unless_it_is_80_and_brackets_ipv6", FAKE, function()
  for _, row in ipairs {
    { "127.0.0.1:80", "http://127.0.0.1/", "127.0.0.1" },
    { "127.0.0.1:80", "http://127.0.0.1:80/", "127.0.0.1" },
    { "[::1]:80", "http://[::1]/", "[::1]" },
    { "[::1]:8080", "http://[::1]:8080/", "[::1]:8080" },
    { "127.0.0.1:8080", "http://localhost:8080/", "localhost:8080" },
  } do
    local host
    local site <close> = serve(function(conn)
      host = request(conn):match("\r\nHost: (%S+)\r\n")
      conn:send(OK)
    end, row[1])
    T.eq(T.ok(http.get(row[2])):body(), "ok")
    T.eq(host, row[3])
  end
end)

T.test("the_scripts_fields_replace_our_own_in_any_case", FAKE, function()
  T.eq(wire { headers = { ["user-agent"] = "me", ACCEPT = "text/html", ["X-A"] = { 1, 2 } } },
    "GET / HTTP/1.1\r\nHost: H\r\nACCEPT: text/html\r\nX-A: 1\r\nX-A: 2\r\nuser-agent: me\r\n\r\n")
  T.eq(wire { headers = { host = "other" } }:match("host: (%a+)"), "other")
end)

T.test("bodies_are_texts_forms_or_json", FAKE, function()
  local function sent(options)
    options.method = options.method or "POST"
    local text = wire(options)
    return text:match("^(%u+)") .. " " .. (text:match("[Cc]ontent%-[Tt]ype: (%S+)") or "-") .. " "
      .. (text:match("Content%-Length: (%d+)") or "-") .. " " .. text:match("\r\n\r\n(.*)$")
  end
  T.eq(sent { body = "text" }, "POST - 4 text")
  T.eq(sent { body = 42 }, "POST - 2 42")
  T.eq(sent { body = "" }, "POST - 0 ")
  T.eq(sent {}, "POST - 0 ")
  T.eq(sent { body = { b = "x y&z", a = { 1, 2 } } },
    "POST application/x-www-form-urlencoded 17 a=1&a=2&b=x+y%26z")
  T.eq(sent { json = { 1, "a" } }, 'POST application/json 7 [1,"a"]')
  T.eq(sent { json = { 1 }, method = "PUT", headers = { ["content-type"] = "x/y" } },
    "PUT x/y 3 [1]")
  T.eq(wire { body = "x" }:match("^%u+"), "POST")
end)

T.test("a_query_is_encoded_and_added", FAKE, function()
  local function target(url, query) return wire({ url = url, query = query }):match("^GET (%S+)") end
  T.eq(target("/", { b = "ç d", a = true }), "/?a=true&b=%C3%A7%20d")
  T.eq(target("/x?y=1#z", { n = { 1, 2 } }), "/x?y=1&n=1&n=2")
  T.eq(target("/x", "raw=1"), "/x?raw=1")
  T.eq(target("/x", {}), "/x")
end)

T.test("a_body_from_a_function_is_chunked", FAKE, function()
  local seen
  local site <close> = serve(function(conn)
    request(conn)
    seen = conn:read_until("0\r\n\r\n") .. "end"
    conn:send(OK)
    conn:read("a")
  end)
  local pieces = { "one", "", "three" }
  local res = T.ok(http.post(site.url, function() return table.remove(pieces, 1) end))
  T.eq(res:body(), "ok")
  T.eq(seen, "3\r\none\r\n5\r\nthree\r\nend")
  T.unbroken(pool.count(), 1)
end)

T.test("a_body_from_a_function_may_have_a_length", FAKE, function()
  local seen
  local site <close> = serve(function(conn)
    seen = select(2, request(conn))
    conn:send(OK)
  end)
  local function body(...)
    local pieces = { ... }
    return function() return table.remove(pieces, 1) end
  end
  local length = { headers = { ["Content-Length"] = 4 } }
  T.ok(http.post(site.url, body("ab", "cd"), length)):close()
  T.eq(seen, "abcd")
  T.raises("shorter than its Content%-Length", http.post, site.url, body("ab"), length)
  T.raises("more bytes than the Content%-Length", http.post, site.url, body("ab", "cde"), length)
  T.raises("a piece of the body is a string, not table", http.post, site.url, body({}))
  T.raises("own trouble", http.post, site.url, function() error("own trouble") end)
end)

T.test("a_long_body_arrives_whole", FAKE, function()
  local site <close> = serve(function(conn)
    local _, body = request(conn)
    conn:send(answer(200, nil, #body .. body:sub(-3)))
  end)
  local res = T.ok(http.post(site.url, ("x"):rep(3000000) .. "end"))
  T.eq(res:body(), "3000003end")
end)

T.test("wrong_use_raises_at_the_scripts_line", FAKE, function()
  local function line(pattern, ...)
    T.match(tostring(T.raises(pattern, ...)), "test_http_client.lua:%d+:")
  end
  local url = "http://127.0.0.1:1/"
  line("no option 'timeot'", function() http.get(url, { timeot = 1 }); return 1 end)
  line("options are a table", function() http.get(url, 1); return 1 end)
  line("a URL is needed", function() http.request {}; return 1 end)
  line("url cannot be a number", function() http.get(1); return 1 end)
  line("timeout cannot be negative", function() http.get(url, { timeout = -1 }); return 1 end)
  line("either body or json", function() http.post(url, "x", { json = 1 }); return 1 end)
  line("CONNECT", function() http.request { url = url, method = "CONNECT" }; return 1 end)
end)

T.test("a_header_that_would_become_two_raises_and_nothing_is_sent", FAKE, function()
  local site <close> = serve(function(conn) T.eq(conn:read("a"), "") end)
  for _, value in ipairs { "a\r\nb", "a\nb", "a\0b" } do
    T.raises("header 'X'", http.get, site.url, { headers = { X = value } })
  end
  T.raises("not a token", http.get, site.url, { headers = { ["a b"] = "x" } })
  T.raises("method", http.request, { url = site.url, method = "GET /x" })
  T.raises("Transfer%-Encoding", http.get, site.url, { headers = { ["transfer-encoding"] = "x" } })
end)

-- --- what comes back -------------------------------------------------------------------

T.test("an_answer_has_its_parts", FAKE, function()
  local site <close> = always("HTTP/1.1 404 Not Here\r\nSet-Cookie: a\r\nset-cookie: b\r\n"
    .. "Content-Length: 4\r\n\r\ntext")
  local res = T.ok(http.get(site.url .. "/x#part"))
  T.eq(res.status, 404)
  T.eq(res.reason, "Not Here")
  T.eq(res.ok, false)
  T.eq(res.url, site.url .. "/x")
  T.eq(res.version, "1.1")
  T.eq(res.length, 4)
  T.eq(res.headers["SET-COOKIE"], "a, b")
  T.list(res.headers:all("set-cookie"))
  T.eq(table.concat(res.headers:all("Set-Cookie"), "|"), "a|b")
  T.eq(res:body(), "text")
  T.eq(res:body(), "text")
  T.eq(res:read(), nil)
  T.match(tostring(res), "^answer %(404, http://127.0.0.1:%d+/x%)$")
  T.raises("the answer has no 'staus'", function() return res.staus end)
end)

local framings = { -- bytes, body, whether the connection is kept
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", 1 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n", "hello", 1 },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nA: b\r\n\r\n", "hello", 1 },
  { "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", 1 },
  { "HTTP/1.1 204 No Content\r\n\r\n", "", 1 },
  { "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", 1 },
  { "HTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi", 1 },
  { "HTTP/1.1 200 OK\r\n\r\nuntil the end", "until the end", 0 },
  { "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold", "old", 0 },
  { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nend", "end", 0 },
}

T.test("each_framing_is_read_however_its_bytes_are_cut", { net = "fake", seconds = 60 }, function()
  for _, row in ipairs(framings) do
    for cut = 1, #row[1] do
      local open = row[3] == 1
      local site <close> = serve(function(conn)
        request(conn)
        conn:send(row[1]:sub(1, cut))
        T.turns(2)
        conn:send(row[1]:sub(cut + 1))
        if open then conn:read("a") end
      end)
      local res = T.ok(http.get(site.url))
      T.eq(res:body(), row[2], row[1])
      T.unbroken(pool.count(), row[3], row[1])
    end
  end
end)

T.test("the_answer_to_head_has_no_body", FAKE, function()
  local site <close> = always("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
  for _ = 1, 2 do
    local res = T.ok(http.request { url = site.url, method = "HEAD" })
    T.eq(res.headers["content-length"], "500")
    T.eq(res:body(), "")
  end
  T.unbroken(site.count, 1)
end)

-- An answer that ends early is an error, wherever it ends.
local cut_short = {
  "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
}

T.test("an_answer_that_ends_at_any_byte_is_an_error", { net = "fake", seconds = 60 }, function()
  for _, bytes in ipairs(cut_short) do
    for n = 0, #bytes - 1 do
      local site <close> = once(bytes:sub(1, n))
      local res, err, code = http.get(site.url)
      if res then
        local text
        text, err, code = res:body()
        T.eq(text, nil, n)
        T.fails("eof", res:read())
        T.fails("eof", res:body())
      end
      T.eq(code, "eof", bytes:sub(1, n))
      T.match(err.url, "^http://")
      T.eq(pool.count(), 0)
    end
  end
end)

T.test("an_answer_that_breaks_a_rule_is_invalid_and_says_which", FAKE, function()
  local rows = {
    { "SSH-2.0-OpenSSH\r\n\r\n", "version" },
    { "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content%-Length" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two Content%-Length" },
    { "HTTP/1.1 200 OK\r\nA b\r\n\r\n", "colon" },
    { "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "nobody asked" },
  }
  for _, row in ipairs(rows) do
    local site <close> = once(row[1])
    local err = T.fails("invalid", http.get(site.url))
    T.match(tostring(err), row[2])
  end
  local site <close> = once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n")
  local err = T.fails("invalid", T.ok(http.get(site.url)):body())
  T.match(tostring(err), "chunk size")
  T.eq(err.status, nil)
end)

T.test("lines_that_lf_ends_are_for_lenient_calls_only", FAKE, function()
  local site <close> = always("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")
  T.eq(T.ok(http.get(site.url, { lenient = true })):body(), "ok")
  local err = T.fails("invalid", http.get(site.url))
  T.match(tostring(err), "LF without CR")
  T.eq(T.ok(http.get(site.url, { lenient = true })):body(), "ok")
  T.unbroken(site.count, 2)
end)

T.test("the_body_comes_in_pieces_and_lines", FAKE, function()
  local site <close> = always(answer(200, nil, "one\r\ntwo\n\nfour"))
  local res = T.ok(http.get(site.url))
  T.eq(res:read(4), "one\r")
  T.eq(res:read(100), "\ntwo\n\nfour")
  T.eq(res:read(1), nil)
  local lines = {}
  for line in T.ok(http.get(site.url)):lines() do lines[#lines + 1] = line end
  T.eq(table.concat(lines, "|"), "one|two||four")
  res = T.ok(http.get(site.url))
  T.eq(res:read(3), "one")
  T.eq(res:body(), "\r\ntwo\n\nfour")
  T.unbroken(site.count, 1)
end)

T.test("json_is_read", FAKE, function()
  local site <close> = always(answer(200, nil, '{"a":[1,2]}'))
  T.ok(T.ok(T.ok(http.get(site.url)):json()).a[2] == 2)
  local other <close> = always(answer(200, nil, "<html>"))
  local err = T.fails("invalid", T.ok(http.get(other.url)):json())
  T.eq(err.status, nil)
end)

T.test("a_body_over_its_limit_is_oversized", FAKE, function()
  local site <close> = always(answer(200, nil, ("x"):rep(100)))
  T.eq(#T.ok(http.get(site.url, { max = 100 })):body(), 100)
  T.fails("oversized", T.ok(http.get(site.url, { max = 99 })):body())
  T.fails("oversized", T.ok(http.get(site.url)):body(10))
  local endless <close> = serve(function(conn)
    request(conn)
    conn:send("HTTP/1.1 200 OK\r\n\r\n")
    while conn:send(("x"):rep(1000)) do net.yield() end
  end)
  T.fails("oversized", T.ok(http.get(endless.url, { max = 5000 })):body())
  T.eq(pool.count(), 0)
end)

T.test("a_closed_answer_gives_no_more", FAKE, function()
  local site <close> = once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
  local res = T.ok(http.get(site.url))
  T.eq(res:read(5), "hello")
  res:close()
  res:close()
  T.fails("closed", res:read())
  T.fails("closed", res:body())
  T.eq(pool.count(), 0)
end)

-- --- redirects -------------------------------------------------------------------------

-- A server of a table target -> answer; what it was asked is told by X-Seen and the body.
local function map(rows)
  local seen = {}
  local site
  site = serve(function(conn)
    for head, body in function() return request(conn) end do
      local method, target = head:match("^(%u+) (%S+)")
      if not method then return end -- the end of a chunked body
      seen[#seen + 1] = method .. " " .. target .. (body ~= "" and " " .. body or "")
      seen.head = head
      conn:send((rows[target] or answer(200, nil, "end")):gsub("@", site.url:sub(8)))
    end
  end)
  site.seen = seen
  return site
end

local function to(status, target, body)
  return answer(status, "Location: " .. target .. "\r\n", body)
end

T.test("redirects_are_followed_over_the_same_connection", FAKE, function()
  local site <close> = map {
    ["/a"] = to(301, "/b/c?d", "moved"),
    ["/b/c?d"] = to(302, "../e"),
    ["/e"] = to(307, "http://@/f g\xc3\xa7#h"),
  }
  local res = T.ok(http.get(site.url .. "/a"))
  T.eq(res:body(), "end")
  T.eq(res.url, site.url .. "/f%20g%C3%A7")
  T.eq(table.concat(site.seen, ", "), "GET /a, GET /b/c?d, GET /e, GET /f%20g%C3%A7")
  T.unbroken(site.count, 1)
end)

T.test("a_redirect_may_change_the_method", FAKE, function()
  local rows = { -- status, method, what is asked then
    { 301, "POST", "GET /to" }, { 302, "POST", "GET /to" }, { 303, "POST", "GET /to" },
    { 307, "POST", "POST /to body" }, { 308, "POST", "POST /to body" },
    { 301, "PUT", "PUT /to body" }, { 303, "PUT", "GET /to" },
    { 303, "HEAD", "HEAD /to" }, { 302, "GET", "GET /to" },
  }
  for _, row in ipairs(rows) do
    local site <close> = map { ["/"] = to(row[1], "/to"):gsub("body", "") }
    local body = row[2]:find("^P") and "body" or nil
    T.ok(http.request {
      url = site.url .. "/", method = row[2], body = body, headers = { ["Content-Type"] = "a/b" },
    }):close()
    T.eq(site.seen[2], row[3], row[1] .. " " .. row[2])
    T.eq(site.seen.head:find("Content-Type", 1, true) ~= nil,
      row[3]:find("body") ~= nil or body == nil)
  end
end)

T.test("secrets_do_not_go_to_another_server", FAKE, function()
  local other <close> = map {}
  local site <close> = map {
    ["/away"] = to(302, other.url .. "/x"),
    ["/here"] = to(302, "/y"),
  }
  local secrets = { Authorization = "a", COOKIE = "b", ["X-Other"] = "c" }
  T.ok(http.get(site.url .. "/here", { headers = secrets })):close()
  T.match(site.seen.head, "Authorization: a\r\nCOOKIE: b\r\n")
  T.ok(http.get(site.url .. "/away", { headers = secrets })):close()
  T.eq(other.seen.head:find("Authorization", 1, true), nil)
  T.eq(other.seen.head:find("COOKIE", 1, true), nil)
  T.match(other.seen.head, "X%-Other: c\r\n")
end)

T.test("redirects_end", FAKE, function()
  local site <close> = map {
    ["/loop"] = to(302, "/pool"), ["/pool"] = to(302, "/loop"),
    ["/1"] = to(302, "/2"), ["/2"] = to(302, "/3"), ["/3"] = to(302, "/4"),
    ["/tls"] = to(302, "https://example.org/"), ["/ftp"] = to(302, "ftp://example.org/"),
    ["/none"] = answer(302, nil, "here"),
    ["/post"] = to(307, "/4"),
  }
  local function err(path, options) return tostring(T.fails("invalid", http.get(site.url .. path, options))) end
  T.match(err("/loop"), "the redirects go round: " .. site.url .. "/loop")
  T.match(err("/1", { redirects = 2 }), "more than 2 redirects, the last one to " .. site.url .. "/4")
  T.eq(T.ok(http.get(site.url .. "/1", { redirects = 3 })):body(), "end")
  T.match(err("/tls"), "https://example.org/: https needs TLS")
  T.match(err("/ftp"), "ftp://example.org/': it does not begin with http://")
  T.eq(T.ok(http.get(site.url .. "/none")):body(), "here")
  local res = T.ok(http.get(site.url .. "/1", { redirects = false }))
  T.eq(res.status, 302)
  T.eq(res.headers.location, "/2")
  T.match(tostring(T.fails("invalid", http.post(site.url .. "/post", function() end))),
    "cannot be sent again")
end)

T.test("https_is_told_to_be_missing", FAKE, function()
  local err = T.fails("invalid", http.get("https://example.org/"))
  T.match(tostring(err), "https needs TLS, which soquete does not have yet")
  for _, url in ipairs { "", "x", "http://", "http://a b/", "http://u@h/", "http://h/\xff", "http://h:0" } do
    T.fails("invalid", http.get(url))
  end
end)

-- --- the pool --------------------------------------------------------------------------

T.test("a_connection_serves_one_request_after_the_other", FAKE, function()
  local site <close> = always(OK)
  for _ = 1, 5 do T.eq(T.ok(http.get(site.url)):body(), "ok") end
  T.unbroken(site.count, 1)
  T.unbroken(pool.count(), 1)
end)

T.test("an_answer_that_is_not_read_keeps_its_connection", FAKE, function()
  local site <close> = always(OK)
  local first = T.ok(http.get(site.url))
  T.eq(T.ok(http.get(site.url)):body(), "ok")
  T.eq(first:body(), "ok")
  T.unbroken(site.count, 2)
  T.unbroken(pool.count(), 2)
end)

T.test("the_pool_has_bounds", { net = "fake", seconds = 60 }, function()
  local site <close> = always(OK)
  local answers = {}
  for i = 1, 12 do answers[i] = T.ok(http.get(site.url)) end
  for _, res in ipairs(answers) do res:body() end
  T.unbroken(pool.count(), 8)
  T.turns(5)
  local sites = {}
  for i = 1, 70 do
    sites[i] = always(OK)
    T.ok(http.get(sites[i].url)):body()
  end
  T.unbroken(pool.count(), 64)
  for _, one in ipairs(sites) do getmetatable(one).__close() end
end)

T.test("a_connection_is_not_kept_for_ever", FAKE, function()
  local ended
  local site <close> = serve(function(conn)
    request(conn)
    conn:send(OK)
    conn:read("a")
    ended = net.now()
  end)
  T.ok(http.get(site.url)):body()
  local begun = net.now()
  net.sleep(29)
  T.unbroken(pool.count(), 1)
  net.sleep(2)
  T.eq(pool.count(), 0)
  T.unbroken(ended - begun >= 29 and ended - begun <= 31, true)
end)

T.test("a_connection_that_the_server_has_closed_is_not_used", FAKE, function()
  local site <close> = once(OK)
  T.ok(http.get(site.url)):body()
  T.turns(5)
  T.eq(pool.count(), 0)
  T.eq(T.ok(http.post(site.url, "x")):body(), "ok")
  T.unbroken(site.count, 2)
end)

T.test("bytes_that_nobody_asked_for_end_a_kept_connection", FAKE, function()
  local site <close> = serve(function(conn, number)
    request(conn)
    conn:send(number == 1 and OK .. OK or OK)
    conn:read("a")
  end)
  T.ok(http.get(site.url)):body()
  T.eq(pool.count(), 0)
  T.eq(T.ok(http.get(site.url)):body(), "ok")
  T.unbroken(site.count, 2)
end)

-- The first connection answers once, and ends at the second request.
local function forgetful(more)
  return serve(function(conn, number)
    request(conn)
    conn:send(OK)
    if number == 1 then
      request(conn)
      conn:send(more or "")
    else
      while request(conn) do conn:send(OK) end
    end
  end)
end

T.test("a_kept_connection_that_ends_is_tried_anew_once", FAKE, function()
  for _, method in ipairs { "GET", "PUT", "DELETE" } do
    local site <close> = forgetful()
    T.ok(http.get(site.url)):body()
    T.eq(T.ok(http.request { url = site.url, method = method }):body(), "ok")
    T.unbroken(site.count, 2)
  end
end)

T.test("what_may_have_had_its_effect_is_not_sent_again", FAKE, function()
  local site <close> = forgetful()
  T.ok(http.get(site.url)):body()
  T.fails("eof", http.post(site.url, "x"))
  T.unbroken(site.count, 1)
  local begun <close> = forgetful("HTTP/1.1 2")
  T.ok(http.get(begun.url)):body()
  T.fails("eof", http.get(begun.url))
  T.unbroken(begun.count, 1)
  local fresh <close> = once("")
  T.fails("eof", http.get(fresh.url))
  T.unbroken(fresh.count, 1)
end)

T.test("a_script_ends_beside_kept_connections", FAKE, function()
  local listener = T.listener()
  net.spawn(function()
    local conn <close> = listener:accept()
    request(conn)
    conn:send(OK)
    listener:close()
    conn:read("a")
  end)
  T.eq(T.ok(http.get("http://" .. listener:getsockname())):body(), "ok")
  T.unbroken(pool.count(), 1)
end)

T.test("a_deadlock_shows_beside_kept_connections", { net = "fake", status = 1, stderr = "deadlock" },
  function()
    local listener = T.listener()
    local a, b = T.pair()
    net.spawn(function()
      local conn = listener:accept()
      listener:close()
      request(conn)
      conn:send(OK)
    end)
    T.ok(http.get("http://" .. listener:getsockname())):body()
    a:close()
    b:close()
    net.channel():get()
  end)

-- --- early answers ---------------------------------------------------------------------

T.test("an_answer_before_the_body_is_heard", FAKE, function()
  local site <close> = serve(function(conn)
    conn:read_until("\r\n\r\n")
    conn:send(answer(413, "Connection: close\r\n", "too much"))
    conn:shutdown()
    net.sleep(1)
  end)
  local res = T.ok(http.post(site.url, ("x"):rep(10000000)))
  T.eq(res.status, 413)
  T.eq(res:body(), "too much")
  local endless = T.ok(http.post(site.url, function() net.yield(); return ("x"):rep(1000) end))
  T.eq(endless.status, 413)
  T.eq(endless:body(), "too much")
  T.eq(pool.count(), 0)
end)

T.test("a_refused_body_leaves_no_connection_behind_that_seems_fit", FAKE, function()
  local site <close> = serve(function(conn)
    conn:read_until("\r\n\r\n")
    conn:send(answer(400, nil, "no"))
    conn:read("a")
  end)
  T.eq(T.ok(http.post(site.url, ("x"):rep(10000000))):body(), "no")
  T.eq(pool.count(), 0)
end)

T.test("an_early_good_answer_waits_for_the_rest_of_the_body", FAKE, function()
  local got
  local site <close> = serve(function(conn)
    conn:read_until("\r\n\r\n")
    conn:send(OK)
    got = #(conn:read_exact(1000000) or "")
    conn:read("a")
  end)
  T.eq(T.ok(http.post(site.url, ("x"):rep(1000000))):body(), "ok")
  T.turns()
  T.eq(got, 1000000)
  T.unbroken(pool.count(), 1)
end)

-- --- both ways at once -----------------------------------------------------------------

-- Answers at once, and sends the chunks of the body back as they come, the last one too.
local function echo(conn)
  conn:read_until("\r\n\r\n")
  conn:send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
  for size in function() return conn:read("L") end do
    local data = conn:read_exact(tonumber(size, 16) + 2)
    if not data then return end
    conn:send(size .. data)
  end
end

-- A call whose body is what is put into the channel.
local function begin(site, options)
  local questions = net.channel()
  return questions, T.ok(http.post(site.url, function() return (questions:get()) end, options))
end

T.test("a_good_answer_is_read_while_the_body_is_sent", FAKE, function()
  local site <close> = serve(echo)
  local questions, res = begin(site)
  for _, piece in ipairs { "one", "two", "three" } do
    questions:put(piece)
    T.eq(res:read(), piece)
  end
  questions:close()
  T.eq(res:read(), nil)
  T.eq(#net.tasks(), 3) -- this one, and the server's
  T.eq(pool.count(), 1)
end)

T.test("more_than_all_buffers_hold_goes_both_ways", FAKE, function()
  local site <close> = serve(echo)
  local piece, left = ("0123456789abcdef"):rep(1 << 12), 256
  local res = T.ok(http.post(site.url, function()
    left = left - 1
    return left >= 0 and piece or nil
  end))
  T.ok(res:body() == piece:rep(256))
  T.eq(pool.count(), 1)
end)

T.test("an_answer_without_a_body_waits_for_the_rest_of_the_sending", FAKE, function()
  local got
  local site <close> = serve(function(conn)
    conn:read_until("\r\n\r\n")
    conn:send(answer(204))
    got = #(conn:read_exact(1000000) or "")
    conn:read("a")
  end)
  T.eq(T.ok(http.post(site.url, ("x"):rep(1000000))).status, 204)
  T.turns()
  T.eq(got, 1000000)
end)

T.test("close_ends_the_sending", FAKE, function()
  local site <close> = serve(echo)
  local questions, res = begin(site)
  questions:put("one")
  T.eq(res:read(), "one")
  res:close()
  T.turns()
  T.eq(#net.tasks(), 2)
  T.eq(pool.count(), 0)
  T.fails("closed", res:read())
end)

T.test("a_deadline_of_a_read_ends_the_sending", FAKE, function()
  local site <close> = serve(echo)
  local _, res = begin(site)
  T.fails("timeout", net.deadline(1, res.read, res))
  T.turns()
  T.eq(#net.tasks(), 2)
  local _, limited = begin(site, { timeout = 1 })
  T.fails("timeout", limited:body())
  T.turns()
  T.eq(#net.tasks(), 2)
end)

T.test("an_error_of_the_bodys_function_is_raised_by_the_read", FAKE, function()
  local site <close> = serve(echo)
  local questions = net.channel()
  local res = T.ok(http.post(site.url, function()
    questions:get()
    error("no more of it")
  end))
  questions:close()
  T.raises("no more of it", res.body, res)
  T.turns()
  T.eq(#net.tasks(), 2)
end)

T.test("a_server_that_takes_the_body_is_not_silent", FAKE, function()
  local site <close> = serve(function(conn)
    conn:read_until("\r\n\r\n")
    conn:send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    repeat local line = conn:read("L") until not line or line == "0\r\n"
    conn:send("ok")
  end)
  local left = 5
  local res = T.ok(http.post(site.url, function()
    left = left - 1
    if left < 0 then return nil end
    net.sleep(20)
    return "x\n"
  end))
  T.eq(res:body(), "ok")
  local _, silent = begin(site)
  T.fails("timeout", silent:body())
end)

-- --- time ------------------------------------------------------------------------------

-- Servers that fall silent in each phase.
local silent = {
  head = function(conn) request(conn); conn:read("a") end,
  half_a_head = function(conn) request(conn); conn:send("HTTP/1.1 200"); conn:read("a") end,
  body = function(conn) request(conn); conn:send(OK:sub(1, -2)); conn:read("a") end,
  sending = function(conn) conn:read_until("\r\n\r\n"); net.sleep(1000) end,
}

local function took(seconds, f, ...)
  local begun = net.now()
  local err = T.fails("timeout", f(...))
  local s = net.now() - begun
  T.ok(s >= seconds and s < seconds + 1, s)
  T.eq(pool.count(), 0)
  return err
end

local function all_of(url, options)
  local res, err, code = http.request { url = url, timeout = options.timeout, body = options.body }
  if not res then return nil, err, code end
  return res:body()
end

T.test("timeout_covers_each_phase", { net = "fake", seconds = 60 }, function()
  for _, phase in ipairs { "head", "half_a_head", "body" } do
    local site <close> = serve(silent[phase])
    took(3, all_of, site.url, { timeout = 3 })
    took(30, all_of, site.url, {})
  end
  took(3, all_of, "http://192.0.2.1/", { timeout = 3 })
  took(30, all_of, "http://192.0.2.1/", {})
end)

T.test("a_server_that_takes_nothing_is_a_timeout", { net = "fake", seconds = 60 }, function()
  local site <close> = serve(silent.sending)
  took(3, all_of, site.url, { timeout = 3, body = ("x"):rep(50000000) })
  took(30, all_of, site.url, { body = ("x"):rep(50000000) })
end)

T.test("timeout_covers_the_whole_call_and_silence_only_silence", FAKE, function()
  local site <close> = serve(function(conn)
    request(conn)
    conn:send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    for _ = 1, 10 do
      net.sleep(5)
      if not conn:send("x") then return end
    end
  end)
  took(12, all_of, site.url, { timeout = 12 })
  T.eq(T.ok(http.get(site.url)):body(), "xxxxxxxxxx")
  T.fails("timeout", T.ok(http.get(site.url, { silence = 4 })):body())
  T.eq(T.ok(http.get(site.url, { timeout = 60, silence = 6 })):body(), "xxxxxxxxxx")
end)

T.test("cancel_closes_what_was_open_in_each_phase", FAKE, function()
  local function cancelled(url, body)
    local before = T.open_handles()
    local task = net.spawn(http.post, url, body)
    net.sleep(1)
    task:cancel()
    T.fails("cancelled", task:join())
    net.sleep(10)
    T.eq(T.open_handles(), before)
  end
  for _, phase in ipairs { "head", "half_a_head" } do
    local site <close> = serve(silent[phase])
    cancelled(site.url, "")
  end
  local slow <close> = serve(function(conn)
    net.sleep(5)
    pcall(T.drain, conn)
  end)
  cancelled(slow.url, ("x"):rep(50000000))
  cancelled(slow.url, function() net.sleep(0.1); return "x" end)
  cancelled("http://192.0.2.1/", "")
end)

T.test("nothing_is_lost_on_a_net_with_faults", { net = "soft", seeds = 10, stderr = {} }, function()
  local site <close> = serve(function(conn)
    for _, body in function() return request(conn) end do
      conn:send(answer(200, nil, body .. "!"))
    end
  end)
  for i = 1, 20 do
    local text = ("x"):rep(i * 10000)
    T.eq(T.ok(http.post(site.url, text)):body(), text .. "!")
  end
  T.unbroken(site.count, 1)
end)

T.test("nothing_is_left_over_on_a_net_that_breaks", { net = "hard", seeds = 10, stderr = {} }, function()
  local listener = net.listen("127.0.0.1:0")
  local address = listener and listener:getsockname()
  if not address then return end
  local task = net.spawn(function()
    while true do
      local conn, _, code = listener:accept()
      if code == "closed" then return end
      if conn then
        net.spawn(function()
          local _ <close> = conn
          while request(conn) and conn:send(OK) do end
        end)
      end
    end
  end)
  for i = 1, 20 do
    local res = http.request {
      url = "http://" .. address, method = i % 2 == 0 and "POST" or "GET",
      body = ("x"):rep(i * 2000), timeout = 5,
    }
    local text = res and res:body()
    T.ok(not text or text == "ok", text)
  end
  http.close_idle()
  listener:close()
  task:join()
end)

T.test("a_deadline_of_the_script_ends_the_call", FAKE, function()
  local site <close> = serve(silent.head)
  T.fails("timeout", net.deadline(2, http.get, site.url))
  net.sleep(1)
  T.eq(pool.count(), 0)
end)

T.test("errors_of_connecting_are_told_as_they_are", FAKE, function()
  local gone = T.listener()
  local url = "http://" .. gone:getsockname() .. "/"
  gone:close()
  local err = T.fails("ECONNREFUSED", http.get(url))
  T.eq(err.url, url)
  T.eq(err.op, "connect")
  T.fails("EAI_NONAME", http.get("http://" .. ("x"):rep(64) .. ".invalid/"))
end)

-- --- files -----------------------------------------------------------------------------

local function contents(path)
  local f <close> = io.open(path, "rb")
  return f and f:read("a")
end

local function in_folder(f)
  local folder = os.tmpname()
  os.remove(folder)
  os.execute("mkdir " .. folder)
  local _ <close> = setmetatable({}, { __close = function() os.execute("rm -r " .. folder) end })
  f(folder .. "/file", function()
    local p <close> = io.popen("ls -A " .. folder)
    return (p:read("a"):gsub("\n", " "))
  end)
end

T.test("a_body_goes_to_a_file_whole", FAKE, function()
  in_folder(function(path, list)
    local site <close> = always(answer(200, nil, "ten bytes!"))
    local told = {}
    local res = T.ok(http.get(site.url, {
      to = path, on_progress = function(got, all) told[#told + 1] = got .. "/" .. tostring(all) end,
    }))
    T.eq(res.status, 200)
    T.eq(contents(path), "ten bytes!")
    T.eq(told[#told], "10/10")
    T.eq(list(), "file ")
    T.unbroken(pool.count(), 1)
  end)
end)

T.test("a_body_that_is_cut_leaves_no_file_and_the_old_one", FAKE, function()
  T.need_files() -- what a path names is asked by openat2(2)
  in_folder(function(path, list)
    local site <close> = once("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    T.fails("eof", http.get(site.url, { to = path }))
    T.eq(list(), "")
    local f = io.open(path, "w")
    f:write("old")
    f:close()
    T.fails("eof", http.get(site.url, { to = path }))
    T.eq(contents(path), "old")
    T.eq(list(), "file ")
    local missing <close> = always(answer(404, nil, "none"))
    T.eq(T.ok(http.get(missing.url, { to = path })):body(), "none")
    T.eq(contents(path), "old")
    local slow <close> = serve(silent.body)
    T.fails("timeout", http.get(slow.url, { to = path, timeout = 1 }))
    T.fails("timeout", net.deadline(1, http.get, slow.url, { to = path }))
    T.eq(list(), "file ")
    T.eq(contents(path), "old")
    T.unbroken(pool.count(), 1)
  end)
end)

T.test("a_file_object_takes_the_body", FAKE, function()
  local site <close> = always(answer(200, nil, "text"))
  local f <close> = io.tmpfile()
  T.ok(http.get(site.url, { to = f }))
  f:seek("set")
  T.eq(f:read("a"), "text")
end)

T.test("a_file_that_cannot_be_written_is_an_error", FAKE, function()
  local site <close> = always(answer(200, nil, "text"))
  T.fails("ENOENT", http.get(site.url, { to = "/nowhere/file" }))
  T.fails("ENOSPC", http.get(site.url, { to = "/dev/full" }))
  T.ok(http.get(site.url, { to = "/dev/null" }))
  T.ok(io.open("/dev/full")):close()
end)
