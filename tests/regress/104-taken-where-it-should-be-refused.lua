-- What could only be a mistake was taken: send{a = 1} sent nothing and said 0, a route of the
-- method "get" was never found, "unix:@" was an abstract name of no letters, and res.text of an
-- answer was `false`, a field of the library's own.

local http = require "net.http"
local net = require "net"
local T = require "harness"

T.test("send_refuses_a_table_of_fields", function()
  local a, b = T.pair()
  T.raises("no fragments, but a field 'a'", a.send, a, { a = 1 })
  T.eq(a:send {}, 0)
  T.eq(a:send(table.pack("x", "y")), 2)
  T.eq(b:read_exact(2), "xy")
  a:close()
  b:close()
end)

T.test("routes_have_their_methods_in_capitals", function()
  T.raises("router: \"get /x\": methods are written in capitals: GET", http.router,
    { ["get /x"] = function() end })
end)

T.test("an_abstract_name_needs_letters", function()
  T.raises("bad address 'unix:@': the name behind '@' is empty", net.listen, "unix:@")
end)

T.test("an_answer_shows_no_field_of_the_librarys_own", function()
  local server = T.ok(http.server("127.0.0.1:0", function(_, res) res:send(200, "x") end))
  local task = net.spawn(server.run, server)
  local answer = T.ok(http.get("http://" .. server.address .. "/"))
  for _, name in ipairs { "text", "conn", "failure", "received", "staus" } do
    T.raises("the answer has no '" .. name .. "'", function() return answer[name] end)
  end
  T.eq(answer:body(), "x")
  server:stop(0)
  task:join()
  http.close_idle()
end)
