-- The module `net`: the primitives of net.core and the short forms over them.

local core = require "net.core"

local net = {}
for name, value in pairs(core) do net[name] = value end
for _, internal in ipairs {
  "condition", "drain", "flush", "folder", "is_address", "is_socket", "join_set", "method",
  "resolve", "running", "stdin", "strict",
} do
  net[internal] = nil
end

local undo = {
  __close = function(self)
    if not self.done then self.socket:close() end
  end,
}

-- A socket for `address`, with `prepare` run on it; closed again when that fails or is
-- interrupted.
local function open(address, kind, prepare)
  local s, err, code = core.socket(address.family, kind)
  if not s then return nil, err, code end
  local attempt <close> = setmetatable({ socket = s }, undo)
  attempt.done, err, code = prepare(s, address)
  if attempt.done then return s end
  return nil, err, code
end

-- Tries each address in turn. The error of a sole attempt is given as it is; that of
-- several names every attempt.
local function try_each(addresses, kind, prepare)
  local tried, err, code = {}, nil, nil
  for _, address in ipairs(addresses) do
    local s
    s, err, code = open(address, kind, prepare)
    if s then return s end
    tried[#tried + 1] = address .. " " .. code
  end
  if #tried > 1 then err.text = err.text .. ", tried " .. table.concat(tried, ", ") end
  return nil, err, code
end

local function bind_both_families(s, address)
  if address.host == "::" then
    local ok, err, code = s:setsockopt("IPV6_V6ONLY", false)
    if not ok then return nil, err, code end
  end
  return s:bind(address)
end

local function bind_and_listen(s, address)
  local ok, err, code = bind_both_families(s, address)
  if not ok then return nil, err, code end
  return s:listen()
end

-- A socket bound to the first address that can be had. Where the machine has no IPv6, the
-- any-address is that of IPv4.
local function bound(operation, kind, prepare, ...)
  local host, port = ...
  local addresses, err, code = core.resolve(host, port, operation, kind, true)
  if not addresses then return nil, err, code end
  local s
  s, err, code = try_each(addresses, kind, prepare)
  if s or addresses[1].host ~= "::" then return s, err, code end
  if code ~= "EAFNOSUPPORT" and code ~= "EADDRNOTAVAIL" then return nil, err, code end
  return open(core.address("0.0.0.0", addresses[1].port), kind, prepare)
end

-- Raises at the caller's line when no address is given.
local function need_address(operation, host)
  if host == nil then error(operation .. ": an address is needed, like \"host:port\"", 3) end
end

---Connects a stream to an address. A name's addresses are tried side by side.
function net.connect(host, port)
  need_address("connect", host)
  local addresses, err, code = core.resolve(host, port, "connect", net.SOCK_STREAM, false)
  if not addresses then return nil, err, code end
  return require "net.connect"(addresses)
end

---A listening stream socket. An empty host takes clients of IPv4 and IPv6.
function net.listen(host, port)
  need_address("listen", host)
  return bound("listen", net.SOCK_STREAM, bind_and_listen, host, port)
end

---A datagram socket for both families, bound where an address is given.
function net.udp(host, port)
  if host ~= nil then
    return bound("udp", net.SOCK_DGRAM, bind_both_families, host, port)
  end
  local s, err, code = core.socket(net.AF_INET6, net.SOCK_DGRAM)
  if s and s:setsockopt("IPV6_V6ONLY", false) then return s end
  if s then s:close() end
  if code and code ~= "EAFNOSUPPORT" then return nil, err, code end
  return core.socket(net.AF_INET, net.SOCK_DGRAM)
end

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
function net.serve(where, handler)
  if type(handler) ~= "function" then
    error("serve: the handler must be a function", 2)
  end
  local server, err, code = where, nil, nil
  if type(where) == "string" or core.is_address(where) then
    server, err, code = net.listen(where)
  elseif not core.is_socket(where) then
    error("serve: an address or a listening socket is needed, not " .. type(where), 2)
  end
  if not server then return nil, err, code end
  return serve_on(server, handler)
end

-- Loaded when they are first used.

function net.channel(capacity)
  return require "net.channel"(capacity)
end

for _, name in ipairs { "all", "group", "race" } do
  net[name] = function(...) return require("net.group")[name](...) end
end

return core.strict(net)
