-- A client that asked for a long answer and then read nothing was waited for as long as the
-- slowest reader may take for all of it: 25 days for a gigabyte.

local http = require "net.http"
local net = require "net"
local T = require "harness"
local web = require "web"

local FAKE = { net = "fake" }
local MIB = 1 << 20
local PATIENT = { body_timeout = 10, rate = 1 << 14 } -- 16 KiB a second

local function seconds_held(handler)
  local site <close> = web.serve(handler, PATIENT)
  local client <close> = site:connect()
  client:send("GET /file HTTP/1.1\r\nHost: x\r\n\r\n")
  local begun = net.now()
  repeat net.sleep(1) until site.server:counts().connections == 0
  return net.now() - begun
end

T.test("a_reader_of_a_long_file_that_stands_still_is_let_go", FAKE, function()
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "r+b"))
  file:seek("set", 64 * MIB)
  file:write("x")
  file:flush()
  local folder, name = path:match("^(.*)/(.*)$")
  local seconds = seconds_held(function(_, res) res:file(folder, name) end)
  os.remove(path)
  T.ok(seconds < 100, seconds)
end)

T.test("a_reader_of_a_long_text_that_stands_still_is_let_go", FAKE, function()
  local text = ("x"):rep(64 * MIB)
  local seconds = seconds_held(function(_, res) res:send(200, text) end)
  T.ok(seconds < 100, seconds)
end)

T.test("a_slow_reader_gets_all_of_it", FAKE, function()
  local text = ("x"):rep(4 * MIB)
  local site <close> = web.serve(function(_, res) res:send(200, text) end, PATIENT)
  local client <close> = site:connect()
  client:send("GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  client:read_until("\r\n\r\n")
  local got = 0
  repeat -- twice as fast as it has to be
    local piece = client:recv(1 << 15)
    got = got + #(piece or "")
    net.sleep(1)
  until not piece
  T.eq(got, #text)
end)
