-- net.serve: a task a connection.

local core = require "net.core"

local function handle(handler, conn, peer)
  local guard <close> = conn
  handler(guard, peer)
end

local function serve_on(server, handler)
  local listener <close> = server
  while true do
    local conn, peer, code = listener:accept()
    if not conn then return nil, peer, code end
    core.spawn(handle, handler, conn, peer)
  end
end

---Serves: one task a connection, which is closed when the handler returns or fails. Blocks
---until the listener, which it closes in the end, is closed or breaks.
local function serve(where, handler)
  if type(handler) ~= "function" then
    error("serve: the handler must be a function", 2)
  end
  local server, err, code = where, nil, nil
  if type(where) == "string" or core.is_address(where) then
    server, err, code = require("net.sockets").listen(where)
  elseif not core.is_socket(where) then
    error("serve: an address or a listening socket is needed, not " .. type(where), 2)
  end
  if not server then return nil, err, code end
  return serve_on(server, handler)
end

return { serve = serve }
