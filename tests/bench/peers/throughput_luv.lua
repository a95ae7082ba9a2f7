-- libuv through luv: lua5.4 throughput_luv.lua receive|send PORT
local uv = require "luv"
local role, port = arg[1], tonumber(arg[2])

if role == "send" then
  local conn = uv.new_tcp()
  local buffer, stop = ("x"):rep(8192), uv.hrtime() + 3600e9
  local function send()
    if uv.hrtime() < stop then conn:write(buffer, send) end
  end
  conn:connect("127.0.0.1", port, send)
else
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", port))
  server:listen(1, function()
    local conn = uv.new_tcp()
    server:accept(conn)
    conn:read_start(function() end)
  end)
end
uv.run()
