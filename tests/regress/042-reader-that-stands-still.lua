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

-- A file of so many bytes: its folder and name. The caller removes it.
local function file_of(bytes)
  T.need_files()
  local path = os.tmpname()
  local file <close> = assert(io.open(path, "r+b"))
  file:seek("set", bytes - 1)
  file:write("x")
  return path:match("^(.*)/(.*)$")
end

T.test("a_reader_of_a_long_file_that_stands_still_is_let_go", FAKE, function()
  local folder, name = file_of(64 * MIB)
  local seconds = seconds_held(function(_, res) res:file(folder, name) end)
  os.remove(folder .. "/" .. name)
  T.ok(seconds < 100, seconds)
end)

T.test("a_reader_of_a_long_text_that_stands_still_is_let_go", FAKE, function()
  local text = ("x"):rep(64 * MIB)
  local seconds = seconds_held(function(_, res) res:send(200, text) end)
  T.ok(seconds < 100, seconds)
end)

-- The bytes that a client gets that reads twice as fast as it has to.
local function read_slowly(handler)
  local site <close> = web.serve(handler, PATIENT)
  local client <close> = site:connect()
  client:send("GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
  client:read_until("\r\n\r\n")
  local got = 0
  repeat
    local piece = client:recv(1 << 15)
    got = got + #(piece or "")
    net.sleep(1)
  until not piece
  return got
end

T.test("a_slow_reader_gets_all_of_a_text", FAKE, function()
  local text = ("x"):rep(4 * MIB)
  T.eq(read_slowly(function(_, res) res:send(200, text) end), #text)
end)

T.test("a_slow_reader_gets_all_of_a_file", FAKE, function()
  local folder, name = file_of(4 * MIB)
  local got = read_slowly(function(_, res) res:file(folder, name) end)
  os.remove(folder .. "/" .. name)
  T.eq(got, 4 * MIB)
end)
