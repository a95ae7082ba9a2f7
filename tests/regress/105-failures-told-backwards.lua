-- Tasks failed one after the other, and nobody kept them. One collection found them all, and
-- each was told by its finalizer; Lua calls those of the youngest first, so the last failure
-- was told first, and the one that had caused the others last. The reaper tells them now, in
-- the order of their ends.

local net = require "net"
local T = require "harness"

T.test("failures_that_nobody_can_join_are_told_in_the_order_of_their_ends",
  { net = "fake", status = 1, stderr = { "first.*second.*third.*fourth" } }, function()
    net.spawn(function()
      net.sleep(0.002)
      error("third", 0)
    end)
    net.spawn(error, "first", 0)
    local kept = net.spawn(error, "fourth", 0) -- might still be joined, and is told at the end
    net.spawn(function()
      net.sleep(0.001)
      error("second", 0)
    end)
    net.sleep(1)
    T.eq(kept:status(), "failed")
  end)

T.test("an_error_that_collects_and_joins_while_it_is_told_harms_nobody",
  { net = "fake", status = 1, stderr = { "first.*odd.*last" } }, function()
    local again
    local odd = setmetatable({}, {
      __tostring = function()
        collectgarbage()
        pcall(again.join, again)
        collectgarbage()
        return "odd"
      end,
    })
    net.spawn(error, "first", 0)
    net.spawn(error, odd)
    again = net.spawn(error, "joined", 0)
    net.spawn(error, "last", 0)
    net.sleep(1)
    net.sleep(1)
  end)
