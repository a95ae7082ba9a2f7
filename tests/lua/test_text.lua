-- utf8.upper.

local net = require "net"
local T = require "harness"

T.test("upper_knows_more_than_ascii", function()
  T.eq((utf8.upper("ação")), "AÇÃO")
  T.eq((utf8.upper("hello, World 42!")), "HELLO, WORLD 42!")
  T.eq((utf8.upper("")), "")
  T.eq((utf8.upper("žluťoučký kůň ñandú")), "ŽLUŤOUČKÝ KŮŇ ÑANDÚ")
end)

T.test("upper_gives_the_unfinished_end", function()
  local up, rest = utf8.upper("a\xc3")
  T.eq(up, "A")
  T.eq(rest, "\xc3")
  T.eq(utf8.upper(rest .. "\xa7"), "Ç")
  up, rest = utf8.upper("abc")
  T.eq(up, "ABC")
  T.eq(rest, "")
end)

T.test("a_text_that_comes_byte_by_byte_is_raised_whole", function()
  local a, b = T.pair()
  local server = net.spawn(function()
    local rest = ""
    for piece in b:pieces() do
      local up
      up, rest = utf8.upper(rest .. piece)
      b:send(up)
    end
    b:send(rest)
    b:shutdown()
  end)
  for byte in ("ação\xff é\xc3"):gmatch(".") do
    a:send(byte)
    T.turns(2)
  end
  a:shutdown()
  T.eq(a:read("a"), "AÇÃO\xff É\xc3")
  server:join()
end)
