-- Connections that wait to be used again, oldest first. The loop looks after each of them:
-- one that the server closes, or whose time is over, is closed here too; none of them keeps
-- the program alive.

local runtime = require "net.core"
local core = require "net.http.core"

local M = {}

local PER_HOST = 8
local TOTAL = 64
local SECONDS = 30 -- less than what servers usually grant

local waiting = {} -- list of { key, idle }

-- Those that have ended leave the list.
local function sweep()
  local kept = {}
  for _, entry in ipairs(waiting) do
    if entry.idle:alive() then kept[#kept + 1] = entry end
  end
  waiting = kept
end

local function drop(at)
  table.remove(waiting, at).idle:close()
end

-- Makes room for one more of that key: the oldest go.
local function make_room(key)
  local same, oldest = 0, nil
  for at, entry in ipairs(waiting) do
    if entry.key == key then
      same = same + 1
      oldest = oldest or at
    end
  end
  if same >= PER_HOST then drop(oldest) elseif #waiting >= TOTAL then drop(1) end
end

---A connection to `key` that can be used, the one that was used last; nil where there is
---none.
function M.take(key)
  for at = #waiting, 1, -1 do
    if waiting[at].key == key then
      local conn = table.remove(waiting, at).idle:take()
      if conn then return conn end
    end
  end
end

---Keeps the connection for the next who asks, or closes it when it is of no more use.
function M.put(key, conn)
  local idle = core.idle(conn, SECONDS)
  if not idle then return conn:close() end
  sweep()
  make_room(key)
  waiting[#waiting + 1] = { key = key, idle = idle }
end

---Closes all of them.
function M.close()
  while #waiting > 0 do drop(#waiting) end
end

---How many wait.
function M.count()
  sweep()
  return #waiting
end

runtime.at_end(M.close)

return M
