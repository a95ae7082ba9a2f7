-- Files over HTTP: what is sent, what is refused, and that it is what the folder holds now.

local net = require "net"
local http = require "net.http"
local T = require "harness"
local json = require "net.http.json"
local web = require "web"

local FAKE = { net = "fake" }

-- --- a folder and its server -----------------------------------------------------------

local Place = {}
Place.__index = Place

function Place:sh(command, ...)
  assert(os.execute("cd " .. self.folder .. " && " .. command:format(...)))
end

function Place:write(path, text, time)
  local f <close> = assert(io.open(self.folder .. "/" .. path, "wb"))
  assert(f:write(text))
  f:close()
  if time then self:sh("touch -d @%d %s", time, path) end
end

-- A file that nobody has changed for long, so that its tag is strong.
function Place:old(path, text)
  self:write(path, text, 1700000000)
end

Place.__close = function(self)
  os.execute("rm -r " .. self.folder)
end

local function place()
  local self = setmetatable({ folder = os.tmpname() }, Place)
  os.remove(self.folder)
  assert(os.execute("mkdir " .. self.folder))
  return self
end

-- A test with a folder and a site that serves it.
local function test(name, net_of, fn, options, wrap)
  T.test(name, net_of, function()
    T.need_files()
    local p <close> = place()
    local handler = http.files(p.folder, options)
    local site <close> = web.serve(wrap and wrap(handler, p) or handler)
    fn(site, p)
  end)
end

local function header(answer, name)
  return answer:match("\r\n" .. name:gsub("%-", "%%-") .. ": ([^\r]*)\r\n")
end

local function status(site, path, fields)
  return web.status(site:get(path, fields))
end

local function body(site, path, fields)
  return web.body(site:get(path, fields))
end

-- --- what is sent ----------------------------------------------------------------------

test("a_file_is_sent_with_what_names_its_version", FAKE, function(site, p)
  p:old("a.txt", "hello\n")
  T.eq(site:get("/a.txt"), "HTTP/1.1 200 OK\r\n"
    .. 'ETag: "6-60a24181e4000"\r\n'
    .. "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
    .. "Content-Type: text/plain; charset=utf-8\r\nAccept-Ranges: bytes\r\n"
    .. "Content-Length: 6\r\nConnection: close\r\n\r\nhello\n")
end)

