-- The module `net`: the primitives of net.core, and the short forms over them. A short form
-- is loaded when it is first called.

local core = require "net.core"

local net = {}
for name, value in pairs(core) do net[name] = value end
for _, internal in ipairs {
  "at_end", "check", "closed", "condition", "folder", "here", "is_address", "is_socket",
  "join_set", "method", "prompts", "raise", "relay_state", "resolve", "running", "stdin", "step",
  "strict", "terminal", "traced",
} do
  net[internal] = nil
end

-- Puts the function of that name in, which a module holds. The tail call lets its errors
-- name the line of the script.
local function lazy(module, ...)
  for _, name in ipairs { ... } do
    local function stub(...)
      local f = require(module)[name]
      if rawget(net, name) == stub then net[name] = f end
      return f(...)
    end
    net[name] = stub
  end
end

lazy("net.channel", "channel")
lazy("net.group", "all", "group", "race")
lazy("net.sockets", "connect", "listen", "udp")
lazy("net.relay", "relay")
lazy("net.serve", "serve")

return core.strict(net, "net")
