-- A body that goes to a file: complete, or not at all.

local net = require "net"
local core = require "net.http.core"

local M = {}

-- True when there is something at `path` that is no plain file: a device, a FIFO, a link that
-- leads away. It is written to as it is, and never removed.
local function is_special(path)
  local folder, name = path:match("^(.*/)([^/]*)$")
  local file, _, code = net.open(folder or ".", name or path)
  if file then file:close() end
  return not file and code ~= "ENOENT"
end

local function copy(answer, file, path)
  for piece in function() return answer:read() end do
    local ok, _, number = file:write(piece)
    if not ok then return core.failure("write", number, path) end
  end
  if answer._failure then return nil, table.unpack(answer._failure) end
  local ok, _, number = file:flush()
  if not ok then return core.failure("write", number, path) end
  return true
end

-- `whom` is the path that the script has named.
local function open(path, whom)
  local file, _, number = io.open(path, "wb")
  if file then return file end
  return core.failure("open", number, whom)
end

local Partial = {
  __close = function(self)
    if self.file then self.file:close() end
    if self.path then os.remove(self.path) end
  end,
}

-- Written beside its place under another name, so that a file that was there before stays
-- until the new one is complete.
local function save_beside(answer, path)
  local part = ("%s.%08x.part"):format(path, math.random(0, 0xffffffff))
  local file, err, code = open(part, path)
  if not file then return nil, err, code end
  local partial <close> = setmetatable({ file = file, path = part }, Partial)
  local ok
  ok, err, code = copy(answer, file, path)
  if not ok then return nil, err, code end
  local done, _, number = file:close()
  partial.file = nil
  if done then done, _, number = os.rename(part, path) end
  if not done then return core.failure("write", number, path) end
  partial.path = nil
  return true
end

---Writes the body to a path or a file: true, or nil, err, code.
function M.to(answer, where)
  if type(where) ~= "string" then return copy(answer, where, "the file") end
  if not is_special(where) then return save_beside(answer, where) end
  local file, err, code = open(where, where)
  if not file then return nil, err, code end
  local _ <close> = file
  return copy(answer, file, where)
end

return M
