-- net.throughput: measures how fast bytes go from one machine to another. It speaks
-- iperf3's protocol on both ends.

local runtime = require "net.core"

local M = {}

---Runs a test against a server, ours or iperf3's: its figures, or nil, err, code.
function M.run(options)
  if type(options) ~= "table" then runtime.raise("throughput: run takes a table of options") end
  local plan, reason = require("net.throughput.plan").new(options)
  if not plan then runtime.raise("throughput: " .. reason) end
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
