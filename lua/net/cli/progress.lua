-- A line on a terminal that tells how far a transfer has come: part, bytes, rate, time left.

local runtime = require "net.core"

local M = {}

local STDERR = 2
local REFRESH = 0.1 -- seconds between two drawings
local MEMORY = 3    -- seconds over which the rate is smoothed
local BAR_MIN = 10  -- columns

local units = { "B", "KiB", "MiB", "GiB", "TiB" }

---"1.5 MiB"
function M.size(bytes)
  local unit = 1
  while bytes >= 1024 and unit < #units do
    bytes = bytes / 1024
    unit = unit + 1
  end
  return (unit == 1 and "%d %s" or "%.1f %s"):format(bytes, units[unit])
end

-- "1:05", "2:00:00"
local function clock(seconds)
  local s = math.floor(math.min(seconds, 359999) + 0.5)
  if s >= 3600 then return ("%d:%02d:%02d"):format(s // 3600, s // 60 % 60, s % 60) end
  return ("%d:%02d"):format(s // 60, s % 60)
end

-- The line for `columns` columns. `all` is nil where the size is not known.
local function line(name, got, all, rate, elapsed, columns)
  local told = M.size(math.floor(rate)) .. "/s"
  if not all then return ("%s  %s  %s  %s"):format(name, M.size(got), told, clock(elapsed)) end
  local part = all > 0 and got / all or 1
  local left = rate > 0 and clock((all - got) / rate) or "-:--"
  local tail = ("%3d%%  %s of %s  %s  ETA %s"):format(
    math.floor(part * 100), M.size(got), M.size(all), told, left)
  local room = columns - 1 - #name - #tail - 6
  if room < BAR_MIN then return name .. "  " .. tail end
  local full = math.floor(part * room)
  return ("%s  [%s%s]  %s"):format(name, ("="):rep(full), (" "):rep(room - full), tail)
end

local Progress = {}
Progress.__index = Progress

local function draw(self, now)
  local text = line(self.name, self.got, self.all, self.rate, now - self.begun, self.columns)
  io.stderr:write("\r", text:sub(1, self.columns - 1), "\27[K")
  self.drawn = now
end

-- The rate of the last piece of time counts as much as it is long.
local function measure(self, now)
  local dt = now - self.measured
  local rate = (self.got - self.at_measured) / dt
  local old = self.rate == 0 and 0 or math.exp(-dt / MEMORY)
  self.rate = old * self.rate + (1 - old) * rate
  self.measured, self.at_measured = now, self.got
end

---`got` bytes of `all` (nil: not known) have come.
function Progress:update(got, all)
  local now = runtime.now()
  self.got, self.all = got, all
  if not self.columns or now - self.drawn < REFRESH then return end
  measure(self, now)
  draw(self, now)
end

---How much came, in which time: "1.5 MiB in 2.1 s, 730.5 KiB/s".
function Progress:summary()
  local seconds = runtime.now() - self.begun
  local rate = seconds > 0 and self.got / seconds or 0
  return ("%s in %.1f s, %s/s"):format(M.size(self.got), seconds, M.size(math.floor(rate)))
end

---Takes the line away.
function Progress:close()
  if self.columns and self.drawn > self.begun then io.stderr:write("\r\27[K") end
  self.columns = nil
end

Progress.__close = Progress.close

---A progress of what has that name. It draws nothing where standard error is no terminal.
function M.new(name)
  local now = runtime.now()
  return setmetatable({
    at_measured = 0,
    begun = now,
    columns = runtime.terminal(STDERR),
    drawn = now,
    got = 0,
    measured = now,
    name = name,
    rate = 0,
  }, Progress)
end

return M
