-- soquete throughput HOST [options], and soquete throughput server

local client = require "net.cli.throughput_client"
local options = require "net.cli.options"
local server = require "net.cli.throughput_server"

-- The first word tells which of the two it is.
return function(...)
  local words = { ... }
  if words[1] == "server" then return server(table.unpack(words, 2)) end
  if #words == 0 then options.refuse(client.command, "which server? or: soquete throughput server") end
  return client.run(...)
end
