-- Quantities with their units: bits are counted in powers of ten, bytes in powers of two, as
-- the names say (IEC 80000-13: k is 1,000, Ki is 1,024).

local M = {}

local decimal = { [""] = 1, G = 1e9, K = 1e3, M = 1e6, T = 1e12, k = 1e3 }
local binary = { [""] = 1, G = 1 << 30, K = 1 << 10, M = 1 << 20, T = 1 << 40, k = 1 << 10 }

---"10M", "10Mbit/s": bits per second; nil when it is none.
function M.parse_rate(text)
  local number, prefix, unit = text:match("^(%d+%.?%d*)([kKMGT]?)(.*)$")
  if not number or (unit ~= "" and unit ~= "bit/s" and unit ~= "bit") then return nil end
  return tonumber(number) * decimal[prefix]
end

---"64K", "64KiB": 65,536 bytes; "64kB": 64,000; nil when it is none.
function M.parse_size(text)
  local number, prefix, unit = text:match("^(%d+%.?%d*)([kKMGT]?)(.*)$")
  if not number or (unit ~= "" and unit ~= "B" and unit ~= "iB") then return nil end
  local scale = unit == "B" and decimal[prefix] or binary[prefix]
  return math.tointeger(tonumber(number) * scale)
end

local ROUNDING = 0.05 -- of the one digit after the point that large values have

local function scaled(value, base, prefixes, unit)
  local i = 1
  while value >= base - ROUNDING and i < #prefixes do
    value = value / base
    i = i + 1
  end
  local digits = (i == 1 and value % 1 == 0) and 0 or value >= 100 and 1 or 2
  return ("%." .. digits .. "f %s%s"):format(value, prefixes[i], unit)
end

---"9.42 Gbit/s"
function M.rate(bits_per_second)
  return scaled(bits_per_second, 1000, { "", "k", "M", "G", "T" }, "bit/s")
end

---"1.10 GiB"
function M.size(bytes)
  return scaled(bytes, 1024, { "", "Ki", "Mi", "Gi", "Ti" }, "B")
end

---"0.120 ms"
function M.milliseconds(seconds)
  return ("%.3f ms"):format(seconds * 1000)
end

return M
