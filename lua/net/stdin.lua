-- Standard input that does not stop the other tasks: io.read, io.lines and io.stdin read
-- descriptor 0 through the loop. The default input is Lua's own again once a script has set
-- it with io.input(file).

local core, own = ... -- own: Lua's functions, and what stands at io.stdin

local stdin = own.stdin
local no_limit = { max = math.maxinteger } -- as Lua has none
local stream -- opened at the first read: a script that never reads pays nothing

local function source()
  if not stream then stream = assert(core.stdin()) end
  return stream
end

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

-- Raises at the line of the script that called the caller.
local function check_formats(name, ...)
  for i = 1, select("#", ...) do
    local format = select(i, ...)
    local count = math.type(format) and math.tointeger(format)
    local letter = type(format) == "string" and format:find("^%*?[nlLa]")
    if not letter and not (count and count >= 0) then
      error(("bad argument #%d to '%s' (invalid format)"):format(i, name), 3)
    end
  end
end

local function read_one(format)
  if type(format) == "string" then format = format:match("^%*?(.)") end
  if format == "n" then return read_number() end
  local value, err, code = source():read(format, no_limit)
  if value == nil and code ~= "eof" then return nil, tostring(err), code end
  return value
end

local function read_all(...)
  check_formats("read", ...)
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
  check_formats("lines", ...)
  local formats = table.pack(...)
  return function()
    local results = table.pack(read_all(table.unpack(formats, 1, formats.n)))
    if results[1] == nil and results[2] then error(results[2], 2) end
    return table.unpack(results, 1, results.n)
  end
end

local methods = {}

function methods.read(self, ...)
  check(self, "read")
  return read_all(...)
end

function methods.lines(self, ...)
  check(self, "lines")
  return each_line(...)
end

function methods.close(self)
  check(self, "close")
  return source():close()
end

function methods.setvbuf(self)
  check(self, "setvbuf")
  return true
end

function methods.seek()
  return nil, "standard input cannot seek", 29 -- ESPIPE
end

function methods.write()
  return nil, "standard input cannot be written", 9 -- EBADF
end

local M = {}
local default = stdin

-- The method of that name.
function M.__index(_, name)
  local found = methods[name]
  if found then return found end
  error("standard input has no '" .. tostring(name) .. "'", 2)
end

function M.input(file)
  if file == nil then return default end
  local ok, chosen = true, stdin
  if file ~= stdin then ok, chosen = pcall(own.input, file) end
  if not ok then error(chosen, 2) end
  default = chosen
  return default
end

function M.read(...)
  return default:read(...)
end

function M.lines(path, ...)
  if path ~= nil then return own.outward(pcall(own.lines, path, ...)) end
  return default:lines(...)
end

function M.type(value)
  if value == stdin then return "file" end
  return own.type(value)
end

return M
