-- Figures as JSON (RFC 8259): names in their order, so that two runs can be compared line by
-- line; numbers in the fewest digits that read back as the same, and whole ones in all theirs,
-- where the library that reads JSON writes 14 at most.

local json = require "net.http.json"

local M = {}

local function number(value)
  if math.type(value) == "integer" then return tostring(value) end
  if value ~= value or math.abs(value) == math.huge then error("json: no finite number", 0) end
  for digits = 15, 17 do
    local text = ("%." .. digits .. "g"):format(value)
    if tonumber(text) == value then return text end
  end
end

local function text(value) -- lua-cjson writes "\/", which is allowed and hard to read
  return (assert(json.encode(value)):gsub("\\/", "/"))
end

local encode

local function array(list)
  local parts = {}
  for i, value in ipairs(list) do parts[i] = encode(value) end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function object(fields)
  local names, parts = {}, {}
  for name in pairs(fields) do names[#names + 1] = name end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = text(name) .. ":" .. encode(fields[name]) end
  return "{" .. table.concat(parts, ",") .. "}"
end

---The value as JSON on one line. A table without fields is an array.
function encode(value)
  if type(value) == "number" then return number(value) end
  if type(value) ~= "table" then return text(value) end
  if #value > 0 or next(value) == nil then return array(value) end
  return object(value)
end

M.encode = encode

return M
