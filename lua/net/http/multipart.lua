-- Multipart forms (RFC 7578), part by part as they arrive: a file of any size passes
-- through in pieces.

local runtime = require "net.core"
local core = require "net.http.core"
local limit = require "net.http.limit"

local M = {}

local TOTAL = 64 * 1024 * 1024 -- bytes of a body, unless told
local PARTS = 100              -- parts, unless told
local TEXT = 1024 * 1024       -- bytes that `text` gives, unless told

local function bad(text, status)
  return core.invalid("parts", text, status or 400)
end

-- The next event of the body: its reader is fed until there is one.
local function next_event(form)
  local event, value = form.reader:next()
  while not event do
    local piece, err, code = form.message:read()
    if err then return nil, err, code end
    if not piece then return bad("the body ends in the middle of a part") end
    form.bytes = form.bytes + #piece
    if form.bytes > form.max then return bad("the form is longer than its limit", 413) end
    form.reader:feed(piece)
    event, value = form.reader:next()
  end
  if event == "bad" then return bad(value) end
  return event, value
end

local Part = {}
Part.__index = Part
Part.__name = "net.http.part"

---The next bytes of the part; nil at its end; nil, err, code.
function Part:read()
  if self.over then return nil end
  local event, value, code = next_event(self.form)
  if event == "data" then return value end
  self.over = true
  if event == "part_end" then return nil end
  return nil, value, code
end

---The whole part.
function Part:text(max)
  max = limit("text", max, TEXT)
  local pieces, size = {}, 0
  while true do
    local piece, err, code = self:read()
    if err then return nil, err, code end
    if not piece then return table.concat(pieces) end
    size = size + #piece
    if size > max then return bad("a part is longer than its limit", 413) end
    pieces[#pieces + 1] = piece
  end
end

local function copy(part, file, path, max)
  local size = 0
  while true do
    local piece, err, code = part:read()
    if err then return nil, err, code end
    if not piece then break end
    size = size + #piece
    if size > max then return bad("a part is longer than its limit", 413) end
    local ok, _, number = file:write(piece)
    if not ok then return core.failure("write", number, path) end
  end
  local ok, _, number = file:flush()
  if not ok then return core.failure("write", number, path) end
  return size
end

---Writes the part to a file, given as its path or opened. A file that cannot be completed
---is removed.
function Part:save(where, max)
  max = limit("save", max, math.maxinteger)
  if io.type(where) then return copy(self, where, "the file", max) end
  local file, _, number = io.open(where, "wb")
  if not file then return core.failure("open", number, where) end
  local guard <close> = setmetatable({}, {
    __close = function(g)
      file:close()
      if not g.done then os.remove(where) end
    end,
  })
  local size, err, code = copy(self, file, where, max)
  if not size then return nil, err, code end
  guard.done = true
  return size
end

local function new_part(form, head)
  local disposition = head["content-disposition"] or ""
  if core.media_type(disposition) ~= "form-data" then return bad("a part is not form-data") end
  local name = core.param(disposition, "name")
  if not name then return bad("a part without a name") end
  local filename = core.param(disposition, "filename")
  return setmetatable({
    filename = filename and filename:match("[^/\\]*$"), -- RFC 7578 section 4.2: no folders
    form = form,
    headers = head,
    name = name,
    over = false,
    type = head["content-type"],
  }, Part)
end

-- The part after `last`; nil at the end; nil, err, code.
local function next_part(form, last)
  if last then -- what nobody has read of it
    repeat
      local piece, err, code = last:read()
      if err then return nil, err, code end
    until not piece
  end
  local event, value, code = next_event(form)
  if event == "part" then
    form.count = form.count + 1
    if form.count > form.parts then return bad("the form has too many parts", 413) end
    return new_part(form, value)
  end
  if event ~= "end" then return nil, value, code end
  while true do -- what stands behind the last boundary means nothing
    local piece, err, failure = form.message:read()
    if err then return nil, err, failure end
    if not piece then return nil end
    form.bytes = form.bytes + #piece
    if form.bytes > form.max then return bad("the form is longer than its limit", 413) end
  end
end

local function open_form(message, options)
  local reader = core.multipart(message.headers["content-type"] or "")
  if not reader then return bad("the body is no multipart/form-data with a boundary", 415) end
  return {
    bytes = 0,
    count = 0,
    max = limit("parts", options.max, TOTAL),
    message = message,
    parts = limit("parts", options.parts, PARTS),
    reader = reader,
  }
end

---An iterator over the parts; raises what fails.
function M.parts(message, options)
  if options ~= nil and type(options) ~= "table" then
    runtime.raise("parts: the options are a table, not " .. type(options))
  end
  local form, err = open_form(message, options or {})
  if not form then error(err, 3) end
  local last
  return function()
    local part
    part, err = next_part(form, last)
    if err then error(err, 2) end
    last = part
    return part
  end
end

---The fields of a form without its files.
function M.form(message, max)
  local form, err, code = open_form(message, { max = max })
  if not form then return nil, err, code end
  local fields, part = {}, nil
  while true do
    part, err, code = next_part(form, part)
    if err then return nil, err, code end
    if not part then return fields end
    if not part.filename then
      local text
      text, err, code = part:text()
      if not text then return nil, err, code end
      fields[part.name] = text
    end
  end
end

return M
