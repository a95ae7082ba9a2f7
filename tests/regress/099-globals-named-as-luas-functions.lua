-- The parts of the library that are written in Lua used the script's globals: after an accidental
-- `type = "GET"` a channel or a request ended in "[soquete:net.require]:111: attempt to call a
-- string value (global 'type')".

local net = require "net"
local T = require "harness"

-- Calls fn while the script's globals named as Lua's functions and libraries are something else.
local function astray(fn, ...)
  local globals, kept = _G, {}
  local set, tables, call = rawset, next, pcall
  for name, value in tables, globals do kept[name] = value end
  for name in tables, kept do
    if name ~= "_G" then set(globals, name, "astray") end
  end
  local ok, result = call(fn, ...)
  for name, value in tables, kept do set(globals, name, value) end
  return T.ok(ok, result) and result
end

T.test("a_module_is_found_and_loaded", function()
  local load_module = require
  T.eq(astray(load_module, "net.http"), require "net.http")
end)

T.test("channels_and_groups_work", function()
  T.eq(astray(function()
    local channel, sum = net.channel(1), 0
    net.group(function(group)
      group:spawn(function()
        channel:put(1)
        channel:put(2)
        channel:close()
      end)
      for value in channel do sum = sum + value end
    end)
    return sum
  end), 3)
end)

T.test("a_server_answers_a_request", function()
  local http = require "net.http"
  T.eq(astray(function()
    local server = http.server("127.0.0.1:0", http.router {
      ["GET /:name"] = function(req, res) res:json { name = req.params.name } end,
    })
    local task = net.spawn(server.run, server)
    local name = http.get("http://" .. server.address .. "/ana"):json().name
    server:stop(0)
    task:join()
    http.close_idle()
    return name
  end), "ana")
end)

T.test("a_stream_works_as_a_file", function()
  T.eq(astray(function()
    local a, b = net.socketpair()
    a:makefile():write("12 ", 3, "\n")
    a:close()
    local file = b:makefile()
    local number = file:read("n")
    b:close()
    return number
  end), 12)
end)

-- A script that is strict about its globals, and has put `require` elsewhere.
T.test("a_missing_global_is_not_asked_for", function()
  local load_module, kept = require, getmetatable(_G)
  setmetatable(_G, { __index = function(_, name) error("undeclared " .. name, 2) end })
  rawset(_G, "require", nil)
  local ok, result = pcall(load_module, "net")
  rawset(_G, "require", load_module)
  setmetatable(_G, kept)
  T.ok(ok, result)
end)