test("files_of_any_size_arrive_whole", FAKE, function(site, p)
  for _, size in ipairs { 0, 1, 16384, 131071, 131072, 131073, 524288, 524289, 1000000 } do
    local text = ("0123456789abcde\n"):rep(size // 16 + 1):sub(1, size)
    p:old("x.bin", text)
    local answer = site:get("/x.bin")
    T.eq(header(answer, "Content-Length"), tostring(size))
    T.ok(web.body(answer) == text, size)
  end
end)

test("head_is_get_without_the_body", FAKE, function(site, p)
  p:old("a.html", "<p>hello")
  local fields = " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
  local got = site:ask("GET /a.html" .. fields)
  T.eq(site:ask("HEAD /a.html" .. fields) .. "<p>hello", got)
end)

test("a_type_goes_by_the_last_suffix", FAKE, function(site, p)
  p:write("mime.rb", "x")
  local rows = {
    ["a.html"] = "text/html; charset=utf-8", ["A.JPG"] = "image/jpeg", ["a.tar.gz"] = "application/gzip",
    ["a.mjs"] = "text/javascript; charset=utf-8", ["none"] = "application/octet-stream",
    ["a.unknown-suffix"] = "application/octet-stream", ["a.own"] = "text/x-own",
  }
  for name, kind in pairs(rows) do
    p:write(name, "x")
    T.eq(header(site:get("/" .. name), "Content-Type"), kind, name)
  end
end, { types = { own = "text/x-own" } })

test("the_system_knows_more_types", FAKE, function(site, p)
  local list = io.open("/etc/mime.types")
  if not list then return T.skip("no /etc/mime.types") end
  list:close()
  p:write("a.odt", "x")
  T.eq(header(site:get("/a.odt"), "Content-Type"), "application/vnd.oasis.opendocument.text")
end)

test("other_methods_are_405_with_allow", FAKE, function(site, p)
  p:write("a", "x")
  local answer = site:post("/a", "x")
  T.eq(web.status(answer), 405)
  T.eq(header(answer, "Allow"), "GET, HEAD, OPTIONS")
  answer = site:ask("OPTIONS /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  T.eq(web.status(answer), 204)
  T.eq(header(answer, "Allow"), "GET, HEAD, OPTIONS")
end)

test("an_option_that_is_not_known_is_refused", FAKE, function(_, p)
  T.raises("no option 'listings'", http.files, p.folder, { listings = true })
  T.raises("'listing' must be a boolean", http.files, p.folder, { listing = 1 })
  T.raises("no such file", http.files, p.folder .. "/none")
end)

-- --- folders ---------------------------------------------------------------------------

test("a_folder_is_its_index_or_403", FAKE, function(site, p)
  p:sh("mkdir with without")
  p:write("with/index.html", "<p>index")
  T.eq(body(site, "/with/"), "<p>index")
  T.eq(status(site, "/without/"), 403)
  T.eq(status(site, "/none/"), 404)
  T.eq(status(site, "/with/index.html/"), 404)
end)

-- CVE-2021-28861: what begins with two slashes is another host.
test("a_folder_without_its_slash_is_a_redirect_to_nowhere_else", FAKE, function(site, p)
  p:sh("mkdir -p evil.com/sub 'a b' 'x:y'")
  local rows = {
    ["/evil.com"] = "./evil.com/", ["//evil.com"] = "./evil.com/", ["/evil.com/sub?q=1"] = "./sub/?q=1",
    ["/a%20b"] = "./a%20b/", ["/x:y"] = "./x%3Ay/",
  }
  for path, location in pairs(rows) do
    local answer = site:get(path)
    T.eq(web.status(answer), 301, path)
    T.eq(header(answer, "Location"), location)
  end
end)

test("a_listing_shows_names_and_nothing_that_is_refused", FAKE, function(site, p)
  p:sh("mkdir sub; mkfifo fifo; ln -s /etc out; ln -s sub in; touch .hidden 'a&b' '<i>' b")
  local page = body(site, "/")
  local hrefs = {}
  for href, name in page:gmatch('<a href="([^"]*)">([^<]*)<') do
    hrefs[#hrefs + 1] = href .. " " .. name
  end
  T.eq(table.concat(hrefs, "\n"), "./in/ in/\n./sub/ sub/\n./%3Ci%3E &lt;i&gt;\n./a%26b a&amp;b\n./b b")
  T.match(body(site, "/sub/"), '<a href="../">')
end, { listing = true })

-- --- preconditions (RFC 9110 section 13) ------------------------------------------------

test("preconditions_decide", FAKE, function(site, p)
  p:old("a", "hello")
  local tag, now = header(site:get("/a"), "ETag"), "Tue, 14 Nov 2023 22:13:20 GMT"
  local before, after = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
  local rows = {
    { 304, "If-None-Match: %s\r\n", tag },
    { 304, 'If-None-Match: "x", W/%s\r\n', tag },
    { 304, "If-None-Match: *\r\n" },
    { 200, 'If-None-Match: "x"\r\n' },
    { 200, 'If-None-Match: "x"\r\nIf-Modified-Since: %s\r\n', now }, -- the tag alone counts
    { 304, "If-Modified-Since: %s\r\n", now },
    { 304, "If-Modified-Since: %s\r\n", after },
    { 200, "If-Modified-Since: %s\r\n", before },
    { 200, "If-Modified-Since: yesterday\r\n" },
    { 200, "If-Match: %s\r\n", tag },
    { 200, "If-Match: *\r\n" },
    { 412, 'If-Match: "x"\r\n' },
    { 412, "If-Match: W/%s\r\n", tag }, -- a weak tag is no match here
    { 412, 'If-Match: "x"\r\nIf-None-Match: *\r\n' },
    { 200, "If-Unmodified-Since: %s\r\n", now },
    { 412, "If-Unmodified-Since: %s\r\n", before },
    { 412, "If-Unmodified-Since: %s\r\nRange: bytes=0-0\r\n", before },
  }
  for _, row in ipairs(rows) do
    local fields = row[2]:format(row[3])
    T.eq(status(site, "/a", fields), row[1], fields)
  end
end)

test("a_304_names_the_version_and_has_no_body", FAKE, function(site, p)
  p:old("a.txt", "hello")
  T.eq(site:get("/a.txt", "If-None-Match: *\r\n"), "HTTP/1.1 304 Not Modified\r\n"
    .. 'ETag: "5-60a24181e4000"\r\n'
    .. "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nConnection: close\r\n\r\n")
end)

test("a_file_of_this_moment_has_a_weak_tag", FAKE, function(site, p)
  local begun, tag
  repeat -- until the file was of that moment still
    begun = os.time()
    p:write("a", "hello")
    tag = header(site:get("/a"), "ETag")
  until os.time() - begun < 2
  T.match(tag, '^W/"')
end)

-- --- ranges (RFC 9110 section 14) --------------------------------------------------------

test("ranges_are_parts_of_the_file", FAKE, function(site, p)
  p:old("a", "0123456789")
  local rows = {
    { "bytes=0-0", 206, "0", "bytes 0-0/10" },
    { "bytes=3-5", 206, "345", "bytes 3-5/10" },
    { "bytes=7-", 206, "789", "bytes 7-9/10" },
    { "bytes=-2", 206, "89", "bytes 8-9/10" },
    { "bytes=-20", 206, "0123456789", "bytes 0-9/10" },
    { "bytes=8-99999999999999999999", 206, "89", "bytes 8-9/10" },
    { "bytes=10-", 416, nil, "bytes */10" },
    { "bytes=-0", 416, nil, "bytes */10" },
    { "bytes=5-3", 200, "0123456789" },
    { "lines=1-2", 200, "0123456789" },
    { "bytes=0-9,0-9,0-9", 200, "0123456789" }, -- more than the file itself
  }
  for _, row in ipairs(rows) do
    local answer = site:get("/a", "Range: " .. row[1] .. "\r\n")
    T.eq(web.status(answer), row[2], row[1])
    T.eq(header(answer, "Content-Range"), row[4], row[1])
    if row[3] then T.eq(web.body(answer), row[3], row[1]) end
  end
end)

test("several_ranges_are_one_body", FAKE, function(site, p)
  p:old("a.txt", ("0123456789"):rep(30000))
  local answer = site:get("/a.txt", "Range: bytes=0-1,9-10,299998-\r\n")
  T.eq(web.status(answer), 206)
  local boundary = header(answer, "Content-Type"):match("^multipart/byteranges; boundary=(.*)$")
  local text = web.body(answer)
  T.eq(header(answer, "Content-Length"), tostring(#text))
  local function part(range, bytes)
    return "\r\n--" .. boundary .. "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes "
      .. range .. "/300000\r\n\r\n" .. bytes
  end
  T.eq(text, part("0-1", "01") .. part("9-10", "90") .. part("299998-299999", "89")
    .. "\r\n--" .. boundary .. "--\r\n")
end)

test("if_range_asks_for_this_very_version", FAKE, function(site, p)
  p:old("a", "0123456789")
  local tag = header(site:get("/a"), "ETag")
  for condition, code in pairs {
    [tag] = 206, ['"x"'] = 200, ["W/" .. tag] = 200, ["Tue, 14 Nov 2023 22:13:20 GMT"] = 206,
    ["Tue, 14 Nov 2023 22:13:21 GMT"] = 200,
  } do
    T.eq(status(site, "/a", "Range: bytes=0-0\r\nIf-Range: " .. condition .. "\r\n"), code, condition)
  end
end)

-- --- compressed siblings -----------------------------------------------------------------

test("a_compressed_sibling_is_sent_to_who_takes_it", FAKE, function(site, p)
  p:old("a.html", "plain")
  p:old("a.html.gz", "gzip")
  p:old("a.html.br", "brotli")
  p:old("a.jpg", "plain")
  p:old("a.jpg.gz", "gzip")
  local rows = {
    { "/a.html", "gzip", "gzip", "gzip" },
    { "/a.html", "gzip, br", "br", "brotli" },
    { "/a.html", "br;q=0.5, gzip", "gzip", "gzip" },
    { "/a.html", "gzip;q=0", nil, "plain" },
    { "/a.html", "*", "br", "brotli" },
    { "/a.html", "zstd", nil, "plain" },
    { "/a.jpg", "gzip", nil, "plain" },
  }
  for _, row in ipairs(rows) do
    local answer = site:get(row[1], "Accept-Encoding: " .. row[2] .. "\r\n")
    T.eq(header(answer, "Content-Encoding"), row[3], row[2])
    T.eq(web.body(answer), row[4], row[2])
    local is_text = row[1] == "/a.html"
    T.eq(header(answer, "Vary"), is_text and "Accept-Encoding" or nil)
    if is_text then T.eq(header(answer, "Content-Type"), "text/html; charset=utf-8") end
  end
  T.eq(header(site:get("/a.html"), "Vary"), "Accept-Encoding")
end)

-- RFC 9110 section 12.5.3: plain bytes are acceptable unless they are excluded.
test("who_excludes_plain_bytes_and_all_siblings_is_told_406", FAKE, function(site, p)
  p:old("a.html", "plain")
  p:old("a.html.gz", "gzip")
  p:old("b.html", "plain")
  for _, row in ipairs {
    { "/a.html", "identity;q=0", 406 },
    { "/a.html", "identity;q=0, gzip", 200 },
    { "/a.html", "*;q=0", 406 },
    { "/a.html", "*;q=0, identity", 200 },
    { "/a.html", "br, identity;q=0.000", 406 },
    { "/a.html", "", 200 },
    { "/b.html", "gzip, identity;q=0", 406 },
    { "/b.html", "gzip", 200 },
  } do
    local answer = site:get(row[1], "Accept-Encoding: " .. row[2] .. "\r\n")
    T.eq(web.status(answer), row[3], row[1] .. " " .. row[2])
    if row[3] == 406 then T.eq(header(answer, "ETag"), nil) end
  end
end)

test("versions_in_two_codings_have_two_tags", FAKE, function(site, p)
  p:old("a.html", "same")
  p:old("a.html.gz", "size")
  local gz = header(site:get("/a.html", "Accept-Encoding: gzip\r\n"), "ETag")
  T.ok(gz ~= header(site:get("/a.html"), "ETag"))
  T.eq(status(site, "/a.html", "Accept-Encoding: gzip\r\nIf-None-Match: " .. gz .. "\r\n"), 304)
end)

test("a_sibling_that_is_older_than_the_file_is_not_sent", FAKE, function(site, p)
  p:write("a.html.gz", "stale", 1600000000)
  p:old("a.html", "new")
  T.eq(body(site, "/a.html", "Accept-Encoding: gzip\r\n"), "new")
end)

test("what_is_refused_names_no_coding", FAKE, function(site, p)
  p:old("a.html", "plain")
  p:old("a.html.gz", "gzip")
  for fields, code in pairs { ['If-Match: "x"\r\n'] = 412, ["Range: bytes=99-\r\n"] = 416 } do
    local answer = site:get("/a.html", "Accept-Encoding: gzip\r\n" .. fields)
    T.eq(web.status(answer), code)
    T.eq(header(answer, "Content-Encoding"), nil)
    T.eq(header(answer, "ETag"), nil)
    T.eq(header(answer, "Content-Type"), "text/plain; charset=utf-8")
  end
end)

-- --- res:file ----------------------------------------------------------------------------

test("a_handler_answers_with_a_file", FAKE, function(site, p)
  p:old("a.txt", "hello")
  T.eq(body(site, "/a.txt"), "hello")
  T.eq(status(site, "/a.txt", "If-None-Match: *\r\n"), 304)
  T.eq(body(site, "/a.txt", "Range: bytes=1-2\r\n"), "el")
  T.eq(status(site, "/none"), 404)
  T.eq(status(site, "/."), 404)
  T.eq(status(site, "/x/..%2fa"), 404)
  T.eq(site.server:counts().ready, 0)
end, nil, function(_, p)
  return function(req, res)
    res:file(p.folder, req.path:sub(2))
  end
end)

-- --- mounts ------------------------------------------------------------------------------

test("a_mount_matches_on_the_border_of_a_segment", FAKE, function(site, p)
  p:old("a", "hello")
  p:sh("mkdir sub")
  for path, code in pairs {
    ["/static/a"] = 200, ["/statica"] = 404, ["/static../a"] = 404, ["/static/../a"] = 404,
    ["/static/%2e%2e/a"] = 404, ["/static/x%2f..%2fa"] = 400, ["/static%2fa"] = 404, ["/a"] = 404,
  } do
    T.eq(status(site, path), code, path)
  end
  T.eq(header(site:get("/static/sub"), "Location"), "./sub/")
end, nil, function(handler) return http.router { ["/static/*"] = handler } end)

-- --- ready answers -----------------------------------------------------------------------

local GET = "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"

-- A client that keeps its connection: the status, the body, and whether the answer was a
-- ready one.
local function client(site, sock)
  return function(path, fields)
    local ready = site.server:counts().ready
    T.ok(sock:send(GET:format(path, fields or "")))
    local head = T.ok(sock:read_until("\r\n\r\n"))
    local length = tonumber(header(head .. "\r\n", "Content-Length"))
    local text = length and length > 0 and T.ok(sock:read(length)) or ""
    return web.status(head), text, site.server:counts().ready > ready
  end
end

-- Asks until the answer is a ready one.
local function warm(get, path)
  T.need_files()
  for _ = 1, 4 do
    local _, _, ready = get(path)
    if ready then return end
  end
  T.ok(false, path .. " is not kept")
end

local function hot_test(name, fn, options, wrap)
  for _, kind in ipairs { FAKE, {} } do
    test(name .. (kind.net and "" or "_on_the_host"), kind, function(site, p)
      local sock <close> = site:connect()
      fn(client(site, sock), p, site)
    end, options, wrap)
  end
end

hot_test("a_small_file_becomes_a_ready_answer", function(get, p)
  p:old("a.txt", "hello")
  p:old("index.html", "<p>index")
  warm(get, "/a.txt")
  warm(get, "/")
  local code, text, ready = get("/a.txt")
  T.eq(code, 200); T.eq(text, "hello"); T.eq(ready, true)
  for _, fields in ipairs { "Range: bytes=0-0\r\n", "If-None-Match: *\r\n", "If-Match: *\r\n" } do
    T.eq(select(3, get("/a.txt", fields)), false, fields)
  end
end)

hot_test("another_spelling_of_a_target_is_not_kept", function(get, p)
  p:old("a", "hello")
  for _, target in ipairs { "/%61", "//a", "/./a", "/a?x" } do
    for _ = 1, 3 do
      local code, _, ready = get(target)
      T.eq(code, 200); T.eq(ready, false, target)
    end
  end
end)

local changes = {
  { "replace_by_rename", "printf 2 > b; touch -d @1700000000 b; mv b sub/a.html", "2" },
  { "overwrite_in_place", "printf 2 > sub/a.html; touch -d @1700000000 sub/a.html", "2" },
  { "overwrite_that_keeps_size_and_time", "printf 2 1<> sub/a.html; touch -d @1700000000 sub/a.html", "2" },
  { "truncate", "truncate -s 0 sub/a.html", "" },
  { "grow", "printf 2 >> sub/a.html", "12" },
  { "delete", "rm sub/a.html", nil },
  { "rename", "mv sub/a.html sub/b.html", nil },
  { "rename_of_the_folder_above", "mv sub other", nil },
  { "another_folder_in_its_place",
    "mkdir new; printf 2 > new/a.html; touch -d @1700000000 new/a.html; mv sub old; mv new sub", "2" },
  { "delete_of_the_folder", "rm -r sub", nil },
  { "a_link_in_its_place", "printf 2 > other; rm sub/a.html; ln -s ../other sub/a.html", "2" },
  { "a_link_out_in_its_place", "ln -sf /etc/passwd sub/a.html", nil },
  { "a_fifo_in_its_place", "rm sub/a.html; mkfifo sub/a.html", nil },
}

for _, row in ipairs(changes) do
  hot_test("a_ready_answer_ends_with_a_" .. row[1], function(get, p)
    p:sh("mkdir sub")
    p:old("sub/a.html", "1")
    warm(get, "/sub/a.html")
    p:sh(row[2])
    local code, text, ready = get("/sub/a.html")
    T.eq(ready, false)
    T.eq(code, row[3] and 200 or 404)
    if row[3] then T.eq(text, row[3]) end
  end)
end

hot_test("a_ready_answer_ends_with_a_sibling", function(get, p)
  p:old("a.html", "plain")
  warm(get, "/a.html")
  p:old("a.html.gz", "gzip")
  local _, text, ready = get("/a.html", "Accept-Encoding: gzip\r\n")
  T.eq(text, "gzip"); T.eq(ready, false)
end)

hot_test("a_ready_answer_is_not_for_who_excludes_plain_bytes", function(get, p)
  p:old("a.html", "plain")
  warm(get, "/a.html")
  T.eq(get("/a.html", "Accept-Encoding: gzip, identity;q=0\r\n"), 406)
  T.eq(select(3, get("/a.html", "Accept-Encoding: gzip;q=0.5, br\r\n")), true)
end)

hot_test("a_folder_that_was_put_in_place_is_watched_too", function(get, p)
  p:sh("mkdir -p sub/deep")
  p:old("sub/deep/a", "1")
  warm(get, "/sub/deep/a")
  p:sh("mv sub gone; mkdir -p sub/deep")
  p:old("sub/deep/a", "2")
  warm(get, "/sub/deep/a")
  p:old("sub/deep/a", "3")
  T.eq(select(2, get("/sub/deep/a")), "3")
  warm(get, "/sub/deep/a")
  p:sh("rm gone/deep/a") -- the old one is of no concern
  T.eq(select(3, get("/sub/deep/a")), true)
end)

hot_test("a_change_without_the_kernels_word_shows_within_a_second", function(get, p)
  p:old("a", "1")
  p:sh("ln a ../%s-link", p.folder:match("[^/]*$"))
  warm(get, "/a")
  os.execute(("printf 2 > %s-link && rm %s-link"):format(p.folder, p.folder))
  net.sleep(1.1)
  T.eq(select(2, get("/a")), "2")
end)

hot_test("a_pipelined_request_sees_what_was_changed_before_it", function(get, p, site)
  p:old("a", "1")
  warm(get, "/a")
  local sock <close> = site:connect()
  for round = 1, 20 do -- the server may read these at any point of a turn
    sock:send(GET:format("/a", ""))
    p:old("b", tostring(round % 10))
    p:sh("mv b a")
    sock:send(GET:format("/a", ""))
    T.ok(sock:read_until("\r\n\r\n") and sock:read(1))
    T.ok(sock:read_until("\r\n\r\n"))
    T.eq(sock:read(1), tostring(round % 10))
  end
end)

-- The next answers on a connection, as many as there are codes: "200 404", and the bodies.
local function answers(sock, count)
  local codes, bodies = {}, {}
  for i = 1, count do
    local head = T.ok(sock:read_until("\r\n\r\n"))
    codes[i] = web.status(head)
    bodies[i] = T.ok(sock:read_exact(tonumber(header(head .. "\r\n", "Content-Length"))))
  end
  return table.concat(codes, " "), bodies
end

hot_test("what_stands_behind_a_request_with_a_ready_answer_is_answered", function(get, p, site)
  p:old("a", "hello")
  p:old("b", "other")
  warm(get, "/a")
  local sock <close> = site:connect()
  for _ = 1, 3 do
    T.turns(2) -- the server waits
    local ready = site.server:counts().ready
    sock:send(GET:format("/a", "") .. GET:format("/b?x", "") .. GET:format("/a", "")
      .. GET:format("/no", "") .. GET:format("/a", ""))
    local codes, bodies = answers(sock, 5)
    T.eq(codes, "200 200 200 404 200")
    T.eq(bodies[1] .. bodies[2] .. bodies[3] .. bodies[5], "hellootherhellohello")
    T.eq(site.server:counts().ready - ready, 3)
  end
end)

hot_test("a_head_in_pieces_gets_a_ready_answer", function(get, p, site)
  p:old("a", "hello")
  warm(get, "/a")
  local sock <close> = site:connect()
  local request = GET:format("/a", "")
  for at = 1, #request - 1 do
    sock:send(request:sub(1, at))
    T.turns(2)
    sock:send(request:sub(at + 1))
    local ready = site.server:counts().ready
    local codes, bodies = answers(sock, 1)
    T.eq(codes .. bodies[1], "200hello")
    T.eq(site.server:counts().ready - ready, 1)
  end
end)

hot_test("a_bad_request_behind_a_ready_answer_is_refused", function(get, p, site)
  p:old("a", "hello")
  warm(get, "/a")
  local sock <close> = site:connect()
  sock:send(GET:format("/a", ""))
  T.eq(answers(sock, 1), "200")
  T.turns(2)
  sock:send("GET /a HTTP/1.1\r\n\r\n") -- without Host
  T.eq(web.status(T.ok(sock:read("a"))), 400)
end)

hot_test("a_large_ready_answer_waits_for_a_slow_client", function(get, p, site)
  local text = ("0123456789abcde\n"):rep(32 * 1024)
  p:old("x.bin", text)
  warm(get, "/x.bin")
  local sock <close> = site:connect()
  for round = 1, 3 do
    T.turns(2)
    sock:send(GET:format("/x.bin", ""):rep(round))
    T.turns(10)
    local codes, bodies = answers(sock, round)
    T.eq(codes, ("200 "):rep(round):sub(1, -2))
    for _, each in ipairs(bodies) do T.ok(each == text) end
  end
end)

hot_test("a_ready_answer_on_its_way_is_what_it_was", function(get, p, site)
  local text = ("0123456789abcde\n"):rep(4 * 1024)
  p:old("x.bin", text)
  warm(get, "/x.bin")
  local sock <close> = site:connect()
  for round = 1, 3 do
    local ready = site.server:counts().ready
    T.ok(sock:send(GET:format("/x.bin", "")))
    repeat T.turns(1) until site.server:counts().ready > ready
    T.turns(2) -- it has been sent, and nobody has read it
    local other = text:reverse():sub(1, #text - round)
    p:old("x.bin", other)
    warm(get, "/x.bin") -- another takes its place in memory
    local codes, bodies = answers(sock, 1)
    T.eq(codes, "200")
    T.ok(bodies[1] == text)
    text = other
  end
end)

hot_test("a_server_that_stops_sends_the_ready_answers_it_has_begun", function(get, p, site)
  local text = ("0123456789abcde\n"):rep(32 * 1024)
  p:old("x.bin", text)
  warm(get, "/x.bin")
  local sock <close> = site:connect()
  T.ok(sock:send(GET:format("/x.bin", ""):rep(40)))
  T.turns(30) -- until the socket is full, with an answer that has begun or waits to
  local stop = net.spawn(site.server.stop, site.server, 10)
  T.turns(2)
  local all = T.ok(sock:read("a"))
  local count = 0
  for got in all:gmatch("\r\n\r\n([0-9a-e\n]*)") do
    T.ok(got == text, #got)
    count = count + 1
  end
  T.ok(count > 0 and count < 40, count)
  T.eq(stop:join(), true)
end)

T.test("a_connection_with_ready_answers_is_idle_until_its_time_is_over", FAKE, function()
  local p <close> = place()
  local site <close> = web.serve(http.files(p.folder), { idle_timeout = 1 })
  p:old("a", "hello")
  local sock <close> = site:connect()
  warm(client(site, sock), "/a")
  for _ = 1, 3 do
    net.sleep(0.6)
    T.eq(select(3, client(site, sock)("/a")), true)
  end
  T.eq(sock:read("a"), "")
end)

T.test("a_server_that_is_closed_ends_connections_with_ready_answers", FAKE, function()
  local p <close> = place()
  local site = web.serve(http.files(p.folder))
  p:old("a", "hello")
  local sock <close> = site:connect()
  warm(client(site, sock), "/a")
  site.server:close()
  T.eq(site.task:join(), true)
  T.eq(sock:read("a"), "")
end)

hot_test("a_thousand_random_changes_are_each_seen", function(get, p)
  local long_ago = 1700000000
  p:sh("mkdir d e")
  local ready_count, expected = 0, {}
  local paths = { "d/a", "d/b", "e/a" }
  local function write(path, text)
    local f <close> = assert(io.open(p.folder .. "/" .. path, "wb"))
    f:write(text)
  end
  local moves = {
    function(path, text) write(path, text); expected[path] = text end,
    function(path, text)
      write("new", text)
      assert(os.rename(p.folder .. "/new", p.folder .. "/" .. path))
      expected[path] = text
    end,
    function(path) os.remove(p.folder .. "/" .. path); expected[path] = nil end,
    function(path, text)
      local f <close> = assert(io.open(p.folder .. "/" .. path, "ab"))
      f:write(text)
      expected[path] = (expected[path] or "") .. text
    end,
    function()
      assert(os.rename(p.folder .. "/d", p.folder .. "/f"))
      assert(os.rename(p.folder .. "/e", p.folder .. "/d"))
      assert(os.rename(p.folder .. "/f", p.folder .. "/e"))
      local new = {}
      for path, text in pairs(expected) do
        new[(path:gsub("^[de]", { d = "e", e = "d" }))] = text
      end
      expected = new
    end,
  }
  for i = 1, 1000 do
    local path = paths[math.random(#paths)]
    moves[math.random(#moves)](path, "text " .. i)
    if i % 25 == 0 then p:sh("find d e -type f -exec touch -d @%d {} +", long_ago) end
    for _, each in ipairs(paths) do
      local code, text, ready = get("/" .. each)
      T.eq(code, expected[each] and 200 or 404, i)
      if expected[each] then T.eq(text, expected[each], i) end
      if ready then ready_count = ready_count + 1 end
    end
  end
  T.ok(ready_count > 10, ready_count) -- how often depends on the seed
end)

hot_test("a_mount_gives_ready_answers", function(get, p)
  p:old("a", "hello")
  warm(get, "/static/a")
  p:old("a", "other")
  T.eq(select(2, get("/static/a")), "other")
end, nil, function(handler) return http.router { ["/static/*"] = handler } end)

hot_test("a_handler_of_the_script_sees_each_request", function(get, p)
  p:old("a", "hello")
  for _ = 1, 4 do T.eq(select(3, get("/a")), false) end
end, nil, function(handler)
  return setmetatable({}, { __call = function(_, ...) return handler(...) end })
end)

hot_test("a_handler_in_a_router_sees_each_request", function(get, p)
  p:old("a", "hello")
  for _ = 1, 4 do T.eq(select(3, get("/a")), false) end
end, nil, function(handler)
  return http.router {
    ["/*"] = setmetatable({}, { __call = function(_, ...) return handler(...) end }),
  }
end)

hot_test("an_index_that_comes_before_another_is_shown_at_once", function(get, p)
  p:old("second.html", "2")
  for _ = 1, 4 do T.eq(select(2, get("/")), "2") end
  p:old("first.html", "1")
  T.eq(select(2, get("/")), "1")
end, { index = { "first.html", "second.html" } })

hot_test("many_files_are_more_than_the_cache_keeps", function(get, p)
  p:sh("for i in $(seq 300); do head -c 120000 /dev/zero | tr '\\0' $((i %% 10)) > f$i; done; touch -d @1700000000 f*")
  for _ = 1, 3 do
    for i = 1, 300 do
      local code, text = get("/f" .. i)
      T.eq(code, 200)
      T.ok(text == tostring(i % 10):rep(120000))
    end
  end
  T.eq(select(3, get("/f300")), true)
  T.eq(select(3, get("/f1")), false)
end)

-- --- ready answers, and a log ------------------------------------------------------------

-- What a line of each format tells: what was asked, status, bytes ("-": none).
local tells = {
  common = function(line)
    T.match(line, "^127%.0%.0%.1 %- %- %[%d%d/%u%l%l/%d%d%d%d:%d%d:%d%d:%d%d %+0000%] ")
    return (line:match('%] "GET (.*)$'):gsub(' HTTP/1%.1"', ""))
  end,
  json = function(line)
    local entry = json.decode(line)
    T.match(entry.time, "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$")
    T.match(entry.peer, "^127%.0%.0%.1:%d+$")
    T.eq(entry.method, "GET")
    T.eq(entry.version, "1.1")
    T.ok(entry.seconds >= 0)
    local bytes = entry.bytes == 0 and "-" or entry.bytes
    return (("%s %d %s"):format(entry.target, entry.status, bytes):gsub("%.0$", ""))
  end,
}

-- A site with a log. `told()` gives its lines so far, as `tells` makes them.
local function log_test(name, fn, file_of)
  for _, format in ipairs { "common", "json" } do
    for _, kind in ipairs { FAKE, {} } do
      local where = (format == "json" and "_in_json" or "") .. (kind.net and "" or "_on_the_host")
      T.test(name .. where, kind, function()
        local p <close> = place()
        local path = os.tmpname()
        local file <close> = file_of and file_of() or io.open(path, "w")
        local function told()
          local f <close> = io.open(path)
          local lines = {}
          for line in f:lines() do lines[#lines + 1] = tells[format](line) end
          return lines
        end
        do
          local site <close> = web.serve(http.files(p.folder),
            { log = { format = format, file = file } })
          local sock <close> = site:connect()
          fn(client(site, sock), p, told, site, sock, file)
        end
        os.remove(path)
      end)
    end
  end
end

log_test("a_ready_answer_is_logged_like_any_other", function(get, p, told)
  p:old("a", "hello")
  warm(get, "/a")
  T.turns()
  local before = #told()
  T.eq(select(3, get("/a")), true)
  T.turns(2)
  T.eq(#told(), before + 1)
  T.eq(told()[before + 1], "/a 200 5")
end)

log_test("lines_are_in_the_order_of_the_answers_and_none_is_lost", function(get, p, told, site, sock)
  p:old("a", "hello")
  p:old("b", "")
  warm(get, "/a")
  warm(get, "/b")
  T.turns(2)
  local before, expected = #told(), {}
  net.spawn(function()
    for i = 1, 300 do
      local target = i % 3 == 0 and "/b" or i % 7 == 0 and "/none" or "/a"
      expected[i] = target .. (target == "/none" and " 404 14" or target == "/a" and " 200 5" or " 200 -")
      sock:send(GET:format(target, i == 300 and "Connection: close\r\n" or ""))
      if i % 50 == 0 then net.yield() end
    end
  end)
  T.ok(sock:read("a"))
  T.turns(2)
  local lines = told()
  T.eq(table.concat(lines, "\n", before + 1), table.concat(expected, "\n"))
  T.ok(site.server:counts().ready > 200)
  T.eq(site.server:counts().dropped, 0)
end)

log_test("a_client_that_goes_away_has_its_line_with_what_was_sent", function(get, p, told, site)
  p:old("a", ("x"):rep(40000))
  warm(get, "/a")
  local before = site.server:counts().ready
  local gone = site:connect()
  for _ = 1, 400 do gone:send(GET:format("/a", "")) end -- and reads nothing
  T.turns(20)
  local asked = site.server:counts().ready - before
  gone:close()
  T.turns(20)
  local lines, cut = told(), 0
  for _, line in ipairs(lines) do
    if line ~= "/a 200 40000" then cut = cut + 1 end
  end
  T.ok(asked < 400, asked) -- the last of them was under way
  T.eq(cut, 1)
end)

log_test("lines_that_a_full_disk_does_not_take_are_counted", function(get, p, _, site)
  p:old("a", "hello")
  warm(get, "/a")
  for _ = 1, 200 do get("/a") end
  T.turns(2)
  local counts = site.server:counts()
  T.ok(counts.ready >= 200)
  T.eq(counts.dropped, counts.requests)
end, function() return io.open("/dev/full", "w") end)

log_test("a_log_that_the_script_has_closed_drops_its_lines", function(get, p, _, site, _, file)
  p:old("a", "hello")
  warm(get, "/a")
  T.turns(2)
  file:close()
  local before = site.server:counts().requests
  for _ = 1, 5 do get("/a") end
  T.turns(2)
  T.eq(site.server:counts().dropped, site.server:counts().requests - before)
end)

T.test("a_json_log_tells_what_asked_for_a_ready_answer", FAKE, function()
  local p <close> = place()
  p:old("a", "hello")
  local path = os.tmpname()
  local file <close> = io.open(path, "w")
  local site <close> = web.serve(http.files(p.folder), { log = { format = "json", file = file } })
  local sock <close> = site:connect()
  local get = client(site, sock)
  warm(get, "/a")
  local fields = 'User-Agent: a"b\xc3\xa7\t\r\nReferer: \xff"\\/\r\n'
  T.eq(select(3, get("/a", fields)), true)
  T.turns(2)
  local f <close> = io.open(path)
  os.remove(path)
  local line
  for each in f:lines() do line = each end
  local entry = json.decode(line)
  T.eq(entry.user_agent, 'a"b\xc3\xa7')
  T.eq(entry.referer, "\\xff\\x22\\x5c/")
  T.match(line, '"seconds":%d+%.%d%d%d%d%d%d,"referer":".*","user_agent":"[^"]*\\"[^"]*"}$')
end)

T.test("a_log_of_another_kind_sees_each_request_itself", FAKE, function()
  T.need_files()
  local p <close> = place()
  p:old("a", "hello")
  local entries, lines = {}, {}
  local own = { write = function(self, line) lines[#lines + 1] = line; return self end }
  function own:flush() return self end
  for _, log in ipairs { function(entry) entries[#entries + 1] = entry end,
    { format = "common", file = own } } do
    local site <close> = web.serve(http.files(p.folder), { log = log })
    local sock <close> = site:connect()
    local get = client(site, sock)
    for _ = 1, 3 do T.eq(get("/a"), 200) end
    T.eq(site.server:counts().ready, 0)
  end
  T.eq(#entries, 3)
  T.eq(#lines, 3)
  T.match(lines[3], '"GET /a HTTP/1.1" 200 5\n$')
end)
