-- send_repeat and discard without memory. A file of its own: these tests let allocations fail
-- themselves, and the campaign leaves such files out.

local net = require "net"
local T = require "harness"

for _, method in ipairs { "send", "vmsplice", "sendfile", "zerocopy" } do
  T.test("without_memory_nothing_is_lost_or_left_by_" .. method, function()
    local before = T.open_files()
    T.starve(function()
      local a, b = T.pair()
      return { a, b, net.spawn(b.discard, b) }
    end, function(pair)
      return pair[1]:send_repeat("x", { bytes = 100000, method = method })
    end, function(pair, ok, figures)
      pair[1]:close()
      local whole, discarded = pcall(pair[3].join, pair[3]) -- it may be hit too
      if ok and figures then T.eq(figures.bytes, 100000) end
      if ok and figures and whole then T.eq(discarded.bytes, 100000) end
      pair[2]:close()
      T.eq(T.open_files(), before)
    end)
  end)
end

T.test("without_memory_a_discard_tells_what_it_took", function()
  T.starve(function()
    local a, b = T.pair()
    a:send("0123456789")
    a:close()
    return b
  end, function(b)
    return b:discard { bytes = 7, every = 1000, on_tick = print }
  end, function(b, ok, figures)
    if ok and figures then
      T.eq(figures.bytes, 7)
      T.eq(b:read("a"), "789")
    end
    b:close()
  end)
end)
