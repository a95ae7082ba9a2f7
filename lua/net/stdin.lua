-- Standard input that does not stop the other tasks: io.read, io.lines and io.stdin read
-- descriptor 0 through the loop. The default input is Lua's own again once a script has set
-- it with io.input(file).

local core = require "net.core"
local makefile = require "net.makefile"

local input, lines, kind = io.input, io.lines, io.type

-- Opened at the first read: a script that never reads pays nothing.
io.stdin = makefile.new {
  stream = false,
  open = function() return assert(core.stdin()) end,
  name = "standard input",
  limit = { max = math.maxinteger }, -- as Lua has none
  writes = false,
  owns = true,
}

local default = io.stdin

function io.input(file)
  if file == nil then return default end
  if makefile.is_view(file) then
    default = file
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
  if not makefile.is_view(value) then return kind(value) end
  return value.closed and "closed file" or "file"
end
