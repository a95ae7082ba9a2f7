-- Misuse that a part of the library written in Lua finds named a line of that part
-- ("[soquete:net.http.server]:303: …") instead of the script's.

local http = require "net.http"
local net = require "net"
local T = require "harness"

local function nothing() end

-- What raises, and what it says; {} are the arguments of http.server.
local misuses = {
  { "the handler must be a function", function() http.serve(":0") end },
  { "the handler must be a function", function() http.server(":0") end },
  { "an address or a listening socket is needed", function() http.serve(8080, print) end },
  { "names no port", function() net.serve("127.0.0.1", nothing) end },
  { "bad address '1.2.3.4:x'", function() http.serve("1.2.3.4:x", nothing) end },
  { "body must be an integer", function() http.server(":0", nothing, { body = "1M" }) end },
  { "head_timeout must be", function() http.server(":0", nothing, { head_timeout = {} }) end },
  { "no option 'nope'", function() http.serve(":0", nothing, { nope = 1 }) end },
  { "log is", function() http.serve(":0", nothing, { log = "x" }) end },
  { "the options are a table", function() http.get("http://127.0.0.1:9/", 1) end },
  { "no option 'nope'", function() http.request { url = "http://127.0.0.1:9/", nope = 1 } end },
  { "must be a", function() http.files("/nowhere", { index = 1 }) end },
  { "the path of a folder", function() http.files() end },
  { "the options are a table", function() http.files("/nowhere", 1) end },
  { "the options are a table", function() http.cookie("a", "b", 1) end },
  { "whole number of seconds", function() http.cookie("a", "b", { max_age = "x" }) end },
  { "whole number of seconds", function() http.cookie("a", "b", { expires = "x" }) end },
  { "router: ", function() http.router { ["nope"] = nothing } end },
  { "its name must be", function() http.cookie("a b", "c") end },
  { "holds a byte", function() http.cookie("a", "\n") end },
  { "holds what cookies", function() http.cookie("a", "b", { path = ";" }) end },
  { "expected", function() os.exit("x") end, "bad argument #1 to 'exit'" },
  { "expected", function() os.execute({}) end, "bad argument #1 to 'execute'" },
  { "expected", function() io.popen() end, "bad argument #1 to 'popen'" },
  { "expected", function() net.race(1) end },
  { "expected", function() net.relay(1, 2) end },
}

for _, misuse in ipairs(misuses) do
  local text, f, other = table.unpack(misuse)
  local here = debug.getinfo(f, "S").linedefined
  T.test(("line_%d_names_the_script"):format(here), function()
    for _, call in ipairs { pcall, function(...) return coroutine.wrap(pcall)(...) end } do
      local ok, err = call(f)
      T.eq(ok, false)
      T.match(err, ("^tests/regress/102[^:]*:%d: "):format(here))
      T.match(err, other or text)
    end
  end)
end

T.test("what_pcall_calls_itself_names_the_script_too", function()
  local ok, err = pcall(http.serve, ":0") local here = debug.getinfo(1, "l").currentline
  T.eq(ok, false)
  T.match(err, ("^tests/regress/102[^:]*:%d: http: the handler"):format(here))
end)

-- What a handler does wrong is told on stderr, with its line.
local in_handlers = {
  { "header 'a b'", function(_, res) res:json({}, 200, { ["a b"] = "x" }) end },
  { "a table is needed", function(_, res) res:json({}, 200, "x") end },
  { "control byte", function(_, res) res:redirect("/\n") end },
  { "holds a byte", function(_, res) res:cookie("a", "\n") end },
  { "from 200 to 999", function(_, res) res:json({}, 99) end },
  { "from 200 to 999", function(_, res) res:redirect("/", 1) end },
  { "json: its limit", function(req) req:json("x") end },
  { "lines: its limit", function(req) req:lines("x") end },
  { "form: its limit", function(req) req:form(-1) end },
  { "parts: the options", function(req) req:parts(1) end },
  { "name of a protocol", function(_, res) res:upgrade(true) end },
  { "json: ", function(_, res) res:json { print } end },
  { "a folder's path", function(_, res) res:file(1) end },
  { "line's end", function(_, res) res:events():send { event = "a\nb" } end },
}

for i, misuse in ipairs(in_handlers) do
  local text, f = table.unpack(misuse)
  local here = debug.getinfo(f, "S").linedefined
  T.test(("misuse_%d_in_a_handler_names_the_script"):format(i), function()
    local problem
    local server = T.ok(http.server("127.0.0.1:0", function(req, res)
      local _
      _, problem = pcall(f, req, res)
      if res.status == nil then res:send(500, "") end
    end))
    local task = net.spawn(server.run, server)
    http.get("http://" .. server.address .. "/")
    server:stop(0)
    task:join()
    T.match(problem, ("^tests/regress/102[^:]*:%d: "):format(here))
    T.match(problem, text)
  end)
end

T.test("a_bad_header_of_a_request_names_the_script", function()
  local l <close> = T.listener()
  local url = "http://" .. l:getsockname() .. "/"
  for _, options in ipairs { { headers = { ["a b"] = "x" } }, { method = "A B" } } do
    local ok, err = pcall(http.get, url, options) local here = debug.getinfo(1, "l").currentline
    T.eq(ok, false)
    T.match(err, ("^tests/regress/102[^:]*:%d: "):format(here))
  end
  http.close_idle()
end)
