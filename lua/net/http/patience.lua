-- How long a call waits: for all of it, and for a server that neither says nor takes anything.

local net = require "net"
local runtime = require "net.core"

local M = {}

---True when the call's whole time is over.
function M.is_over(call)
  return call.ends and call.ends <= runtime.now()
end

---Calls f within what is left of the call's time, and of the patience with a silent server.
function M.within(call, f, ...)
  local limit = call.silence
  if call.ends then limit = math.min(limit or math.huge, call.ends - runtime.now()) end
  if not limit or limit == math.huge then return f(...) end
  return net.deadline(math.max(limit, 0), f, ...)
end

return M
