-- Standard input that does not stop the other tasks: io.read, io.lines and io.stdin read
-- descriptor 0 through the loop. The default input is Lua's own again once a script has set
-- it with io.input(file).

local core = require "net.core"

local input, lines, kind = io.input, io.lines, io.type
local no_limit = { max = math.maxinteger } -- as Lua has none
local stream -- opened at the first read: a script that never reads pays nothing

local function source()
  if not stream then stream = assert(core.stdin()) end
  return stream
end

local stdin = setmetatable({}, {
  __index = function(_, name)
    error("standard input has no '" .. tostring(name) .. "'", 2)
  end,
  __tostring = function() return "file (standard input)" end,
})

local function check(self, name)
  if self ~= stdin then error("call io.stdin:" .. name .. "(…) with a colon", 3) end
end

-- As Lua's "n" (liolib.c, l_read_number): takes what can begin a numeral, at most 200
-- characters, and leaves what follows it.
local function read_number()
  local from, taken = source(), {}
  local function accept(set)
    local byte = #taken < 200 and from:peek(1)
    if not byte or not byte:find(set) then return false end
    taken[#taken + 1] = from:read(1)
    return true
  end
  local function digits(set)
    local count = 0
    while accept(set) do count = count + 1 end
    return count
  end
  while (from:peek(1) or ""):find("^%s") do from:read(1) end
  accept("^[+-]")
  local set, exponent, count = "^%d", "^[eE]", 0
  if accept("^0") then
    if accept("^[xX]") then set, exponent = "^%x", "^[pP]" else count = 1 end
  end
  count = count + digits(set)
  if accept("^%.") then count = count + digits(set) end
  if count > 0 and accept(exponent) then
    accept("^[+-]")
    digits("^%d")
  end
  return tonumber(table.concat(taken))
end

local function read_one(format)
  if type(format) == "string" and format:gsub("^%*", ""):sub(1, 1) == "n" then
    return read_number()
  end
  local value, err, code = source():read(format, no_limit)
  if value == nil and code ~= "eof" then return nil, tostring(err), code end
  return value
end

local function read_all(...)
  if select("#", ...) == 0 then return read_one("l") end
  local values, count = {}, select("#", ...)
  for i = 1, count do
    local err, code
    values[i], err, code = read_one((select(i, ...)))
    if values[i] == nil then
      if i == 1 and code then return nil, err, code end
      return table.unpack(values, 1, i)
    end
  end
  return table.unpack(values, 1, count)
end

local function each_line(...)
  local formats = table.pack(...)
  return function()
    local results = table.pack(read_all(table.unpack(formats, 1, formats.n)))
    if results[1] == nil and results[2] then error(results[2], 2) end
    return table.unpack(results, 1, results.n)
  end
end

rawset(stdin, "read", function(self, ...) check(self, "read") return read_all(...) end)
rawset(stdin, "lines", function(self, ...) check(self, "lines") return each_line(...) end)
rawset(stdin, "close", function(self) check(self, "close") return source():close() end)
rawset(stdin, "setvbuf", function(self) check(self, "setvbuf") return true end)
rawset(stdin, "seek", function() return nil, "standard input cannot seek", 29 end)
rawset(stdin, "write", function() return nil, "standard input cannot be written", 9 end)

io.stdin = stdin
local default = stdin

function io.input(file)
  if file == nil then return default end
  if file == stdin then
    default = stdin
  else
    default = input(file)
    if type(file) == "string" then default = input() end
  end
  return default
end

function io.read(...)
  return default:read(...)
end

function io.lines(path, ...)
  if path ~= nil then return lines(path, ...) end
  return default:lines(...)
end

function io.type(value)
  if value == stdin then return "file" end
  return kind(value)
end
