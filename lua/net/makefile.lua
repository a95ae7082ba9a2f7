-- A stream as a file: the methods of Lua's files over a socket's buffer. Standard input is
-- such a view too. Writes go through the socket's send at once; closing the view leaves the
-- socket open.

local core = ...

local function missing(_, name)
  error("a file has no '" .. tostring(name) .. "'", 2)
end

local methods = setmetatable({}, { __index = missing })
local view = { __index = methods, __name = "net.view" }

function view:__tostring()
  return "file (" .. (self.closed and "closed" or self.name or tostring(self.stream)) .. ")"
end

-- The stream of a view that is open. One that is opened late costs nothing until it is read.
local function stream_of(self, method)
  if getmetatable(self) ~= view then error("call file:" .. method .. "(…) with a colon", 3) end
  if self.closed then error("attempt to use a closed file", 3) end
  if not self.stream then self.stream = self.open() end
  return self.stream
end

-- Raises at the line of the script that called the caller.
local function check_formats(name, ...)
  for i = 1, select("#", ...) do
    local format = select(i, ...)
    local count = math.type(format) and math.tointeger(format)
    local letter = type(format) == "string" and format:find("^%*?[nlLa]")
    if not letter and not (count and count >= 0) then
      local message = "bad argument #%d to '%s' ('%s' is none of \"n\", \"l\", \"L\", \"a\" or a count)"
      error(message:format(i, name, tostring(format)), 3)
    end
  end
end

-- One value; nil alone at the end, as Lua's files give it.
local function read_one(self, stream, format)
  if type(format) == "string" then format = format:match("^%*?([nlLa])") or format end
  local value, err, code = stream:read(format, self.limit or nil)
  if not code or code == "eof" then return value end
  return nil, err, code
end

local function read_all(self, stream, ...)
  local count = select("#", ...)
  if count <= 1 then return read_one(self, stream, (...)) end
  local values = {}
  for i = 1, count do
    local err, code
    values[i], err, code = read_one(self, stream, (select(i, ...)))
    if values[i] == nil then
      if i == 1 and code then return nil, err, code end
      return table.unpack(values, 1, i)
    end
  end
  return table.unpack(values, 1, count)
end

function methods.read(self, ...)
  local stream = stream_of(self, "read")
  check_formats("read", ...)
  return read_all(self, stream, ...)
end

function methods.lines(self, ...)
  stream_of(self, "lines")
  check_formats("lines", ...)
  local formats = table.pack(...)
  local function checked(...)
    if (...) == nil and select(2, ...) then error((select(2, ...)), 2) end
    return ...
  end
  return function()
    return checked(read_all(self, stream_of(self, "lines"), table.unpack(formats, 1, formats.n)))
  end
end

function methods.write(self, ...)
  local stream = stream_of(self, "write")
  if not self.writes then return nil, self.name .. " cannot be written", "EBADF" end
  local sent, err, code = stream:send(select("#", ...) == 1 and (...) or { ... })
  if not sent then return nil, err, code end
  return self
end

-- What was sent is on its way already.
function methods.flush(self)
  stream_of(self, "flush")
  return true
end

function methods.setvbuf(self)
  stream_of(self, "setvbuf")
  return true
end

function methods.seek(self)
  stream_of(self, "seek")
  return nil, (self.name or "a socket") .. " cannot seek", "ESPIPE"
end

function methods.close(self)
  local stream = stream_of(self, "close")
  self.closed = true
  if self.owns then return stream:close() end
  return true
end

function view:__close()
  if not self.closed then self:close() end
end

local M = {}

-- Fields: the stream, or `open`, which gives it at the first use; `name` for messages,
-- false: the stream's own; `limit` of each read, false: the stream's own; whether it
-- `writes`; whether close closes the stream, which the view then `owns`.
function M.new(fields)
  fields.closed = false
  return setmetatable(fields, view)
end

-- A field or method of a view, for the __index of one that was none before.
function M.find(self, name)
  local found = rawget(self, name)
  if found == nil then found = rawget(methods, name) end
  if found == nil then return missing(self, name) end
  return found
end

function M.is_view(value)
  return getmetatable(value) == view
end

-- sock:makefile() -> view
function M.makefile(socket)
  if not core.is_socket(socket) then error("call socket:makefile() with a colon", 2) end
  return M.new { stream = socket, name = false, limit = false, writes = true, owns = false }
end

return M
