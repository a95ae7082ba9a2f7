-- Standard input that does not stop the other tasks: io.read, io.lines and io.stdin read
-- descriptor 0 through the loop. The default input is Lua's own again once a script has set
-- it with io.input(file).

local core, own = ... -- own: see net.boot

local makefile = own.part("net.makefile")

-- What stands at io.stdin becomes a view. Descriptor 0 is opened at the first read.
local stdin = own.stdin
stdin.stream = false
stdin.open = function() return assert(core.stdin()) end
stdin.name = "standard input"
stdin.limit = { max = math.maxinteger } -- as Lua has none
stdin.writes = false
stdin.owns = true
makefile.new(stdin)

local M = { __index = makefile.find }
local default = stdin

function M.input(file)
  if file == nil then return default end
  if makefile.is_view(file) then
    default = file
    return file
  end
  local ok, chosen = pcall(own.input, file)
  if not ok then return own.outward("input", ok, chosen) end
  default = chosen
  return default
end

function M.read(...)
  return default:read(...)
end

function M.lines(path, ...)
  if path ~= nil then return own.outward("lines", pcall(own.lines, path, ...)) end
  return default:lines(...)
end

function M.type(value)
  if not makefile.is_view(value) then return own.type(value) end
  return value.closed and "closed file" or "file"
end

return M
