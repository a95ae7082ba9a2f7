-- Places that hosts share, so that none takes all: a host has at most half of those that the
-- others leave. Of IPv6 a network of 64 bits is one host: its machines choose the rest.

local M = {}

local GROUPS, OF_NETWORK = 8, 4 -- of 16 bits: in an address, in its network

local function groups_of(text)
  local groups = {}
  for group in text:gmatch("%x+") do groups[#groups + 1] = group end
  return groups
end

-- Who a host is: the network of an IPv6 address, which "::" may shorten (RFC 4291, 2.2).
local function owner(host)
  if not host:find(":", 1, true) then return host end
  local head, tail = host:match("^(.-)::(.*)$")
  local groups, rest = groups_of(head or host), groups_of(tail or "")
  while #groups + #rest < GROUPS do groups[#groups + 1] = "0" end
  return table.concat(table.move(rest, 1, #rest, #groups + 1, groups), ":", 1, OF_NETWORK)
end

local Places = {}
Places.__index = Places

---Takes a place for that host: a value that gives it back when it is closed; nil: it gets none.
function Places:take(host)
  local who = owner(host)
  local own = self.held[who] or 0
  local left_by_others = self.most - (self.taken - own)
  if own >= (left_by_others + 1) // 2 then return nil end
  self.held[who], self.taken = own + 1, self.taken + 1
  return setmetatable({}, { __close = function()
    local now = self.held[who] - 1
    self.held[who], self.taken = now > 0 and now or nil, self.taken - 1
  end })
end

---So many places.
function M.new(most)
  return setmetatable({ held = {}, most = most, taken = 0 }, Places)
end

return M
