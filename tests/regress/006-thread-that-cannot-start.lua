-- The first look-up of a name starts a thread. Where the system had no room for one,
-- pthread_create said EAGAIN, which was taken for "an answer is under way": the program
-- crashed looking for it.

local T = require "harness"
local net = require "net"

T.test("a_lookup_whose_thread_cannot_start_fails", function()
  local codes = {}
  T.starve(function() end, function() return net.gethostbyname("localhost") end,
    function(_, ok, host, err)
      if ok and not host then codes[err.code] = true end
    end)
  T.eq(codes.EAI_AGAIN, true)
end)
