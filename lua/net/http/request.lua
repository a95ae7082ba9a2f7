-- What requests, and a client's answers, offer beyond their heads: bodies as lines, JSON,
-- forms; cookies.

local core = require "net.http.core"
local limit = require "net.http.limit"

local message = core.message

local LINE_MAX = 1024 * 1024

-- Fields that are made when they are first read stand in a list.
message.cookies = {
  function(self) return core.cookies(self.headers.cookie or "") end,
}

-- A request whose head announces no body at all is one that forgot to (RFC 9110 15.5.12).
local function need_body(self, op)
  if self.method and self.length == 0 and not self.headers["content-length"] then
    return core.invalid(op, "the request has no body", 411)
  end
  return true
end

---The body as a value of JSON.
function message:json(max)
  max = limit("json", max)
  local ok, missing, invalid = need_body(self, "json")
  if not ok then return nil, missing, invalid end
  local text, err, code = self:body(max)
  if not text then return nil, err, code end
  local value, why = require("net.http.json").decode(text)
  if why then return core.invalid("json", why, 400) end
  return value
end

-- Takes the next line out of `held`, from `from` on.
local function take_line(held, from)
  local at = held:find("\n", from, true)
  if not at then return nil, from end
  local last = at - 1
  if held:byte(last) == 13 and last >= from then last = last - 1 end
  return held:sub(from, last), at + 1
end

-- What is held from `from` on, with at least one more line's end or the end of the body;
-- no piece is copied more than a few times.
local function more_lines(self, held, from)
  local pieces = { held:sub(from) }
  repeat
    local piece, err = self:read()
    if err then error(err, 3) end
    if not piece then return table.concat(pieces), true end
    pieces[#pieces + 1] = piece
  until piece:find("\n", 1, true) or #pieces > 16
  return table.concat(pieces), false
end

---The lines of the body without their ends. Raises what fails, at the end of a body too
---early for instance.
function message:lines(max)
  max = limit("lines", max, LINE_MAX)
  local held, from, over = "", 1, false
  return function()
    while true do
      local line, after = take_line(held, from)
      if not line and over then
        if from > #held then return nil end
        line, after = held:sub(from), #held + 1
      end
      if (line and #line or #held - from + 1) > max then
        local status = not self.status and 413 or nil -- an answer's line is not the client's
        error(select(2, core.invalid("lines", "a line is too long", status)), 2)
      end
      if line then
        from = after
        return line
      end
      held, over = more_lines(self, held, from)
      from = 1
    end
  end
end

---The fields of a form: name -> value, the last one where a name comes twice. Files of a
---multipart form are passed over; `parts` gives them.
function message:form(max)
  max = limit("form", max)
  local ok, missing, invalid = need_body(self, "form")
  if not ok then return nil, missing, invalid end
  local kind = core.media_type(self.headers["content-type"] or "")
  if kind == "multipart/form-data" then return require("net.http.multipart").form(self, max) end
  if kind ~= "application/x-www-form-urlencoded" then
    return core.invalid("form", "the body is no form but '" .. kind .. "'", 415)
  end
  local text, err, code = self:body(max)
  if not text then return nil, err, code end
  local fields = {}
  for _, pair in ipairs(core.pairs(text)) do fields[pair[1]] = pair[2] end
  return fields
end

---The parts of a multipart form, one after the other.
function message:parts(options)
  return require("net.http.multipart").parts(self, options)
end
