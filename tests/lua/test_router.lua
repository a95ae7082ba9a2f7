-- The router: which route a request finds, and what is said where there is none.

local http = require "net.http"
local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }

-- Routes that answer with their own pattern and what their names stand for.
local function tell(patterns)
  local routes = {}
  for _, pattern in ipairs(patterns) do
    routes[pattern] = function(req, res)
      local names = {}
      for name, value in pairs(req.params or {}) do names[#names + 1] = name .. "=" .. value end
      table.sort(names)
      res:send(200, pattern .. " " .. table.concat(names, " "))
    end
  end
  return http.router(routes)
end

local function finds(patterns, rows)
  local site <close> = web.serve(tell(patterns))
  for request, expected in pairs(rows) do
    local answer = site:ask(request .. " HTTP/1.1\r\nHost: x\r\n\r\n")
    local found = web.status(answer) == 200 and web.body(answer) or web.status(answer)
    T.eq(found, expected, request)
  end
end

T.test("the_most_specific_route_wins", FAKE, function()
  finds({
    "/", "/users", "/users/me", "/users/:id", "/users/:id/posts", "/users/*", "/static/*path",
    "GET /x", "POST /x", "/x/:y",
  }, {
    ["GET /"] = "/ ",
    ["GET /users"] = "/users ",
    ["GET /users/me"] = "/users/me ",
    ["GET /users/42"] = "/users/:id id=42",
    ["GET /users/42/posts"] = "/users/:id/posts id=42",
    ["GET /users/42/none"] = "/users/* *=42/none",
    ["GET /users/"] = "/users/* *=",
    ["GET /static/a/b.css?v=1"] = "/static/*path path=a/b.css",
    ["GET /x"] = "GET /x ",
    ["POST /x"] = "POST /x ",
    ["GET /none"] = 404,
    ["GET /x/"] = 404,
    ["GET //users"] = 404,
  })
end)

T.test("names_are_decoded_segment_by_segment", FAKE, function()
  finds({ "/f/:name", "/a%20b/:c", "/r/*" }, {
    ["GET /f/a%2Fb"] = "/f/:name name=a/b",
    ["GET /f/a%20b"] = "/f/:name name=a b",
    ["GET /a%20b/1"] = "/a%20b/:c c=1",
    ["GET /%66/x"] = "/f/:name name=x",
    ["GET /f/%zz"] = 400,
    ["GET /r/a%2Fb/c"] = "/r/* *=a/b/c",
  })
end)

T.test("head_is_answered_by_get", FAKE, function()
  local site <close> = web.serve(http.router {
    ["GET /x"] = function(req, res) res:send(200, req.method) end,
  })
  local answer = site:ask("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n")
  T.match(answer, "^HTTP/1.1 200 OK\r\n.*Content%-Length: 4\r\n\r\n$")
end)

T.test("a_method_without_a_route_is_405_with_those_that_have_one", FAKE, function()
  local site <close> = web.serve(tell { "GET /x", "PUT /x", "DELETE /y/:z" })
  local answer = site:ask("POST /x HTTP/1.1\r\nHost: x\r\n\r\n")
  T.eq(web.status(answer), 405)
  T.match(answer, "\r\nAllow: GET, HEAD, OPTIONS, PUT\r\n")
  T.match(site:ask("GET /y/1 HTTP/1.1\r\nHost: x\r\n\r\n"), "405.*\r\nAllow: DELETE, OPTIONS\r\n")
  T.eq(web.status(site:ask("BREW /x HTTP/1.1\r\nHost: x\r\n\r\n")), 501)
  T.eq(web.status(site:ask("BREW /none HTTP/1.1\r\nHost: x\r\n\r\n")), 404)
end)

T.test("options_tells_what_is_allowed", FAKE, function()
  local site <close> = web.serve(tell { "GET /x", "/any", "OPTIONS /own" })
  T.eq(site:ask("OPTIONS /x HTTP/1.1\r\nHost: x\r\n\r\n"),
    "HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, OPTIONS\r\n\r\n")
  T.eq(web.status(site:ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")), 204)
  T.eq(web.body(site:ask("OPTIONS /any HTTP/1.1\r\nHost: x\r\n\r\n")), "/any ")
  T.eq(web.body(site:ask("OPTIONS /own HTTP/1.1\r\nHost: x\r\n\r\n")), "OPTIONS /own ")
end)

T.test("a_folder_without_its_slash_is_redirected_there", FAKE, function()
  local site <close> = web.serve(tell { "/static/*" })
  T.match(site:get("/static?x=1"), "^HTTP/1.1 308 .*\r\nLocation: static/%?x=1\r\n")
  T.eq(web.status(site:get("//evil.com/static")), 404)
  T.eq(web.status(site:get("/static..")), 404)
end)

T.test("a_router_may_stand_below_another", FAKE, function()
  local inner = tell { "/", "GET /:id", "/:id/edit" }
  local site <close> = web.serve(http.router {
    ["/api/*"] = inner,
    ["/t/:tenant/v2/*rest"] = inner,
  })
  T.eq(web.body(site:get("/api/42/edit")), "/:id/edit *=42/edit id=42")
  T.eq(web.body(site:get("/api/")), "/ *=")
  T.eq(web.body(site:get("/t/acme/v2/7")), "GET /:id id=7 rest=7 tenant=acme")
  T.eq(web.status(site:get("/api/a/b/c")), 404)
end)

T.test("ambiguous_routes_raise_when_they_are_built", function()
  local function f() end
  for _, two in ipairs {
    { "/:a", "/:b" }, { "/:a/x", "/y/:b" }, { "/x/*", "/:a/y" }, { "/a/*", "/a/*b" },
    { "GET /:a/x", "/y/:b" }, { "HEAD /:a/x", "GET /y/:b" }, { "/ab", "/%61b" },
  } do
    T.raises("neither is more specific", http.router, { [two[1]] = f, [two[2]] = f })
  end
  for _, two in ipairs {
    { "/:a", "/b" }, { "/:a", "/*" }, { "GET /:a", "POST /:b" }, { "GET /a", "/a" },
    { "/:a/x", "/:b/y" }, { "/x/:b", "/:a/*" }, { "GET /", "HEAD /" }, { "/a", "/a/" },
  } do
    T.ok(http.router { [two[1]] = f, [two[2]] = f })
  end
end)

T.test("patterns_that_mean_nothing_raise", function()
  local function f() end
  T.raises("is \"/path\"", http.router, { ["users"] = f })
  T.raises("is \"/path\"", http.router, { ["GET users"] = f })
  T.raises("is \"/path\"", http.router, { ["/a?b"] = f })
  T.raises("comes last", http.router, { ["/*/a"] = f })
  T.raises("needs a name", http.router, { ["/:"] = f })
  T.raises("two names are the same", http.router, { ["/:a/:a"] = f })
  T.raises("two hexadecimal digits", http.router, { ["/%x"] = f })
  T.raises("must be a function", http.router, { ["/"] = 1 })
  T.raises("is a text", http.router, { f })
  T.raises("table of routes", http.router)
end)
