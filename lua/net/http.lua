-- The module `net.http`: what its parts offer. Each part is loaded when it is first used.

local runtime = require "net.core"

local http = {}

-- name -> the module that holds it, under the same name.
local parts = {
  close_idle = "client",
  cookie = "response",
  files = "files",
  get = "client",
  post = "client",
  request = "client",
  router = "router",
  serve = "server",
  server = "server",
}

for name, part in pairs(parts) do
  http[name] = function(...)
    local f = require("net.http." .. part)[name]
    http[name] = f
    return f(...)
  end
end

return runtime.strict(http, "net.http")
