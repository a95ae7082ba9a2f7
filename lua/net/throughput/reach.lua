-- How both ends find each other: addresses of the families that are wanted.

local control = require "net.throughput.control"
local core = require "net.http.core"
local net = require "net"

local M = {}

local numbers = { ["4"] = net.AF_INET, ["6"] = net.AF_INET6 }

-- The addresses of a host that are of that family ("4", "6"; nil: all), or nil, err, code.
local function addresses(operation, host, port, family)
  local found, err, code = net.getaddrinfo(host, port)
  if not found then return nil, err, code end
  local wanted = {}
  for _, address in ipairs(found) do
    if not family or address.family == numbers[family] then wanted[#wanted + 1] = address end
  end
  if #wanted > 0 then return wanted end
  return core.invalid(operation, ("%s has no IPv%s address"):format(host, family))
end

-- The server's addresses that this end can speak to from where it is bound.
local function targets(plan)
  local found, err, code = addresses("connect", plan.host, plan.port, plan.family)
  if not found or not plan.bind then return found, err, code end
  local own
  own, err, code = addresses("bind", plan.bind, 0, plan.family)
  if not own then return nil, err, code end
  local families, wanted = {}, {}
  for _, address in ipairs(own) do families[address.family] = true end
  for _, address in ipairs(found) do
    if families[address.family] then wanted[#wanted + 1] = address end
  end
  if #wanted > 0 then return wanted end
  return core.invalid("connect", ("%s and %s have no address of one family"):format(plan.bind, plan.host))
end

local function open(plan, target, patience)
  local conn, err, code = net.socket(target.family, net.SOCK_STREAM)
  if not conn then return nil, err, code end
  conn:settimeout(patience)
  local ok = true
  if plan.bind then ok, err, code = conn:bind(plan.bind, 0) end
  if ok then ok, err, code = conn:connect(target) end
  if ok then return conn end
  conn:close()
  return nil, err, code
end

---Connects to the plan's server: the socket, or nil, err, code. Where this end's address or the
---family is told, the server's addresses are tried one after another.
function M.connect(plan)
  if not plan.bind and not plan.family then
    return net.deadline(control.PATIENCE, net.connect, plan.host, plan.port)
  end
  local all, conn, err, code
  all, err, code = targets(plan)
  for _, target in ipairs(all or {}) do
    conn, err, code = open(plan, target, control.PATIENCE / #all)
    if conn then return conn end
  end
  return nil, err, code
end

-- A listener of that address. One of IPv6 takes IPv6 alone: who wants both names no family.
local function listen_at(address)
  local listener, err, code = net.socket(address.family, net.SOCK_STREAM)
  if not listener then return nil, err, code end
  local ok = true
  if address.family == net.AF_INET6 then
    ok, err, code = listener:setsockopt("IPV6_V6ONLY", true)
  end
  if ok then ok, err, code = listener:bind(address) end
  if ok then ok, err, code = listener:listen() end
  if ok then return listener end
  listener:close()
  return nil, err, code
end

---A listening socket; with a family ("4", "6") of that one alone. `host` nil: every address.
function M.listen(host, port, family)
  if not family then return net.listen(host or "", port) end
  local all, err, code = addresses("listen", host or (family == "4" and "0.0.0.0" or "::"), port, family)
  if not all then return nil, err, code end
  return listen_at(all[1])
end

return M
