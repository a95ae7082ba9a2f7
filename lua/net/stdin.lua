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

-- As Lua's "n": white space, then at most 200 characters that a number may be made of.
local function read_number()
  local from, digits = source(), {}
  repeat
    local byte = from:peek(1)
    if byte and byte:find("^%s") then from:read(1) end
  until not byte or not byte:find("^%s")
  while #digits < 200 do
    local byte = from:peek(1)
    if not byte or not byte:find("^[%x%.xXpP+-]") then break end
    digits[#digits + 1] = from:read(1)
  end
  return tonumber(table.concat(digits))
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
  return function() return read_all(table.unpack(formats, 1, formats.n)) end
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
