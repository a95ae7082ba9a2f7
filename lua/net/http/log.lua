-- The access log: a line for each request, in the Common Log Format or as JSON.

local runtime = require "net.core"
local core = require "net.http.core"

local M = {}

-- What is told of a request, in this order.
local names = {
  "time", "peer", "method", "target", "version", "status", "bytes", "seconds", "referer",
  "user_agent",
}

local function entry_of(conn, req, status, begun)
  local _, sent, bytes = conn:state()
  local entry = {
    bytes = bytes,
    peer = conn:peer(),
    status = status or sent,
    time = os.time(),
  }
  if not req then return entry end -- a head that was refused
  entry.method, entry.target, entry.version = req.method, req.target, req.version
  entry.seconds = runtime.now() - begun
  entry.referer = req.headers.referer
  entry.user_agent = req.headers["user-agent"]
  return entry
end

local function json(conn, req, status, begun)
  local entry = entry_of(conn, req, status, begun)
  local as_json = require("net.http.json").encode
  local function encode(value) -- lua-cjson writes "\/", which is allowed and hard to read
    return (as_json(value):gsub("\\/", "/"))
  end
  local parts = {}
  for _, name in ipairs(names) do
    local value = entry[name]
    if name == "time" then value = os.date("!%Y-%m-%dT%H:%M:%SZ", value) end
    if name == "peer" then value = value and tostring(value) end
    if type(value) == "string" and not utf8.len(value) then value = core.escape(value) end
    if name == "seconds" and value then value = math.floor(value * 1e6 + 0.5) / 1e6 end
    if value ~= nil then parts[#parts + 1] = encode(name) .. ":" .. encode(value) end
  end
  return "{" .. table.concat(parts, ",") .. "}\n"
end

-- What makes a line of an answer.
local formats = { common = core.methods.log_line, json = json }

-- A line that cannot be written is dropped and counted: the server goes on.
local function write(server, file, line)
  if not (file:write(line) and file:flush()) then server.dropped = server.dropped + 1 end
end

-- C adds the lines of ready answers to a file of Lua's, and writes what has come once a turn.
local function shared_log(shared, file)
  shared:log_to(file)
  return function(_, conn, req, status) shared:log(conn:log_line(req, status)) end, true
end

---What the server calls after each request, and whether ready answers are logged without.
---`option` is "common", "json", a function of the entry, or a table of `format` and `file`.
function M.new(shared, option)
  if type(option) == "function" then
    return function(_, conn, req, status, begun) option(entry_of(conn, req, status, begun)) end
  end
  if type(option) ~= "table" then option = { format = option } end
  local format = formats[option.format]
  if not format then
    error("http: log is \"common\", \"json\", a function or a table of them, not "
      .. tostring(option.format), 4)
  end
  local file = option.file or io.stdout
  if format ~= json and io.type(file) == "file" then return shared_log(shared, file) end
  return function(server, conn, req, status, begun)
    write(server, file, format(conn, req, status, begun))
  end
end

return M
