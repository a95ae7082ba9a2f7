-- The access log: a line for each request, in the Common Log Format or as JSON.

local runtime = require "net.core"
local core = require "net.http.core"

local M = {}

local log_values, log_line = core.methods.log_values, core.methods.log_line
local formats = { common = true, json = true }

-- A line that cannot be written is dropped and counted: the server goes on.
local function write(server, file, line)
  if not (file:write(line) and file:flush()) then server.dropped = server.dropped + 1 end
end

local function entry_of(conn, req, status)
  local sent, bytes, peer, time, seconds, method, target, version, referer, user_agent =
    log_values(conn, req, status)
  return { -- a constructor costs less than C's setting of each field
    bytes = bytes, method = method, peer = peer, referer = referer, seconds = seconds,
    status = sent, target = target, time = time, user_agent = user_agent, version = version,
  }
end

---What the server calls after each request; and whether C does so by itself for most of
---them. `option` is "common", "json", a function of the entry, or a table of `format` and
---`file`.
function M.new(shared, option)
  if type(option) == "function" then
    shared:log_as("entry")
    return function(_, conn, req, status) option(entry_of(conn, req, status)) end
  end
  if type(option) ~= "table" then option = { format = option } end
  if not formats[option.format] then
    runtime.raise("http: log is \"common\", \"json\", a function or a table of them, not "
      .. tostring(option.format))
  end
  local file = option.file or io.stdout
  if io.type(file) == "file" then -- C writes what has come once a turn
    shared:log_as(option.format, file)
    return function(_, conn, req, status) conn:log(req, status) end, true
  end
  shared:log_as(option.format)
  return function(server, conn, req, status)
    write(server, file, log_line(conn, req, status))
  end
end

return M
