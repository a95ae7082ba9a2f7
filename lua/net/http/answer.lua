-- What a request comes back with: the head of the answer, and its body, which is read from
-- the connection when it is asked for. The connection is kept for the next request once the
-- body has come to its end.

local core = require "net.http.core"
local exchange = require "net.http.exchange"
local limit = require "net.http.limit"
local patience = require "net.http.patience"
local pool = require "net.http.pool"
require "net.http.request"

local M = {}

local Answer = {}
Answer.__name = "net.http.answer"

local message = core.message

-- Fields that the head has and the answer does not hold itself.
local of_head = { headers = true, length = true, raw = true, version = true }

function Answer:__index(name)
  local value = Answer[name]
  if value ~= nil then return value end
  if of_head[name] then return self._head[name] end
  error("the answer has no '" .. tostring(name) .. "': body() reads what has come", 2)
end

function Answer:__tostring()
  return ("answer (%d, %s)"):format(self.status, self.url)
end

-- The body is over: once all is sent, too, the connection can serve others.
local function release(self)
  if self._upload then self._upload:finish() end
  self._upload = false
  self._over = true
  if self._conn then pool.put(self._call.key, self._conn) end
  self._conn = false
end

-- What has failed once stays so: what is left of a body is no body.
local function fail(self, _, err, code)
  do
    local _ <close> = exchange.guard(self._conn, self._upload)
    self._conn, self._upload = false, false
  end
  if not err.url then err.url = self.url end
  self._failure = { err, code }
  return nil, err, code
end

-- Ends the answer, and what is still being sent, where an error leaves the block.
local Watch = {
  __close = function(self, err)
    if err then self.answer:close() end
  end,
}

local function watch(self)
  return self._upload and setmetatable({ answer = self }, Watch)
end

local function read(self, n)
  if self._upload then return self._upload:hear(self._call, message.read, self._head, n) end
  return patience.within(self._call, message.read, self._head, n)
end

---Up to n bytes of the body as they come; nil at its end.
function Answer:read(n)
  if self._failure then return nil, table.unpack(self._failure) end
  if self._over then return nil end
  local _ <close> = watch(self)
  local piece, err, code = read(self, n)
  if err then return fail(self, nil, err, code) end
  if not piece or self._conn:done() then release(self) end
  if not piece then return nil end
  self._received = self._received + #piece
  if self._call.on_progress then self._call.on_progress(self._received, self._head.length) end
  return piece
end

local function oversized(self)
  return fail(self,
    core.failure("body", "oversized", self.url, "the body is longer than its limit"))
end

---What is left of the body, as a whole.
function Answer:body(max)
  if self._text then return self._text end
  max = limit("body", max, self._call.max)
  if not self._failure and (self._head.length or 0) - self._received > max then
    return oversized(self)
  end
  local pieces, bytes = {}, 0
  for piece in function() return self:read() end do
    pieces[#pieces + 1] = piece
    bytes = bytes + #piece
    if bytes > max then return oversized(self) end
  end
  if self._failure then return nil, table.unpack(self._failure) end
  self._text = table.concat(pieces)
  return self._text
end

---The lines of the body without their ends. Raises what fails.
function Answer:lines(max)
  return message.lines(self, max)
end

---The body as a value of JSON.
function Answer:json(max)
  local text, err, code = self:body(max)
  if not text then return nil, err, code end
  local value, why = require("net.http.json").decode(text)
  if why then return core.invalid("json", why) end
  return value
end

---Ends it: what is left of the body is not wanted.
function Answer:close()
  if self._over or self._failure then return end
  fail(self, core.failure("body", "closed", self.url))
end

Answer.__close = Answer.close

---The answer with that head. `call` has the request's limits; `upload` is what is still being
---sent, or nil.
function M.new(call, head, conn, url, upload)
  local self = setmetatable({
    _call = call,
    _conn = conn,
    _failure = false,
    _head = head,
    ok = head.status >= 200 and head.status < 300,
    _over = false,
    reason = head.reason,
    _received = 0,
    status = head.status,
    _text = false,
    _upload = upload or false,
    url = url,
  }, Answer)
  local _ <close> = watch(self)
  if head.length == 0 then release(self) end
  return self
end

---Drops the body of an answer that is not the last one: a short one is read, so that its
---connection can be used again.
function M.drop(call, conn)
  local guard <close> = exchange.guard(conn)
  if patience.within(call, conn.drop, conn) then
    guard.conn = nil
    pool.put(call.key, conn)
  end
end

return M
