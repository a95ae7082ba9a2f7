-- The first look-up of a name starts a thread. Where the system had no room for one,
-- pthread_create said EAGAIN, which was taken for "an answer is under way": the program
-- crashed looking for it.

local T = require "harness"
local net = require "net"
local testing = require "testing"

-- Each in a process of its own, since only the first look-up starts the thread. One of
-- these allocations is the thread; which one, the build decides.
for n = 1, 12 do
  T.test("a_lookup_whose_allocation_" .. n .. "_fails_is_told_so", function()
    testing.fail(n)
    local ok, host, _, code = pcall(net.gethostbyname, "localhost")
    testing.fail()
    local told = code == "EAI_AGAIN" or code == "EAI_MEMORY" or code == "ENOMEM"
    T.ok(not ok or told or host == "127.0.0.1", code)
  end)
end
