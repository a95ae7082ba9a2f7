-- A test in words: a line an interval, then the receiver's figures beside the sender's. On a
-- terminal a bar and the course of the rates stand below while it runs.

local meter = require "net.throughput.meter"
local net = require "net.core"
local quantity = require "net.cli.quantity"

local M = {}

local STDOUT = 1
local COURSE = 40 -- the most columns of the course of rates
local BAR = 20    -- of the bar, without its brackets
local NARROW = 12 -- the least columns of the course beside a bar
local LEVELS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

local arrows = { from_server = "from server", to_server = "to server" }
local both = { "to_server", "from_server" }

local function plural(count, word)
  return ("%d %s%s"):format(count, word, count == 1 and "" or "s")
end

-- What is known of a part besides its bytes.
local function details(part)
  local list = {}
  local function add(format, ...) list[#list + 1] = format:format(...) end
  if part.retransmits then add("%d retransmitted", part.retransmits) end
  if part.rtt_us then add("RTT %s", quantity.milliseconds(part.rtt_us / 1e6)) end
  if part.congestion_window_bytes then
    add("window %s", quantity.size(part.congestion_window_bytes))
  end
  if part.datagrams then
    add("%.0f datagrams/s", part.seconds > 0 and part.datagrams / part.seconds or 0)
  end
  if part.lost_datagrams then
    add("%d lost (%.3g %%)", part.lost_datagrams, meter.lost_percent(part))
    if part.out_of_order_datagrams then add("%d out of order", part.out_of_order_datagrams) end
  end
  if part.jitter_seconds then add("jitter %s", quantity.milliseconds(part.jitter_seconds)) end
  return table.concat(list, "  ")
end

local function line(self, label, part)
  local text = ("%-" .. self.labels .. "s %16s %12s  %s"):format(label, quantity.rate(part.bits_per_second),
    quantity.size(part.bytes or 0), details(part))
  return (text:gsub("%s+$", ""))
end

local Report = {}
Report.__index = Report

-- The rates so far as a row of small bars, the highest one full.
local function course(rates, columns)
  local first, top, marks = math.max(1, #rates - columns + 1), 0, {}
  for i = first, #rates do top = math.max(top, rates[i]) end
  for i = first, #rates do
    local level = top > 0 and math.floor(rates[i] / top * (#LEVELS - 1) + 0.5) or 0
    marks[#marks + 1] = LEVELS[level + 1]
  end
  return table.concat(marks)
end

-- What is measured, before its first line.
local function head(self)
  local options = self.options
  if not options then return end
  self.options = nil
  local what = {
    ("%s %s %s"):format(options.udp and "UDP" or "TCP",
      options.reverse and "from" or options.bidir and "to and from" or "to", options.host),
    plural(options.streams or 1, "stream"),
    options.bytes and quantity.size(options.bytes) or ("%g s"):format(options.seconds or 10),
  }
  local function add(format, ...) what[#what + 1] = format:format(...) end
  if options.omit then add("first %g s omitted", options.omit) end
  if options.rate == 0 then add("as fast as it goes")
  elseif options.rate then add("%s a stream", quantity.rate(options.rate)) end
  if options.udp and not options.rate then add("1 Mbit/s a stream (--rate changes it)") end
  if options.congestion then add("congestion control %s", options.congestion) end
  io.stdout:write(table.concat(what, ", "), "\n")
end

-- How far the test has come, from 0 to 1: of its time, or of its bytes.
local function part_of(self, row)
  if self.all_seconds then return math.min(1, row.to_seconds / self.all_seconds) end
  return math.min(1, self.moved / self.all_bytes)
end

-- Never as wide as the terminal: a line that wraps could not be wiped.
local function draw(self, row)
  local room, bar = (net.terminal(STDOUT) or 80) - 1, ""
  if room >= BAR + 3 + NARROW then
    local full = math.floor(part_of(self, row) * BAR)
    bar = ("[%s%s] "):format(("="):rep(full), (" "):rep(BAR - full))
  end
  io.stdout:write(bar, course(self.rates, math.min(COURSE, room - #bar)))
  io.stdout:flush()
  self.drawn = true
end

local function wipe(self)
  if self.drawn then io.stdout:write("\r\27[K") end
  self.drawn = false
end

---A row of the running test.
function Report:interval(row)
  head(self)
  wipe(self)
  local rate = 0
  for _, direction in ipairs(both) do
    local part = row[direction]
    if part then
      local label = ("%6.1f-%.1f s"):format(row.from_seconds, row.to_seconds)
      if self.bidir then label = label .. " " .. arrows[direction] end
      if row.omitted then label = label .. " omitted" end
      io.stdout:write(line(self, label, part), "\n")
      rate = rate + part.bits_per_second
      if not row.omitted then self.moved = self.moved + part.bytes end
    end
  end
  self.rates[#self.rates + 1] = rate
  if self.terminal then draw(self, row) else io.stdout:flush() end
end

local function cpu_text(cpu)
  return ("%.0f %% (user %.0f, system %.0f)"):format(
    cpu.total_percent, cpu.user_percent, cpu.system_percent)
end

-- A side of a direction, after those of its streams where there are several.
local function print_side(self, side, suffix, sum)
  for _, stream in ipairs(#sum.streams > 1 and sum.streams or {}) do
    io.stdout:write(line(self, ("stream %d %s%s"):format(stream.id, side, suffix), stream), "\n")
  end
  io.stdout:write(line(self, side .. suffix, sum), "\n")
end

---The sums of the test that is over.
function Report:result(figures)
  head(self)
  wipe(self)
  for _, direction in ipairs(both) do
    local sums = figures[direction]
    if sums then
      local suffix = self.bidir and " " .. arrows[direction] or ""
      print_side(self, "sent", suffix, sums.sent)
      print_side(self, "received", suffix, sums.received)
    end
  end
  io.stdout:write("CPU: client ", cpu_text(figures.cpu.client), ", server ",
    cpu_text(figures.cpu.server), " of one core\n")
  io.stdout:flush()
end

---Takes the drawing away, when the test fails.
function Report:close()
  wipe(self)
  io.stdout:flush()
end

---Reports a test of those options on standard output.
function M.new(options)
  local bytes = options.bytes and options.bytes * (options.bidir and 2 or 1)
  return setmetatable({
    all_bytes = bytes, all_seconds = not bytes and (options.seconds or 10) + (options.omit or 0),
    bidir = options.bidir,
    labels = options.bidir and (options.streams or 1) > 1 and 32 or 24, -- columns
    moved = 0, options = options, rates = {}, terminal = net.terminal(STDOUT) ~= nil,
  }, Report)
end

return M
