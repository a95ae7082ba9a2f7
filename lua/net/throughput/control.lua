-- The control connection of iperf3's protocol: a cookie that names the test, states of one
-- byte each, and JSON with its length before it. What a peer sends is bounded in size and in
-- time, whatever it is.

local core = require "net.http.core"
local json = require "net.throughput.json"
local net = require "net"
local reader = require "net.http.json"
local refusal = require "net.throughput.refusal"

local M = {}

local FAREWELL = 2        -- seconds that a server may take to put a test away

M.PORT = 5201
M.COOKIE_BYTES = 37       -- 36 characters and NUL
M.PARAMETER_BYTES = 8192  -- at most, in the JSON of a test's parameters
M.RESULT_BYTES = 1 << 20  -- at most, in that of its results
M.PATIENCE = 30           -- seconds that the peer may take for each step
M.DENIED = "\255"         -- what a server answers that does not take the connection

local ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"

local codes = {
  access_denied = -1,
  server_error = -2,
  test_start = 1,
  test_running = 2,
  test_end = 4,
  parameters = 9,
  create_streams = 10,
  server_terminate = 11,
  client_terminate = 12,
  exchange_results = 13,
  display_results = 14,
  done = 16,
}

local names = {}
for name, code in pairs(codes) do names[code] = name end

---A cookie that no other test has.
function M.cookie()
  local letters = {}
  for i = 1, M.COOKIE_BYTES - 1 do
    local at = math.random(#ALPHABET)
    letters[i] = ALPHABET:sub(at, at)
  end
  return table.concat(letters) .. "\0"
end

---True when the bytes could be a cookie.
function M.is_cookie(bytes)
  return #bytes == M.COOKIE_BYTES and bytes:find("^[a-z2-7]*%z$") ~= nil
end

local Control = {}
Control.__index = Control

-- While a test runs nothing is said. These find a peer whose machine or path has gone.
local probes = {
  { "SO_KEEPALIVE", true }, { "TCP_KEEPIDLE", 10 }, { "TCP_KEEPINTVL", 5 }, { "TCP_KEEPCNT", 4 },
}

---The control connection over a connected socket, which it owns.
function M.new(conn)
  conn:setsockopt("TCP_NODELAY", true)
  for _, probe in ipairs(probes) do conn:setsockopt(probe[1], probe[2]) end
  return setmetatable({ conn = conn }, Control)
end

function Control:close()
  return self.conn:close()
end

Control.__close = Control.close

-- The end of a connection, however it came.
local gone = { ECONNRESET = true, EPIPE = true, eof = true }

local function told(op, err, code)
  if gone[code] then return core.invalid(op, "the peer has ended the control connection") end
  return nil, err, code
end

-- What a server says after `server_error`: two numbers, iperf3's and the system's.
local function server_error(self)
  local bytes = self.conn:read_exact(8)
  if not bytes then return core.invalid("test", "the server reports an error") end
  local number, errno = (">i4i4"):unpack(bytes)
  return refusal.read(number, errno)
end

---Sends a state.
function Control:tell(name)
  return self.conn:send(string.pack("b", codes[name]))
end

---Ends the test: with the reason where the failure is that an option cannot be had.
function Control:give_up(err)
  local number, errno = refusal.numbers(err)
  if not number then return self:tell("server_terminate") end
  return self.conn:send(string.pack(">bi4i4", codes.server_error, number, errno))
end

---The client's end of a test: an iperf3 takes the next one when it has put this one away.
function Control:leave()
  self:tell("done")
  self.conn:shutdown(net.SHUT_WR)
  self.conn:settimeout(FAREWELL)
  self.conn:discard()
end

---The next state of the peer; nil, err, code when it ends the test or makes no sense.
function Control:hear()
  local byte, err, code = self.conn:read_exact(1)
  if not byte then return told("test", err, code) end
  local name = names[(("b"):unpack(byte))]
  if name == "server_error" then return server_error(self) end
  if name == "access_denied" then return core.invalid("test", "the server is busy or refuses") end
  if name == "server_terminate" then return core.invalid("test", "the server has ended the test") end
  if name == "client_terminate" then return core.invalid("test", "the client has ended the test") end
  if name then return name end
  return core.invalid("test",
    "the peer does not speak iperf3's protocol: it says '" .. core.escape(byte) .. "'")
end

---Waits for that one state.
function Control:expect(wanted)
  local name, err, code = self:hear()
  if name == wanted then return true end
  if not name then return nil, err, code end
  return core.invalid("test", ("the peer says %s where %s is due"):format(name, wanted))
end

---Sends a table as JSON.
function Control:send_json(value)
  return self.conn:send(string.pack(">s4", json.encode(value)))
end

---The table that the peer sends as JSON of at most `limit` bytes.
function Control:read_json(limit)
  local head, err, code = self.conn:read_exact(4)
  if not head then return told("test", err, code) end
  local size = (">I4"):unpack(head)
  if size > limit then
    return core.invalid("test", ("JSON of %d bytes is longer than %d"):format(size, limit))
  end
  local text
  text, err, code = self.conn:read_exact(size)
  if not text then return told("test", err, code) end
  local value = reader.decode(text)
  if type(value) == "table" then return value end
  return core.invalid("test", "what the peer sends is no JSON object")
end

return M
