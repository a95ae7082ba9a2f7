-- One request and the head of its answer, over one connection: a fresh one, or one that was
-- used before.

local net = require "net"
local core = require "net.http.core"
local patience = require "net.http.patience"
local pool = require "net.http.pool"

local M = {}

local within = patience.within

local WHOLE = 16 * 1024 -- a body up to this size goes with its head, in one send
local PIECE = 64 * 1024
local LAST_WORD = 1 -- seconds for what a server has said before it took no more

-- Heads of answers may be longer than those of requests: cookies, security policies. How
-- long anything may take is not the connection's: see patience.lua.
local function shared(lenient)
  return core.shared {
    head = 256 * 1024, line = 64 * 1024, fields = 1000, lenient = lenient,
    idle_timeout = false, head_timeout = false, body_timeout = false,
  }
end

local strict = shared(false)
local lenient -- made when a call asks for it

local Guard = {}

---Closes the connection and ends the upload over it.
function Guard:__close()
  local _ <close> = self.upload
  if self.conn then self.conn:close() end
end

---Closes what it holds when its block is left, unless it was set to nil before.
function M.guard(conn, upload)
  return setmetatable({ conn = conn, upload = upload }, Guard)
end

-- --- sending ---------------------------------------------------------------------------

-- The pieces of a long string.
local function pieces_of(text)
  local at = 1
  return function()
    if at > #text then return nil end
    local piece = text:sub(at, at + PIECE - 1)
    at = at + PIECE
    return piece
  end
end

local function next_response(call, conn, request)
  return within(call, conn.next_response, conn, request.method)
end

-- A server may answer before it has the whole body: a task sends while another listens. A
-- good answer is read while the sending goes on: the upload comes with it. Any other one ends
-- the sending. True where all was sent before, or nil, err, code.
local function send_and_listen(call, conn, request, pieces)
  local upload = require("net.http.upload").start(call, conn, request, pieces)
  local guard <close> = M.guard(nil, upload)
  local ok, err, code = upload:listen(conn:socket())
  if ok or err then return ok, err, code end
  local answer
  answer, err, code = upload:hear(call, conn.next_response, conn, request.method)
  if answer and answer.status >= 200 and answer.status < 300 then
    guard.upload = nil
    return answer, upload
  end
  conn:abandon() -- even if only the last bytes of the body are missing
  return answer, err, code
end

-- The head of the answer, and the upload that still runs; or nil, err, code. What a server
-- has said counts, also when it took no more.
local function converse(call, conn, request)
  local body = request.body
  local ok, err, code
  if type(body) == "function" or body and #body > WHOLE then
    local pieces = type(body) == "function" and body or pieces_of(body)
    ok, err, code = send_and_listen(call, conn, request, pieces)
    if ok and ok ~= true then return ok, err end
  else
    ok, err, code = within(call, conn.ask, conn, request.method, request.target,
      request.headers, body)
  end
  if ok then return next_response(call, conn, request) end
  if code == "timeout" then return nil, err, code end
  local answer = net.deadline(LAST_WORD, next_response, call, conn, request)
  if answer then return answer end
  return nil, err, code
end

-- --- connections -----------------------------------------------------------------------

local function connect(call, request)
  local socket, err, code = within(call, net.connect, request.host, request.port)
  if not socket then return nil, err, code end
  socket:setsockopt("TCP_NODELAY", true)
  if call.lenient then lenient = lenient or shared(true) end
  return core.connection(socket, call.lenient and lenient or strict, nil, true)
end

local idempotent = { -- RFC 9110 section 9.2.2
  DELETE = true, GET = true, HEAD = true, OPTIONS = true, PUT = true, TRACE = true,
}

local gone = { ECONNRESET = true, EPIPE = true, eof = true }

-- A kept connection may have been closed by the server while the request was on its way: then
-- it may be sent again (RFC 9112 section 9.3.1).
local function may_repeat(conn, request, code)
  return gone[code] and idempotent[request.method] and type(request.body) ~= "function"
    and conn:socket():pending() == 0
end

local function try(call, conn, request)
  local guard <close> = M.guard(conn)
  local answer, more, code = converse(call, conn, request)
  if not answer then return nil, more, code, may_repeat(conn, request, code) end
  if answer.status == 101 then
    return core.invalid("response", "the server changes to a protocol that nobody asked for")
  end
  guard.conn = nil
  return answer, conn, more
end

---The head of the answer, its connection, and the upload that still runs there; or nil, err,
---code.
function M.run(call, request)
  local conn = pool.take(call.key)
  if conn then
    local answer, more, last, again = try(call, conn, request)
    if not again then return answer, more, last end
  end
  local err, code
  conn, err, code = connect(call, request)
  if not conn then return nil, err, code end
  local answer, more, last = try(call, conn, request)
  return answer, more, last
end

return M
