-- The C functions under a client: requests that are sent, heads and bodies of answers.

local net = require "net"
local core = require "net.http.core"
local T = require "harness"

local FAKE = { net = "fake" }

-- A client's connection and the raw stream at its other side.
local function pair(options)
  local a, b = T.pair()
  return core.connection(a, core.shared(options or {}), nil, true), b
end

T.test("a_request_is_written_with_its_checks", FAKE, function()
  local conn, peer = pair()
  local _ <close> = conn
  local _ <close> = peer
  T.eq(conn:ask("GET", "/x?y", { Host = "h" }), true)
  T.eq(peer:recv(), "GET /x?y HTTP/1.1\r\nHost: h\r\n\r\n")
  conn:ask("POST", "/", { Host = "h" })
  T.eq(peer:recv(), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
  conn:ask("PUT", "/", { Host = "h", Connection = "close" }, "body")
  T.eq(peer:recv(), "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
  for _, bad in ipairs { "", "/a b", "/\r\nX: y", "/\0", "/\xff" } do
    T.raises("target", conn.ask, conn, "GET", bad, { Host = "h" })
  end
  T.raises("method", conn.ask, conn, "GET\r\n", "/", { Host = "h" })
  T.raises("header 'X'", conn.ask, conn, "GET", "/", { X = "a\r\nb" })
  T.eq(peer:pending(), 0)
end)

T.test("a_body_in_pieces_is_chunked_or_as_long_as_promised", FAKE, function()
  local conn, peer = pair()
  local _ <close> = conn
  local _ <close> = peer
  conn:ask("POST", "/", { Host = "h" }, true)
  conn:write("hello")
  conn:finish()
  T.eq(peer:recv(), "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    .. "5\r\nhello\r\n0\r\n\r\n")
  conn:ask("POST", "/", { Host = "h", ["Content-Length"] = 5 }, true)
  conn:write("he")
  conn:write("llo")
  T.raises("more bytes", conn.write, conn, "!")
  conn:finish()
  T.eq(peer:recv(), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello")
end)

-- What came, the method asked with, status, body or code, section.
local answers = {
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "GET", 200, "hello" },
  { "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "GET", 200, "" },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "GET", 200, "abc" },
  { "HTTP/1.0 200 OK\r\n\r\nuntil the end", "GET", 200, "until the end" },
  { "HTTP/1.1 204 No\r\n\r\n", "GET", 204, "" },
  { "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", "GET", 304, "" },
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 200, "" },
  { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n"
    .. "HTTP/1.1 201 C\r\nContent-Length: 1\r\n\r\nx", "POST", 201, "x" },
}

local bad = {
  { "", "eof" },
  { "HTTP/1.1 200 OK\r\nContent-Le", "eof" },
  { "SSH-2.0-OpenSSH\r\n", "invalid" },
  { "HTTP/1.1 20 OK\r\n\r\n", "invalid" },
  { "HTTP/2.0 200 OK\r\n\r\n", "invalid" },
  { "HTTP/1.1 200 OK\nContent-Length: 0\n\n", "invalid" },
}

local bad_bodies = {
  { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "eof" },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "eof" },
  { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", "invalid" },
}

T.test("answers_are_read", FAKE, function()
  for _, row in ipairs(answers) do
    local conn, peer = pair()
    local _ <close> = conn
    local _ <close> = peer
    peer:send(row[1])
    peer:shutdown()
    local answer = T.ok(conn:next_response(row[2]))
    T.eq(answer.status, row[3], row[1])
    T.eq(answer:body(), row[4], row[1])
  end
end)

T.test("bad_answers_are_errors", FAKE, function()
  for _, row in ipairs(bad) do
    local conn, peer = pair()
    local _ <close> = conn
    local _ <close> = peer
    peer:send(row[1])
    peer:shutdown()
    T.fails(row[2], (function()
      local value, err, code = conn:next_response("GET")
      return value, err, code
    end)())
  end
  for _, row in ipairs(bad_bodies) do
    local conn, peer = pair()
    local _ <close> = conn
    local _ <close> = peer
    peer:send(row[1])
    peer:shutdown()
    local answer = T.ok(conn:next_response("GET"))
    T.fails(row[2], answer:body())
  end
end)

T.test("a_lenient_client_takes_lines_that_lf_ends", FAKE, function()
  local conn, peer = pair { lenient = true }
  local _ <close> = conn
  local _ <close> = peer
  peer:send("HTTP/1.1 200 OK\nContent-Length: 1\n\nx")
  T.eq(T.ok(conn:next_response("GET")):body(), "x")
end)

T.test("one_connection_serves_several_answers", FAKE, function()
  local conn, peer = pair()
  local _ <close> = conn
  local _ <close> = peer
  peer:send(("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"):rep(3))
  for _ = 1, 3 do
    local answer = T.ok(conn:next_response("GET"))
    T.eq(answer:body(), "x")
    T.eq(conn:drop(), true)
  end
  peer:send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx")
  T.eq(T.ok(conn:next_response("GET")):body(), "x")
  T.eq(conn:drop(), false)
end)

T.test("an_answer_that_does_not_come_is_a_timeout", FAKE, function()
  local conn, peer = pair { idle_timeout = 2, head_timeout = 3 }
  local _ <close> = conn
  local _ <close> = peer
  local begun = net.now()
  T.fails("timeout", conn:next_response("GET"))
  T.ok(net.now() - begun < 3)
  T.fails("closed", conn:next_response("GET"))
end)

T.test("an_answer_has_nothing_of_a_request", FAKE, function()
  local conn, peer = pair()
  local _ <close> = conn
  local _ <close> = peer
  peer:send("HTTP/1.1 204 No Content\r\n\r\n")
  local answer = T.ok(conn:next_response("GET"))
  T.eq(tostring(answer), "response (204)")
  for _, name in ipairs { "method", "target", "host" } do T.eq(answer[name], nil, name) end
end)
