-- Connecting to a name that has several addresses (RFC 8305, "Happy Eyeballs"): attempts
-- start 250 ms apart, or as soon as one has failed; earlier ones go on; the first that
-- succeeds wins.

local core = require "net.core"

local DELAY = 0.25 -- seconds; RFC 8305 section 5, "Connection Attempt Delay"

-- The families by turns, beginning with that of the first address (RFC 8305 section 4).
local function interleave(addresses)
  local first, others = {}, {}
  for _, address in ipairs(addresses) do
    local list = address.family == addresses[1].family and first or others
    list[#list + 1] = address
  end
  local mixed = {}
  for i = 1, math.max(#first, #others) do
    mixed[#mixed + 1] = first[i]
    mixed[#mixed + 1] = others[i]
  end
  return mixed
end

-- Gives the connected socket, or nil, err, code. An interruption closes it.
local function attempt(address)
  local s, err, code = core.socket(address.family, core.SOCK_STREAM)
  if not s then return nil, err, code end
  local undo <close> = setmetatable({}, {
    __close = function(self) if not self.done then s:close() end end,
  })
  local ok
  ok, err, code = s:connect(address)
  undo.done = ok ~= nil
  if ok then return s end
  return nil, err, code
end

-- Whatever happens, no attempt goes on and no socket but the winner stays open.
local guard = {
  __close = function(self)
    self.set:cancel()
    for task in function() return self.set:next("connect") end do
      local s = task:join()
      if s and s ~= self.winner then s:close() end
    end
  end,
}

-- The next attempt that ends; nil when it is time to start another.
local function next_ended(set, more)
  if not more then return set:next("connect") end
  return (core.deadline(DELAY, set.next, set, "connect"))
end

-- The error of the only attempt, or of the last one, with every attempt in its text.
local function failure(failures)
  local last = failures[#failures]
  if #failures == 1 then return nil, last.err, last.code end
  local tried = {}
  for i, f in ipairs(failures) do tried[i] = f.address .. " " .. f.code end
  last.err.text = last.err.text .. "; tried " .. table.concat(tried, ", ")
  return nil, last.err, last.code
end

local function race(addresses)
  local self <close> = setmetatable({ set = core.join_set() }, guard)
  local set, of, failures, started = self.set, {}, {}, 0 -- of: a task's address
  while #failures < #addresses do
    if started < #addresses then
      started = started + 1
      of[set:spawn(attempt, addresses[started])] = addresses[started]
    end
    local task = next_ended(set, started < #addresses)
    if task then
      local s, err, code = task:join()
      if s then
        self.winner = s
        return s
      end
      failures[#failures + 1] = { address = of[task], err = err, code = code }
    end
  end
  return failure(failures)
end

return function(addresses)
  if #addresses == 1 then return attempt(addresses[1]) end
  return race(interleave(addresses))
end
