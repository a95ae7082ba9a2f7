-- Whether a value can be called: a function, or what has a __call.

return function(value)
  if type(value) == "function" then return true end
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__call ~= nil
end
