-- Heads of requests: what is taken and what is refused, by raw bytes.

local net = require "net"
local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }

local function echo(req, res)
  res:send(200, table.concat({ req.method, req.target, req.version }, " "))
end

-- --- what is refused -------------------------------------------------------------------

-- bytes before the empty line, status, section of the rule
local refused = {
  { "GET / HTTP/1.1", 400, "RFC 9112 section 3.2: Host is missing" },
  { "GET / HTTP/1.1\r\nHost: a\r\nHost: a", 400, "RFC 9112 section 3.2: two Hosts" },
  { "GET / HTTP/1.1\r\nHost: a b", 400, "RFC 9112 section 3.2: a bad Host" },
  { "GET / HTTP/1.1\r\nHost: a@b", 400, "RFC 9110 section 4.2.4" },
  { "GET  / HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3: two spaces" },
  { "GET /\tHTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3" },
  { "GET / HTTP/1.1 \r\nHost: a", 400, "RFC 9112 section 3" },
  { "GET /", 400, "RFC 9112 section 3: HTTP/0.9" },
  { "G@T / HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3.1" },
  { " GET / HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3.1" },
  { "GET ../secret HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3.2" },
  { "GET secret HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3.2" },
  { "GET * HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3.2.4" },
  { "GET /\xff HTTP/1.1\r\nHost: a", 400, "RFC 3986 section 2" },
  { "GET /a#b HTTP/1.1\r\nHost: a", 400, "RFC 9112 section 3.2" },
  { "GET / HTTP/2.0\r\nHost: a", 505, "RFC 9110 section 15.6.6" },
  { "GET / HTTP/1.32\r\nHost: a", 400, "RFC 9112 section 2.3" },
  { "GET / http/1.1\r\nHost: a", 400, "RFC 9112 section 2.3: case counts" },
  { "GET / HTTP/4294967297.1\r\nHost: a", 400, "RFC 9112 section 2.3" },
  { "GET / HTTP/1.1\r\nHost : a", 400, "RFC 9112 section 5.1" },
  { "GET / HTTP/1.1\r\nHost: a\r\n b: c", 400, "RFC 9112 section 5.2" },
  { "GET / HTTP/1.1\r\nHost: a\r\n: c", 400, "RFC 9112 section 5.1" },
  { "GET / HTTP/1.1\r\nHost: a\r\nb", 400, "RFC 9112 section 5.1" },
  { "GET / HTTP/1.1\r\nHost: a\r\nb(c): d", 400, "RFC 9110 section 5.6.2" },
  { "GET / HTTP/1.1\r\nHost: a\r\nb: c\rd", 400, "RFC 9112 section 2.2" },
  { "GET / HTTP/1.1\r\nHost: a\nb: c", 400, "RFC 9112 section 2.2" },
  { "GET / HTTP/1.1\r\nHost: a\r\nb: c\0d", 400, "RFC 9110 section 5.5" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5", 400, "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1", 400, "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10", 400, "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0", 400, "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ", 400, "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5", 400, "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808", 400,
    "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5", 400,
    "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", 400,
    "RFC 9112 section 6.1" },
  { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked", 400,
    "RFC 9112 section 6.3" },
  { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501,
    "RFC 9112 section 6.1" },
  { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked@", 400,
    "RFC 9112 section 6.3: chunked is not the last" },
  { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked", 400,
    "RFC 9112 section 6.3: chunked is not the last" },
  { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \xa0chunked", 400,
    "RFC 9112 section 6.1" },
  { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400, "RFC 9112 section 6.1" },
  { "POST / HTTP/1.1\r\nHost: a\r\nExpect: the unexpected\r\nContent-Length: 1", 417,
    "RFC 9110 section 10.1.1" },
}

