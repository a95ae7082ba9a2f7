-- Intervals as CSV (RFC 4180): a line for each direction of each. Empty: not known.

local M = {}

local fields = {
  "bytes", "seconds", "bits_per_second", "retransmits", "rtt_us", "congestion_window_bytes",
  "datagrams", "lost_datagrams", "out_of_order_datagrams", "jitter_seconds",
}

---The line of names.
function M.head()
  return "direction,from_seconds,to_seconds,omitted," .. table.concat(fields, ",")
    .. ",congestion_control\r\n"
end

local function text(value)
  if value == nil then return "" end
  return math.type(value) == "float" and ("%.9g"):format(value) or tostring(value)
end

---The lines of an interval. `congestion`: the congestion control, where it was told.
function M.row(row, congestion)
  local lines = {}
  for _, direction in ipairs { "to_server", "from_server" } do
    local part = row[direction]
    if part then
      local values = { direction, text(row.from_seconds), text(row.to_seconds),
        row.omitted and "true" or "false" }
      for _, name in ipairs(fields) do values[#values + 1] = text(part[name]) end
      values[#values + 1] = text(congestion)
      lines[#lines + 1] = table.concat(values, ",") .. "\r\n"
    end
  end
  return table.concat(lines)
end

return M
