-- Limits in bytes that scripts give.

local runtime = require "net.core"

---`max`, or `otherwise` where it is nil. Raises for what is no number of bytes; `op` is whose
---limit it is.
return function(op, max, otherwise)
  if max == nil then return otherwise end
  if math.type(max) == "integer" and max >= 0 then return max end
  runtime.raise(("%s: its limit is a whole number of bytes, not %s"):format(op, tostring(max)))
end
