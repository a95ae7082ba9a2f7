-- lauxlib makes the class of its large buffers with the first of them. Where that found no
-- memory, half the class stayed, and every large string failed from then on: "variable
-- '(C temporary)' got a non-closable value".

local T = require "harness"

T.test("no_large_string_fails_because_an_earlier_one_found_no_memory", function()
  T.starve(function() end, function() return ("x"):rep(5000) end, function(_, ok, err)
    T.ok(ok or err == "not enough memory", err)
  end)
end)
