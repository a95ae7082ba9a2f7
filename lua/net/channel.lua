-- Channels: values from task to task, in order. `put` waits while `capacity` values are
-- held; a channel of capacity 0 is a rendezvous: `put` waits until a task has taken it.

local core = require "net.core"

local methods = core.strict({}, "a channel")
local Channel = { __index = methods, __name = "net.channel" }

local function check(self, name)
  if getmetatable(self) ~= Channel then
    error("call channel:" .. name .. "(…) with a colon", 3)
  end
end

-- Takes an entry out that was never accepted: its put was interrupted.
local function withdraw(self, entry)
  for i = self.first, self.last do
    if self.held[i] == entry then
      table.move(self.held, i + 1, self.last + 1, i)
      self.last = self.last - 1
      return
    end
  end
end

local function accept(entry)
  entry.accepted = true
  if entry.wake then entry.wake:wake() end
end

-- Waits until the entry is accepted; an interruption withdraws it.
local function wait_for_room(self, entry)
  entry.wake = core.condition()
  local _ <close> = setmetatable({}, {
    __close = function()
      if not entry.accepted then withdraw(self, entry) end
    end,
  })
  while not entry.accepted and not self.closed do entry.wake:wait("put") end
  return entry.accepted
end

---Hands a value over: true, or nil, err, "closed".
function methods:put(value)
  check(self, "put")
  if value == nil then error("channel: nil cannot be put; close it to say that no more comes", 2) end
  if self.closed then return core.closed("put", self.closed) end
  core.check("put")
  local entry = { value = value, accepted = false }
  self.last = self.last + 1
  self.held[self.last] = entry
  self.getters:wake()
  if self.last - self.first < self.capacity then
    entry.accepted = true
    return core.step(true)
  end
  if wait_for_room(self, entry) then return true end
  return core.closed("put", self.closed)
end

-- The oldest value; whoever waits for its room is let in.
local function take(self)
  local entry = self.held[self.first]
  self.held[self.first] = nil
  self.first = self.first + 1
  if not entry.accepted then accept(entry) end
  local next = self.capacity > 0 and self.held[self.first + self.capacity - 1]
  if next and not next.accepted then accept(next) end
  return entry.value
end

---The next value; nil, err, "closed" once the channel is closed and empty.
function methods:get()
  check(self, "get")
  core.check("get")
  local taken = false
  -- A getter that is interrupted takes nothing, and hands its wake on.
  local _ <close> = setmetatable({}, {
    __close = function()
      if not taken and self.last >= self.first then self.getters:wake() end
    end,
  })
  while self.last < self.first do
    if self.closed then return core.closed("get", self.closed) end
    self.getters:wait("get", true)
  end
  taken = true
  return core.step(take(self))
end

---Ends the channel: values that are held can still be taken; who waits in put gets nil.
function methods:close()
  check(self, "close")
  if self.closed then return end
  self.closed = core.here()
  local waiting = {}
  for i = self.first, self.last do
    if not self.held[i].accepted then waiting[#waiting + 1] = self.held[i] end
  end
  for _, entry in ipairs(waiting) do
    withdraw(self, entry)
    entry.wake:wake()
  end
  while self.getters:wake() do end -- luacheck: ignore 542
end

Channel.__close = methods.close

---`for value in channel do`: until it is closed and empty.
function Channel:__call()
  return (self:get())
end

function Channel:__tostring()
  local held = self.last - self.first + 1
  return ("channel (%d of %d held%s)"):format(held, self.capacity, self.closed and ", closed" or "")
end

local M = {}

---A channel that holds up to `capacity` values; 0 unless told.
function M.channel(capacity)
  capacity = capacity == nil and 0 or math.type(capacity) and math.tointeger(capacity)
  if not capacity or capacity < 0 then
    error("channel: the capacity must be a whole number from 0", 2)
  end
  -- `held` are entries {value, accepted}, the oldest at `first`; the first `capacity` of
  -- them are accepted, the others belong to tasks that wait in put. `closed`: where that was.
  local self = { capacity = capacity, held = {}, first = 1, last = 0, closed = false }
  self.getters = core.condition()
  return setmetatable(self, Channel)
end

return M
