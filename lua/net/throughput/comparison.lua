-- Tests of several congestion controls side by side.

local quantity = require "net.cli.quantity"

local M = {}

-- What the receiver got, whichever direction.
local function received(figures)
  return (figures.to_server or figures.from_server).received.bits_per_second
end

---Prints a line for each, relative to the best one.
function M.print(names, figures)
  local best = 0
  for _, one in ipairs(figures) do best = math.max(best, received(one)) end
  io.stdout:write("\ncongestion control       received    of the best  retransmitted\n")
  for i, name in ipairs(names) do
    local sent = (figures[i].to_server or figures[i].from_server).sent
    io.stdout:write(("%-16s %16s %14.2f  %13d\n"):format(name, quantity.rate(received(figures[i])),
      best > 0 and received(figures[i]) / best or 0, sent.retransmits or 0))
  end
end

return M
