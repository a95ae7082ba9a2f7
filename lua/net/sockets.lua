-- Sockets of an address, ready for use: net.connect, net.listen, net.udp.

local core = require "net.core"

local M = {}

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

-- Raises at the line of the script when `host` is no address.
local function need_address(operation, host)
  if type(host) == "string" or core.is_address(host) then return end
  error(operation .. ": an address is needed, like \"host:port\", not " .. type(host), 3)
end

---Connects a stream to an address. A name's addresses are tried side by side.
function M.connect(host, port)
  need_address("connect", host)
  local addresses, err, code = core.resolve(host, port, "connect", core.SOCK_STREAM, false)
  if not addresses then return nil, err, code end
  return require "net.connect"(addresses)
end

---A listening stream socket. An empty host takes clients of IPv4 and IPv6.
function M.listen(host, port)
  need_address("listen", host)
  return bound("listen", core.SOCK_STREAM, bind_and_listen, host, port)
end

---A datagram socket for both families, bound where an address is given.
function M.udp(host, port)
  if host ~= nil then
    need_address("udp", host)
    return bound("udp", core.SOCK_DGRAM, bind_both_families, host, port)
  end
  local s, err, code = core.socket(core.AF_INET6, core.SOCK_DGRAM)
  if s and s:setsockopt("IPV6_V6ONLY", false) then return s end
  if s then s:close() end
  if code and code ~= "EAFNOSUPPORT" then return nil, err, code end
  return core.socket(core.AF_INET, core.SOCK_DGRAM)
end

return M