T.test("a_head_that_breaks_a_rule_is_refused_and_the_connection_closes", FAKE, function()
  local handled = 0
  local site <close> = web.serve(function(_, res)
    handled = handled + 1
    res:send(200)
  end)
  for _, row in ipairs(refused) do
    local answer = site:ask(row[1] .. "\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n")
    T.eq(web.statuses(answer), tostring(row[2]), row[1] .. " (" .. row[3] .. ")")
    T.match(answer, "\r\nConnection: close\r\n")
  end
  T.eq(handled, 0)
  T.eq(site.server:counts().refused, #refused)
end)

-- --- what is taken ---------------------------------------------------------------------

local taken = {
  { "GET / HTTP/1.1\r\nHost: a", "GET / 1.1", "RFC 9112 section 3" },
  { "\r\nGET / HTTP/1.1\r\nHost: a", "GET / 1.1", "RFC 9112 section 2.2: an empty line" },
  { "GET / HTTP/1.0", "GET / 1.0", "RFC 9112 section 3.2: 1.0 needs no Host" },
  { "GET / HTTP/1.1\r\nHost:", "GET / 1.1", "RFC 9112 section 3.2: an empty Host" },
  { "GET / HTTP/1.1\r\nHost: [::1]:80", "GET / 1.1", "RFC 3986 section 3.2.2" },
  { "GET / HTTP/1.7\r\nHost: a", "GET / 1.1", "RFC 9110 section 2.5" },
  { "GET http://b/c?d HTTP/1.1\r\nHost: a", "GET http://b/c?d 1.1", "RFC 9112 section 3.2.2" },
  { "OPTIONS * HTTP/1.1\r\nHost: a", "OPTIONS * 1.1", "RFC 9112 section 3.2.4" },
  { "BREW /pot HTTP/1.1\r\nHost: a", "BREW /pot 1.1", "RFC 9110 section 9.1" },
  { "GET / HTTP/1.1\r\nhOST:a\r\nb:\t c \t\r\nd:", "GET / 1.1", "RFC 9112 section 5.1" },
}

T.test("a_head_that_keeps_the_rules_reaches_the_handler", FAKE, function()
  local site <close> = web.serve(echo)
  for _, row in ipairs(taken) do
    local answer = site:ask(row[1] .. "\r\n\r\n")
    T.eq(web.status(answer), 200, row[3])
    T.eq(web.body(answer), row[2], row[3])
  end
end)

T.test("a_head_means_the_same_however_it_is_cut", FAKE, function()
  local site <close> = web.serve(echo)
  local request = "GET /x?y HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n"
  local whole = site:ask(request)
  T.eq(web.body(whole), "GET /x?y 1.1")
  for cut = 1, #request - 1 do
    T.eq(site:ask { request:sub(1, cut), request:sub(cut + 1) }, whole, "cut at " .. cut)
  end
  local bytes = {}
  for i = 1, #request do bytes[i] = request:sub(i, i) end
  T.eq(site:ask(bytes), whole)
end)

-- --- fields of the request -------------------------------------------------------------

local function seen(request, look)
  local results
  local site <close> = web.serve(function(req, res)
    results = table.pack(look(req))
    res:send(200)
  end)
  T.eq(web.status(site:ask(request)), 200)
  return table.unpack(results, 1, results.n)
end

local function with(target, fields)
  return "GET " .. target .. " HTTP/1.1\r\nHost: example:80\r\n" .. (fields or "") .. "\r\n"
end

T.test("the_path_is_decoded_once_and_the_query_is_a_table", FAKE, function()
  seen(with("/a%20b/%2525?x=1&y=a+b&x=2&%7a=%C3%A7&flag"), function(req)
    T.eq(req.path, "/a b/%25")
    T.eq(req.raw_path, "/a%20b/%2525")
    T.eq(req.query.x, "2")
    T.eq(T.list(req:query_all("x")), "1 2")
    T.eq(req.query.y, "a b")
    T.eq(req.query.z, "ç")
    T.eq(req.query.flag, "")
    T.eq(req.query.none, nil)
    T.eq(req.query_string, "x=1&y=a+b&x=2&%7a=%C3%A7&flag")
    T.eq(#req:query_all("none"), 0)
  end)
end)

T.test("a_path_with_a_bad_escape_is_nil", FAKE, function()
  seen(with("/%zz"), function(req)
    T.eq(req.path, nil)
    T.eq(req.raw_path, "/%zz")
  end)
end)

T.test("connect_and_asterisk_have_no_path_of_a_file", FAKE, function()
  seen("CONNECT example:443 HTTP/1.1\r\nHost: example:443\r\n\r\n", function(req)
    T.eq(req.path, nil)
    T.eq(req.raw_path, nil)
    T.eq(req.target, "example:443")
  end)
  seen("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", function(req) T.eq(req.path, "*") end)
  seen("GET http://x HTTP/1.1\r\nHost: x\r\n\r\n", function(req) T.eq(req.path, "/") end)
end)

T.test("headers_are_found_whatever_their_case", FAKE, function()
  local fields = "Accept: a\r\nX-Own:  b c \r\naccept: d\r\nCookie: k=1; l=\"2\"\r\nCookie: m=3\r\n"
  seen(with("/", fields), function(req)
    T.eq(req.headers.accept, "a, d")
    T.eq(req.headers["ACCEPT"], "a, d")
    T.eq(req.headers["x-own"], "b c")
    T.eq(req.headers.host, "example:80")
    T.eq(req.host, "example:80")
    T.eq(req.headers.none, nil)
    T.eq(T.list(req.headers:all("Accept")), "a d")
    T.eq(req.headers.cookie, 'k=1; l="2"; m=3')
    T.eq(req.cookies.k .. req.cookies.l .. req.cookies.m, "123")
    local names = {}
    for name, value in pairs(req.headers) do names[#names + 1] = name .. "=" .. value end
    T.eq(T.list(names), 'host=example:80 accept=a x-own=b c accept=d cookie=k=1; l="2" cookie=m=3')
    T.eq(#req.headers, 6)
    T.raises("cannot be changed", function() req.headers.a = "b" end)
  end)
end)

T.test("a_request_tells_what_it_is", FAKE, function()
  seen(with("http://other/x?y"), function(req)
    T.eq(req.method, "GET")
    T.eq(req.target, "http://other/x?y")
    T.eq(req.path, "/x")
    T.eq(req.host, "other") -- RFC 9112 section 3.2.2: the target's comes first
    T.eq(req.version, "1.1")
    T.eq(req.keep_alive, true)
    T.eq(req.length, 0)
    T.eq(req.peer.host, "127.0.0.1")
    T.eq(req.raw, with("http://other/x?y"))
    T.eq(tostring(req), "request (GET http://other/x?y)")
    T.eq(req.user, nil)
    req.user = "me"
    T.eq(req.user, "me")
  end)
end)

T.test("a_request_that_was_kept_still_tells_its_head", FAKE, function()
  local kept
  local site <close> = web.serve(function(req, res)
    kept = kept or req
    res:send(200)
  end)
  site:ask(with("/first") .. with("/second"))
  collectgarbage()
  T.eq(kept.target, "/first")
  T.raises("is over", kept.read, kept)
end)

-- --- one connection, many requests -----------------------------------------------------

T.test("requests_of_one_segment_are_answered_in_order", FAKE, function()
  local site <close> = web.serve(function(req, res) res:send(200, req.query.n) end)
  local requests, expected = {}, {}
  for n = 1, 1000 do
    requests[n] = with("/?n=" .. n)
    expected[n] = tostring(n)
  end
  local bodies = {}
  for body in site:ask(table.concat(requests)):gmatch("\r\n\r\n(%d+)") do
    bodies[#bodies + 1] = body
  end
  T.eq(T.list(bodies), T.list(expected))
end)

T.test("bytes_behind_the_last_request_of_a_connection_mean_nothing", FAKE, function()
  local site <close> = web.serve(echo)
  local answer = site:ask(with("/1", "Connection: close\r\n") .. with("/2") .. "junk")
  T.eq(web.statuses(answer), "200")
  T.match(answer, "\r\nConnection: close\r\n")
end)

T.test("http_1_0_is_kept_open_where_it_asks_for_it", FAKE, function()
  local site <close> = web.serve(echo)
  local old = "GET / HTTP/1.0\r\n"
  T.eq(web.statuses(site:ask(old .. "\r\n" .. old .. "\r\n")), "200")
  local kept = site:ask(old .. "Connection: keep-alive\r\n\r\n" .. old .. "\r\n")
  T.eq(web.statuses(kept), "200 200")
  T.match(kept, "\r\nConnection: keep%-alive\r\n")
end)

T.test("a_connection_ends_after_its_last_request", FAKE, function()
  local site <close> = web.serve(echo, { requests = 2 })
  local answer = site:ask(with("/"):rep(3))
  T.eq(web.statuses(answer), "200 200")
  T.match(answer, "\r\nConnection: close\r\n")
end)

T.test("a_handler_may_wait_while_others_are_served", FAKE, function()
  local order = {}
  local site <close> = web.serve(function(req, res)
    if req.path == "/slow" then net.sleep(1) end
    order[#order + 1] = req.path
    res:send(200)
  end)
  local slow = net.spawn(site.get, site, "/slow")
  T.turns()
  site:get("/fast")
  slow:join()
  T.eq(T.list(order), "/fast /slow")
end)

T.test("a_request_has_no_status_and_tells_whether_its_body_is_chunked", FAKE, function()
  local told = {}
  local site <close> = web.serve(function(req, res)
    told[#told + 1] = tostring(req.chunked)
    T.eq(req.status, nil)
    T.eq(req.reason, nil)
    res:send(200)
  end)
  site:get("/")
  site:ask("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
  T.eq(T.list(told), "false true")
end)

T.test("of_two_cookies_of_a_name_the_first_counts", FAKE, function()
  local site <close> = web.serve(function(req, res) res:send(200, req.cookies.a) end)
  T.eq(web.body(site:get("/", "Cookie: a=1; a=2\r\n")), "1")
end)
