-- net.throughput: measures how fast bytes go from one machine to another. It speaks
-- iperf3's protocol on both ends.

local M = {}

---Runs a test against a server, ours or iperf3's: its figures, or nil, err, code.
function M.run(options)
  if type(options) ~= "table" then error("throughput: run takes a table of options", 2) end
  local plan, reason = require("net.throughput.plan").new(options)
  if not plan then error("throughput: " .. reason, 2) end
  return require("net.throughput.client").run(plan)
end

---Serves tests on a listening socket or an address; blocks until the socket is closed.
function M.serve(where, options)
  local net = require "net"
  local listener, err, code = where, nil, nil
  if type(where) == "string" then listener, err, code = net.listen(where) end
  if not listener then return nil, err, code end
  return require("net.throughput.server").serve(listener, options)
end

return M
