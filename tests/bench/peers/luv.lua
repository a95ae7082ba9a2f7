-- libuv through luv: lua5.4 luv.lua lines|requests|udp PORT
local uv = require "luv"
local mode, port = arg[1], tonumber(arg[2])

local function serve_datagrams()
  local socket = uv.new_udp()
  assert(socket:bind("127.0.0.1", port))
  socket:recv_start(function(err, data, from)
    if data and not err then socket:try_send(data:upper(), from.ip, from.port) end
  end)
end

local function serve_streams()
  local server = uv.new_tcp()
  assert(server:bind("127.0.0.1", port))
  server:listen(511, function()
    local client = uv.new_tcp()
    server:accept(client)
    client:read_start(function(err, data)
      if err or not data then return client:close() end
      client:write(data:upper())
      if mode == "requests" then
        client:read_stop()
        client:shutdown(function() client:close() end)
      end
    end)
  end)
end

if mode == "udp" then serve_datagrams() else serve_streams() end
uv.run()
