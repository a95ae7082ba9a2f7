-- A body that is sent in pieces by a task of its own, while others listen to what the server
-- says meanwhile.

local runtime = require "net.core"
local patience = require "net.http.patience"

local M = {}

local within = patience.within

local Upload = {}
Upload.__index = Upload

-- An error of the script's pieces wakes who reads the answer.
local Alarm = {
  __close = function(self, err)
    if err and not self.upload.ends then self.conn:close() end
  end,
}

-- Each piece may take as long as the server may be silent.
local function send(self, call, conn, request, pieces)
  local _ <close> = setmetatable({ conn = conn, upload = self }, Alarm)
  local ok, err, code = within(call, conn.ask, conn, request.method, request.target,
    request.headers, true)
  local bytes = 0
  for piece in pieces do
    if not ok then return nil, err, code end
    if type(piece) ~= "string" then
      runtime.raise("http: a piece of the body is a string, not " .. type(piece))
    end
    bytes = bytes + #piece
    if piece ~= "" then ok, err, code = within(call, conn.write, conn, piece) end
    self.sent = self.sent + 1
  end
  if not ok then return nil, err, code end
  if bytes < (request.length or 0) then
    runtime.raise("http: the body is shorter than its Content-Length")
  end
  return within(call, conn.finish, conn)
end

---Begins to send. `upload.sent` counts the pieces that have gone. However the block that it is
---closed with is left, none of its tasks is left behind.
function M.start(call, conn, request, pieces)
  local self = setmetatable({ ends = false, sent = 0, set = runtime.join_set() }, Upload)
  self.task = self.set:spawn(send, self, call, conn, request, pieces)
  return self
end

---Waits until all is sent, or the server says something: what a send gives, or nothing.
function Upload:listen(socket)
  self.set:spawn(socket.peek, socket, 1)
  if self.set:next("request") == self.task then return self.task:join() end
end

---Waits until all is sent. Raises what the script's own pieces have raised; what the server
---did not take is no failure behind a whole answer.
function Upload:finish()
  if self.set:next("request") then self.task:join() end
end

---Calls f, which reads what the server says, as patience.within does. A server that takes the
---upload is not silent; what the script's own pieces raise is raised here.
function Upload:hear(call, f, ...)
  local sent, piece, err, code
  repeat
    sent = self.sent
    piece, err, code = within(call, f, ...)
  until code ~= "timeout" or self.sent == sent or patience.is_over(call)
  if code == "closed" then self:finish() end
  return piece, err, code
end

---Ends the sending.
function Upload:__close()
  self.ends = true
  self.set:cancel()
  repeat local task = self.set:next("request") until not task
end

return M
