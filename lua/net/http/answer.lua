-- What a request comes back with: the head of the answer, and its body, which is read from
-- the connection when it is asked for. The connection is kept for the next request once the
-- body has come to its end.

local core = require "net.http.core"
local exchange = require "net.http.exchange"
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
  if of_head[name] then return self.head[name] end
  error("the answer has no '" .. tostring(name) .. "'", 2)
end

function Answer:__tostring()
  return ("answer (%d, %s)"):format(self.status, self.url)
end

-- The body is over: once all is sent, too, the connection can serve others.
local function release(self)
  if self.upload then self.upload:finish() end
  self.upload = false
  self.over = true
  if self.conn then pool.put(self.call.key, self.conn) end
  self.conn = false
end

-- What has failed once stays so: what is left of a body is no body.
local function fail(self, _, err, code)
  do
    local _ <close> = exchange.guard(self.conn, self.upload)
    self.conn, self.upload = false, false
  end
  if not err.url then err.url = self.url end
  self.failure = { err, code }
  return nil, err, code
end

-- Ends the answer, and what is still being sent, where an error leaves the block.
local Watch = {
  __close = function(self, err)
    if err then self.answer:close() end
  end,
}

local function watch(self)
  return self.upload and setmetatable({ answer = self }, Watch)
end

local function read(self, n)
  if self.upload then return self.upload:hear(self.call, message.read, self.head, n) end
  return patience.within(self.call, message.read, self.head, n)
end

---Up to n bytes of the body as they come; nil at its end.
function Answer:read(n)
  if self.failure then return nil, table.unpack(self.failure) end
  if self.over then return nil end
  local _ <close> = watch(self)
  local piece, err, code = read(self, n)
  if err then return fail(self, nil, err, code) end
  if not piece or self.conn:done() then release(self) end
  if not piece then return nil end
  self.received = self.received + #piece
  if self.call.on_progress then self.call.on_progress(self.received, self.head.length) end
  return piece
end

local function oversized(self)
  return fail(self,
    core.failure("body", "oversized", self.url, "the body is longer than its limit"))
end

---What is left of the body, as a whole.
function Answer:body(max)
  if self.text then return self.text end
  max = max or self.call.max
  if not self.failure and (self.head.length or 0) - self.received > max then
    return oversized(self)
  end
  local pieces, bytes = {}, 0
  for piece in function() return self:read() end do
    pieces[#pieces + 1] = piece
    bytes = bytes + #piece
    if bytes > max then return oversized(self) end
  end
  if self.failure then return nil, table.unpack(self.failure) end
  self.text = table.concat(pieces)
  return self.text
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
  if self.over or self.failure then return end
  fail(self, core.failure("body", "closed", self.url))
end

Answer.__close = Answer.close

---The answer with that head. `call` has the request's limits; `upload` is what is still being
---sent, or nil.
function M.new(call, head, conn, url, upload)
  local self = setmetatable({
    call = call,
    conn = conn,
    failure = false,
    head = head,
    ok = head.status >= 200 and head.status < 300,
    over = false,
    reason = head.reason,
    received = 0,
    status = head.status,
    text = false,
    upload = upload or false,
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
