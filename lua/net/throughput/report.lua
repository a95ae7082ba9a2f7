-- A test in words: a line an interval, then the receiver's figures beside the sender's. Lines
-- fit into 80 columns where the sides have short names: not in both directions of several
-- streams, or of datagrams. On a terminal a bar and the course
-- of the rates stand below while it runs.

local meter = require "net.throughput.meter"
local net = require "net.core"
local quantity = require "net.cli.quantity"

local M = {}

local STDOUT = 1
local COURSE = 40 -- the most columns of the course of rates
local BAR = 20    -- of the bar, without its brackets
local TIME = 12   -- of the time of an interval
local NARROW = 12 -- the least columns of the course beside a bar
local LEVELS = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" }

local words = { from_server = "from server", to_server = "to server" }
local short = { from_server = "from", to_server = "to" }
local both = { "to_server", "from_server" }

local function plural(count, word)
  return ("%d %s%s"):format(count, word, count == 1 and "" or "s")
end

local function count_of(name)
  return function(part) return part[name] and ("%d"):format(part[name]) end
end

local function datagrams_a_second(part)
  if not part.datagrams then return nil end
  return ("%.0f"):format(part.seconds > 0 and part.datagrams / part.seconds or 0)
end

local function lost(part)
  if not part.lost_datagrams then return nil end
  return ("%d (%.3g %%)"):format(part.lost_datagrams, meter.lost_percent(part))
end

local function bytes(part, omitted)
  return omitted and "omitted" or quantity.size(part.bytes or 0)
end

local always = {
  { "rate", 12, function(part) return quantity.rate(part.bits_per_second) end }, { "bytes", 10, bytes },
}

-- What is known besides, by protocol: the heading, columns, and the text of a part.
local details = {
  tcp = {
    { "retransmitted", 13, count_of "retransmits" },
    { "RTT", 9, function(part) return part.rtt_us and quantity.milliseconds(part.rtt_us / 1e6) end },
    { "window", 10, function(part)
      return part.congestion_window_bytes and quantity.size(part.congestion_window_bytes)
    end },
  },
  udp = {
    { "datagrams/s", 11, datagrams_a_second }, { "lost", 15, lost },
    { "jitter", 9, function(part)
      return part.jitter_seconds and quantity.milliseconds(part.jitter_seconds)
    end },
    { "late", 4, count_of "out_of_order_datagrams" },
  },
}

-- A line of the table: its label, then what `text` gives for each column.
local function line(self, label, text)
  local cells = { ("%-" .. self.labels .. "s"):format(label) }
  for _, list in ipairs { always, self.columns } do
    for _, column in ipairs(list) do
      cells[#cells + 1] = ("%" .. column[2] .. "s"):format(text(column) or "")
    end
  end
  return (table.concat(cells, " "):gsub("%s+$", "")) .. "\n"
end

local function print_part(self, label, part, omitted)
  io.stdout:write(line(self, label, function(column) return column[3](part, omitted) end))
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
  io.stdout:write(table.concat(what, ", "), "\n", line(self, "", function(column) return column[1] end))
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
      if self.bidir then label = label .. " " .. short[direction] end
      print_part(self, label, part, row.omitted)
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
    print_part(self, ("stream %d %s%s"):format(stream.id, side, suffix), stream)
  end
  print_part(self, side .. suffix, sum)
end

---The sums of the test that is over.
function Report:result(figures)
  head(self)
  wipe(self)
  for _, direction in ipairs(both) do
    local sums = figures[direction]
    if sums then
      local suffix = self.bidir and " " .. words[direction] or ""
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

-- The longest label: of a time, or of a side.
local function label_columns(stream, bidir)
  return math.max(TIME, #(stream .. "received" .. (bidir and " from server" or "")))
end

---Reports a test of those options on standard output.
function M.new(options)
  local all_bytes = options.bytes and options.bytes * (options.bidir and 2 or 1)
  local last = (options.streams or 1) > 1 and 1 + (options.bidir and 2 or 1) * options.streams
  return setmetatable({
    all_bytes = all_bytes,
    all_seconds = not all_bytes and (options.seconds or 10) + (options.omit or 0),
    bidir = options.bidir, columns = details[options.udp and "udp" or "tcp"],
    labels = label_columns(last and ("stream %d "):format(last) or "", options.bidir),
    moved = 0, options = options, rates = {}, terminal = net.terminal(STDOUT) ~= nil,
  }, Report)
end

return M
