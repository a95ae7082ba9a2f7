-- cqueues: lua5.4 cqueues.lua lines|requests PORT (it has no recvfrom)
local cqueues = require "cqueues"
local socket = require "cqueues.socket"
local mode, port = arg[1], tonumber(arg[2])

local loop = cqueues.new()
local server = socket.listen { host = "127.0.0.1", port = port, reuseaddr = true }

local function serve(conn)
  conn:setmode("bn", "bn")
  conn:onerror(function(_, _, why) return why end)
  repeat
    local data = conn:read(-4096)
    if not data then break end
    conn:write(data:upper())
  until mode == "requests"
  conn:close()
end

loop:wrap(function()
  for conn in server:clients() do
    loop:wrap(function() serve(conn) end)
  end
end)
assert(loop:loop())
