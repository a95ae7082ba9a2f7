-- A test as a drawing (SVG 1.1): throughput, RTT and congestion window over time. Curves
-- differ by their dashes and their labels, so that they can be told apart in print and
-- without colours.

local quantity = require "net.cli.quantity"

local M = {}

local WIDTH, LEFT, RIGHT, TOP = 800, 90, 150, 46
local HEIGHT, GAP = 150, 54 -- of a panel, and between two
local SAMPLE, APART = 26, 15 -- width of the piece of a curve beside its label; between two labels
local SHORTEST = 1e-6       -- seconds of the axis, at least
local PARTS = 5             -- of an axis, at most
local ROUNDING = 1e-9       -- of floating point, in a part
local dashes = { to_server = "", from_server = "7 4" }
local labels = { to_server = "to server", from_server = "from server" }

local panels = {
  { key = "bits_per_second", title = "Throughput", format = quantity.rate, least = 1 },
  { key = "rtt_us", title = "Round-trip time",
    least = 1, -- the digits that are shown
    format = function(us) return quantity.milliseconds(us / 1e6) end },
  { key = "congestion_window_bytes", title = "Congestion window", format = quantity.size,
    binary = true },
}

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(text)
  return (text:gsub('[&<>"]', entities))
end

-- The points of one direction: the end of each interval and its value. The first interval
-- is drawn from its begin, so that a single one is seen too.
local function series(rows, direction, key)
  local points = {}
  for _, row in ipairs(rows) do
    local part = row[direction]
    if part and part[key] then
      if #points == 0 then points[1] = { row.from_seconds, part[key] } end
      points[#points + 1] = { row.to_seconds, part[key] }
    end
  end
  return points
end

-- How far apart the lines of an axis are, so that a few reach `most`: 1, 2 or 5 of a power of
-- ten, or a power of two for what is told in KiB.
local function step_of(most, axis)
  local least = math.max(most / PARTS, axis.least or 0)
  if least <= 0 then return 1 end
  if axis.binary then return 2.0 ^ math.ceil(math.log(least, 2)) end
  local power = 10.0 ^ math.floor(math.log(least, 10))
  for _, step in ipairs { 1, 2, 5, 10 } do
    if step * power >= least * (1 - ROUNDING) then return step * power end
  end
end

-- The lines of an axis that reach `most`.
local function lines_of(most, axis)
  local step, lines = step_of(most, axis), {}
  for i = 0, math.max(1, math.ceil(most / step - ROUNDING)) do lines[i + 1] = i * step end
  return lines
end

-- A round number needs no zeros after its point.
local function short(words)
  return (words:gsub("(%.%d-)0+ ", "%1 "):gsub("%. ", " "))
end

local function text(x, y, anchor, words, size)
  return ('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d">%s</text>'):format(
    x, y, anchor, size or 12, escape(words))
end

local function stroke(direction, points)
  local dash = dashes[direction] ~= "" and (' stroke-dasharray="%s"'):format(dashes[direction]) or ""
  return ('<polyline points="%s" fill="none" stroke="#000" stroke-width="1.8"%s/>'):format(
    points, dash)
end

local function curve(points, direction, x_of, y_of)
  local path = {}
  for i, point in ipairs(points) do
    path[i] = ("%.1f,%.1f"):format(x_of(point[1]), y_of(point[2]))
  end
  return stroke(direction, table.concat(path, " ")), y_of(points[#points][2])
end

-- The names of the curves where they end, the upper one's above the other's; a piece of the
-- curve stands before each.
local function legend(out, ends)
  table.sort(ends, function(a, b) return a.y < b.y end)
  local below = -math.huge
  for _, one in ipairs(ends) do
    below = math.max(one.y, below + APART)
    local x = WIDTH - RIGHT + 8
    out[#out + 1] = stroke(one.direction, ("%d,%.1f %d,%.1f"):format(x, below, x + SAMPLE, below))
    out[#out + 1] = text(x + SAMPLE + 6, below + 4, "start", labels[one.direction])
  end
end

local function grid(panel, top, lines, last)
  local out = { text(LEFT, top - 10, "start", panel.title, 14) }
  for _, value in ipairs(lines) do
    local y = top + HEIGHT - HEIGHT * value / lines[#lines]
    out[#out + 1] = ('<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#bbb" stroke-width="0.6"/>')
      :format(LEFT, y, WIDTH - RIGHT, y)
    out[#out + 1] = text(LEFT - 6, y + 4, "end", short(panel.format(value)))
  end
  for _, seconds in ipairs(lines_of(last, {})) do
    if seconds > last then break end
    local x = LEFT + (WIDTH - RIGHT - LEFT) * seconds / last
    out[#out + 1] = text(x, top + HEIGHT + 16, "middle", ("%.4g s"):format(seconds))
  end
  return out
end

-- A panel, or nothing when nothing is known for it.
local function draw(panel, rows, top, last)
  local found, most = {}, 0
  for _, direction in ipairs { "to_server", "from_server" } do
    local points = series(rows, direction, panel.key)
    for _, point in ipairs(points) do most = math.max(most, point[2]) end
    if #points > 0 then found[#found + 1] = { direction, points } end
  end
  if #found == 0 then return nil end
  local lines = lines_of(most, panel)
  local out = grid(panel, top, lines, last)
  local function x_of(seconds) return LEFT + (WIDTH - RIGHT - LEFT) * seconds / last end
  local function y_of(value) return top + HEIGHT - HEIGHT * value / lines[#lines] end
  local ends = {}
  for i, one in ipairs(found) do
    local line, y = curve(one[2], one[1], x_of, y_of)
    out[#out + 1], ends[i] = line, { direction = one[1], y = y }
  end
  legend(out, ends)
  return table.concat(out, "\n")
end

local function heading(figures)
  local test = figures.test
  local words = ("%s, %s, %d stream%s"):format(test.protocol:upper(), test.server, test.streams,
    test.streams == 1 and "" or "s")
  if test.congestion_control then words = words .. ", " .. test.congestion_control end
  if test.omitted_seconds == 0 then return words end
  return ("%s, first %g s omitted"):format(words, test.omitted_seconds)
end

---The drawing of a test's figures, as text.
function M.svg(figures)
  local rows, parts = figures.intervals, {}
  local last = math.max(SHORTEST, #rows > 0 and rows[#rows].to_seconds or 0)
  local top = TOP + 30
  for _, panel in ipairs(panels) do
    local drawn = draw(panel, rows, top, last)
    if drawn then
      parts[#parts + 1] = drawn
      top = top + HEIGHT + GAP
    end
  end
  return ([[<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">
<rect width="100%%" height="100%%" fill="#fff"/>
%s
%s
</svg>
]]):format(WIDTH, top, WIDTH, top, text(LEFT, 28, "start", heading(figures), 16),
    table.concat(parts, "\n"))
end

return M
