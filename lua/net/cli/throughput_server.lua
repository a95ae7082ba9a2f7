-- soquete throughput server [--port N] [--bind HOST]

local options = require "net.cli.options"
local quantity = require "net.cli.quantity"
local reach = require "net.throughput.reach"
local throughput = require "net.throughput"

local command = {
  help = "net.cli.throughput_help",
  name = "throughput server",
  topic = "server",
  usage = "throughput server [--port N] [--bind HOST] [-4 | -6]",
  options = { ["--bind"] = "text", ["--ipv4"] = "flag", ["--ipv6"] = "flag", ["--port"] = "port" },
  short = { ["-4"] = "--ipv4", ["-6"] = "--ipv6", ["-B"] = "--bind", ["-p"] = "--port" },
  most = 0,
}

local PORT = 5201

local function fail(err)
  options.complain(command, err)
  os.exit(1)
end

local function sums_of(report)
  local parts = {}
  for _, direction in ipairs { "to_server", "from_server" } do
    local sum = report.totals and report.totals[direction]
    if sum then
      parts[#parts + 1] = ("%s %s at %s"):format(direction == "to_server" and "received" or "sent",
        quantity.size(sum.bytes), quantity.rate(sum.bits_per_second))
      if sum.lost_datagrams and sum.lost_datagrams > 0 then
        parts[#parts] = parts[#parts] .. (", %d datagrams lost"):format(sum.lost_datagrams)
      end
    end
  end
  return table.concat(parts, "; ")
end

local function print_test(report)
  local what = report.plan and (report.plan.udp and "UDP" or "TCP") or "test"
  local text = sums_of(report)
  if report.error then
    text = text .. (text == "" and "" or "; ") .. "ended early: " .. report.error.text
  end
  io.stdout:write(("%s %s %s: %s\n"):format(os.date("%H:%M:%S"), report.peer, what, text))
  io.stdout:flush()
end

return function(...)
  local words = options.parse(command, ...)
  if words.ipv4 and words.ipv6 then options.refuse(command, "-4 and -6 exclude each other") end
  local family = words.ipv4 and "4" or words.ipv6 and "6" or nil
  local listener, err = reach.listen(words.bind, words.port or PORT, family)
  if not listener then fail(err) end
  print(("listening on %s; Ctrl-C stops"):format(listener:getsockname()))
  local _, why = throughput.serve(listener, { on_test = print_test })
  fail(why)
end
