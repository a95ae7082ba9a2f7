-- One request and the head of its answer, over one connection: a fresh one, or one that was
-- used before.

local net = require "net"
local runtime = require "net.core"
local core = require "net.http.core"
local pool = require "net.http.pool"

local M = {}

local WHOLE = 16 * 1024 -- a body up to this size goes with its head, in one send
local PIECE = 64 * 1024
local LAST_WORD = 1 -- seconds for what a server has said before it took no more

-- Heads of answers may be longer than those of requests: cookies, security policies. How
-- long anything may take is not the connection's: see `within`.
local function shared(lenient)
  return core.shared {
    head = 256 * 1024, line = 64 * 1024, fields = 1000, lenient = lenient,
    idle_timeout = false, head_timeout = false, body_timeout = false,
  }
end

local strict = shared(false)
local lenient -- made when a call asks for it

-- --- time ------------------------------------------------------------------------------

---Calls f within what is left of the call's time, and of the patience with a silent server.
function M.within(call, f, ...)
  local limit = call.silence
  if call.ends then limit = math.min(limit or math.huge, call.ends - runtime.now()) end
  if not limit or limit == math.huge then return f(...) end
  return net.deadline(math.max(limit, 0), f, ...)
end

local within = M.within

local Guard = {
  __close = function(self)
    if self.conn then self.conn:close() end
  end,
}

---Closes the connection when its block is left, unless `guard.conn` was set to nil.
function M.guard(conn)
  return setmetatable({ conn = conn }, Guard)
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

-- Each piece may take as long as the server may be silent.
local function send_pieces(call, conn, request, pieces)
  local ok, err, code = within(call, conn.ask, conn, request.method, request.target,
    request.headers, true)
  local bytes = 0
  for piece in pieces do
    if not ok then return nil, err, code end
    if type(piece) ~= "string" then
      error("http: a piece of the body is a string, not " .. type(piece), 0)
    end
    bytes = bytes + #piece
    if piece ~= "" then ok, err, code = within(call, conn.write, conn, piece) end
  end
  if not ok then return nil, err, code end
  if bytes < (request.length or 0) then
    error("http: the body is shorter than its Content-Length", 0)
  end
  return within(call, conn.finish, conn)
end

-- However the block is left, none of its tasks is left behind.
local Tasks = {
  __close = function(self)
    self.set:cancel()
    repeat local task = self.set:next("request") until not task
  end,
}

local function next_response(call, conn, request)
  return within(call, conn.next_response, conn, request.method)
end

-- A server may answer before it has the whole body: a task sends while another listens. A
-- good answer waits until the body is sent; any other one ends the sending.
local function send_and_listen(call, conn, request, pieces)
  local socket = conn:socket()
  local self <close> = setmetatable({ set = runtime.join_set() }, Tasks)
  local sending = self.set:spawn(send_pieces, call, conn, request, pieces)
  self.set:spawn(socket.peek, socket, 1)
  if self.set:next("request") == sending then return sending:join() end
  local answer, err, code = next_response(call, conn, request)
  if answer and answer.status < 300 and self.set:next("request") then
    sending:join()
  else
    conn:abandon() -- even if only the last bytes of the body are missing
  end
  return answer, err, code
end

-- The head of the answer, or nil, err, code. What a server has said counts, also when it
-- took no more.
local function converse(call, conn, request)
  local body = request.body
  local ok, err, code
  if type(body) == "function" or body and #body > WHOLE then
    local pieces = type(body) == "function" and body or pieces_of(body)
    ok, err, code = send_and_listen(call, conn, request, pieces)
    if ok and ok ~= true then return ok end
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
  local answer, err, code = converse(call, conn, request)
  if not answer then return nil, err, code, may_repeat(conn, request, code) end
  if answer.status == 101 then
    return core.invalid("response", "the server changes to a protocol that nobody asked for")
  end
  guard.conn = nil
  return answer, conn
end

---The head of the answer and its connection, or nil, err, code.
function M.run(call, request)
  local conn = pool.take(call.key)
  if conn then
    local answer, more, code, again = try(call, conn, request)
    if not again then return answer, more, code end
  end
  local err, code
  conn, err, code = connect(call, request)
  if not conn then return nil, err, code end
  local answer, more, what = try(call, conn, request)
  return answer, more, what
end

return M
