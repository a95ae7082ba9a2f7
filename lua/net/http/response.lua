-- What `res` offers beyond sending: JSON, redirects, cookies, events, another protocol.

local runtime = require "net.core"
local core = require "net.http.core"

local M = {}
local reply = core.reply

---Answers with a value as JSON.
function reply:json(value, status, headers)
  local text, why = require("net.http.json").encode(value)
  if not text then runtime.raise("json: " .. tostring(why)) end
  self:header("Content-Type", "application/json")
  return self:send(status or 200, text, headers)
end

---Answers with the file at `path` beneath the folder `root`, as `http.files` does; or with
---the status that tells why there is none.
function reply:file(root, path)
  return require("net.http.file").respond(self, root, path)
end

---Sends the client elsewhere: 302 unless told.
function reply:redirect(target, status)
  self:header("Location", target)
  return self:send(status or 302)
end

-- RFC 6265 section 4.1.1: printable ASCII without white space, quotes, comma, semicolon
-- and backslash.
local function check_cookie(what, text)
  if text:find("[^!#-+--:<-[%]^-~]") then
    runtime.raise("cookie: its " .. what .. " holds a byte that cookies cannot; encode it")
  end
end

local attributes = { -- name in the options, as it is written, kind
  { "path", "Path", "text" },
  { "domain", "Domain", "text" },
  { "max_age", "Max-Age", "number" },
  { "expires", "Expires", "date" },
  { "same_site", "SameSite", "text" },
  { "secure", "Secure", "flag" },
  { "http_only", "HttpOnly", "flag" },
}

local known = {}
for _, row in ipairs(attributes) do known[row[1]] = true end

local function whole(name, value)
  local number = math.type(value) and math.tointeger(value)
  return number or runtime.raise("cookie: " .. name .. " is a whole number of seconds, not "
    .. tostring(value))
end

local write = {
  text = function(name, value)
    if type(value) ~= "string" or value:find("[%c;]") then
      runtime.raise("cookie: " .. name .. " holds what cookies cannot")
    end
    return "; " .. name .. "=" .. value
  end,
  number = function(name, value) return ("; %s=%d"):format(name, whole(name, value)) end,
  date = function(name, value) return "; " .. name .. "=" .. core.date(whole(name, value)) end,
  flag = function(name, value) return value and "; " .. name or "" end,
}

---A cookie as the value of Set-Cookie.
function M.cookie(name, value, options)
  options = options or {}
  if type(name) ~= "string" or not core.is_token(name) then
    runtime.raise("cookie: its name must be a token")
  end
  if type(options) ~= "table" then
    runtime.raise("cookie: the options are a table, not " .. type(options))
  end
  value = tostring(value)
  check_cookie("value", value)
  for key in pairs(options) do
    if not known[key] then runtime.raise("cookie: there is no attribute '" .. tostring(key) .. "'") end
  end
  local text = name .. "=" .. value
  for _, row in ipairs(attributes) do
    local given = options[row[1]]
    if given ~= nil then text = text .. write[row[3]](row[2], given) end
  end
  return text
end

---Sets a cookie: `res:cookie("id", "42", {http_only = true, max_age = 3600})`.
function reply:cookie(name, value, options)
  return self:add_header("Set-Cookie", M.cookie(name, value, options))
end

-- --- server-sent events ----------------------------------------------------------------

local Events = {}
Events.__index = Events
Events.__name = "net.http.events"

local function field(lines, name, value)
  if value == nil then return end
  local text = tostring(value)
  if text:find("[\r\n%z]") then
    runtime.raise("events: '" .. name .. "' cannot hold a line's end")
  end
  lines[#lines + 1] = name .. ": " .. text
end

-- An event as lines: data is split into lines of its own.
local function event_text(event)
  if type(event) ~= "table" then event = { data = event } end
  local lines = {}
  field(lines, "event", event.event)
  field(lines, "id", event.id)
  field(lines, "retry", event.retry)
  if event.data ~= nil then
    local data = tostring(event.data):gsub("\r\n?", "\n")
    for line in (data .. "\n"):gmatch("([^\n]*)\n") do lines[#lines + 1] = "data: " .. line end
  end
  return table.concat(lines, "\n") .. "\n\n"
end

---Sends one event: a text, or a table of `event`, `id`, `data`, `retry` (milliseconds).
---nil, err, code once the client has gone.
function Events:send(event)
  return self.res:write(event_text(event))
end

---Sends a comment, which clients pass over: keeps a connection alive.
function Events:comment(text)
  return self.res:write(": " .. tostring(text or ""):gsub("[\r\n]", " ") .. "\n\n")
end

---Begins a stream of server-sent events.
function reply:events()
  self:header("Content-Type", "text/event-stream")
  self:header("Cache-Control", "no-cache")
  local ok, err, code = self:write("")
  if not ok then return nil, err, code end
  return setmetatable({ res = self }, Events)
end

-- RFC 9110 section 7.8: only to what the client has offered. Names differ in case.
local function offers(req, protocol)
  for name in (req.upgrade and req.headers.upgrade or ""):gmatch("[^,%s]+") do
    if name:lower() == protocol:lower() then return true end
  end
  return false
end

---Ends HTTP on this connection: answers 101 and gives the socket, which lives until the
---handler returns.
function reply:upgrade(protocol)
  if type(protocol) ~= "string" then
    runtime.raise("upgrade: the name of a protocol is needed, not " .. type(protocol))
  end
  if not offers(core.request_of(self), protocol) then
    return core.invalid("upgrade", "the client does not ask for " .. protocol, 400)
  end
  local ok, err, code = core.switch(self, protocol)
  if not ok then return nil, err, code end
  return core.socket_of(self)
end

return M
