-- Limits in bytes that scripts give.

local runtime = require "net.core"

---`max`, or `otherwise` where it is nil. Raises for what is no number of bytes; `op` is whose
---limit it is.
return function(op, max, otherwise)
  if max == nil then return otherwise end
  if max == math.huge then return math.maxinteger end
  local whole = math.type(max) and math.tointeger(max)
  if whole and whole >= 0 then return whole end
  runtime.raise(("%s: its limit is a whole number of bytes, not %s"):format(op, tostring(max)))
end
