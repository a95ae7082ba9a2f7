-- A read whose result had no memory raised, and took the received bytes with it; or it left
-- the stream marked as being read, so that every later read was refused.

local T = require "harness"

local function reading(read)
  local text = ("ação "):rep(60) .. "\n"
  return function()
    local a, b
    T.starve(function()
      a, b = T.pair()
      a:send(text)
      a:close()
      return b
    end, read, function(_, ok, first)
      local rest = b:read("a")
      T.eq((ok and first or "") .. rest, text)
      b:close()
    end)
  end
end

T.test("recv_without_memory_loses_nothing", reading(function(b) return b:recv() end))

T.test("read_without_memory_loses_nothing", reading(function(b) return b:read("L") end))

T.test("a_part_of_the_buffer_without_memory_loses_nothing", reading(function(b)
  return b:read_exact(7)
end))

T.test("pieces_without_memory_lose_nothing", reading(function(b)
  for piece in b:pieces() do return piece end
end))
