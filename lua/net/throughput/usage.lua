-- Processor time of this process: proc_pid_stat(5), fields 14 (user) and 15 (system).

local net = require "net"

local M = {}

local TICKS = 100 -- a second: USER_HZ, the same on every Linux that Debian knows

local function ticks()
  local file = io.open("/proc/self/stat")
  local text = file and file:read("a")
  if file then file:close() end
  -- the name of the program, in brackets, may hold anything
  local user, system = (text or ""):match("^.*%) %S" .. (" %S+"):rep(10) .. " (%d+) (%d+)")
  return (tonumber(user) or 0) / TICKS, (tonumber(system) or 0) / TICKS
end

---Begins to measure: call the result for percents of one processor since then.
function M.begin()
  local begun = net.now()
  local user, system = ticks()
  return function()
    local seconds = math.max(net.now() - begun, 1e-3)
    local user_now, system_now = ticks()
    local u, s = 100 * (user_now - user) / seconds, 100 * (system_now - system) / seconds
    return { system_percent = s, total_percent = u + s, user_percent = u }
  end
end

return M
