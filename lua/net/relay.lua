-- net.relay: what one of two streams sends goes to the other, both ways at once. A direction
-- is a task of its own, whose loop is in C (socket_relay.c).

local core = require "net.core"

local DIRECTIONS = { { "a_to_b", "a to b" }, { "b_to_a", "b to a" } }

local function figures(self)
  return {
    a_to_b_bytes = self.state:bytes(1),
    b_to_a_bytes = self.state:bytes(2),
    seconds = core.now() - self.begin,
  }
end

-- However it ends, no task is left behind, and the pipes are given back. An interruption
-- tells how far it was.
local guard = {
  __close = function(self, err)
    self.set:cancel()
    for task in function() return self.set:next("relay") end do
      if task:status() == "failed" then pcall(task.join, task) end -- of the same cause
    end
    if type(err) == "table" and err.code then err.figures = figures(self) end
    self.state:close()
  end,
}

local function failure(self, way, err, code)
  err.direction = DIRECTIONS[way][1]
  err.text = err.text .. ", from " .. DIRECTIONS[way][2]
  err.figures = figures(self)
  return nil, err, code
end

-- Raises at the line of the script that called the caller.
local function check_sockets(...)
  for i = 1, 2 do
    local value = select(i, ...)
    if not core.is_socket(value) then
      local message = "bad argument #%d to 'relay' (socket expected, got %s)"
      error(message:format(i, type(value)), 3)
    end
  end
end

---Sends everything that `a` receives to `b`, and the other way round, until both have ended.
local function relay(a, b, options)
  check_sockets(a, b)
  local ok, state = pcall(core.relay_state, a, b, options)
  if not ok then error(type(state) == "string" and state:gsub("'%?'", "'relay'") or state, 2) end
  local self <close> = setmetatable({
    set = core.join_set(), state = state, begin = core.now(),
  }, guard)
  local way_of = {}
  for way = 1, 2 do way_of[self.set:spawn(state.run, state, way)] = way end
  for task in function() return self.set:next("relay") end do
    local ended, err, code = task:join()
    if not ended then return failure(self, way_of[task], err, code) end
  end
  return figures(self)
end

return { relay = relay }
