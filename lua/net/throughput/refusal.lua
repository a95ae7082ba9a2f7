-- Why a server does not run a test, as iperf3's protocol tells it: a number of iperf3's own
-- (iperf_api.h) and an errno of Linux.

local core = require "net.http.core"

local M = {}

local PARAMETERS, EINVAL = 114, 22

-- What iperf3's numbers mean; those that no server sends are not here.
local words = {
  [5] = "it does not take a test of that time",
  [6] = "it does not take so many streams",
  [7] = "it does not take that length",
  [8] = "it does not take that window",
  [10] = "it does not take that segment size",
  [12] = "it does not take so many omitted seconds",
  [16] = "it does not take that number of bytes",
  [18] = "it has no SCTP",
  [20] = "it does not take datagrams of that length",
  [110] = "it does not understand what was said to it",
  [114] = "it cannot read the parameters of the test",
  [117] = "it cannot read the results of the test",
  [119] = "it believes that the client has ended the test",
  [121] = "it is busy with another test",
  [122] = "it cannot set TCP_NODELAY",
  [123] = "it cannot set the segment size",
  [124] = "it cannot set the window",
  [131] = "it does not know the protocol",
  [134] = "it cannot set the congestion control",
  [140] = "it cannot set the rate",
  [141] = "it cannot have so large a window",
  [142] = "it wants a user name and a password",
  [200] = "it cannot open a stream",
  [201] = "it cannot open a stream",
  [202] = "it cannot listen for streams",
  [203] = "it cannot open a stream",
  [204] = "it cannot take a stream",
  [205] = "it cannot write to a stream",
  [206] = "it cannot read from a stream",
  [208] = "it does not know the number of a stream",
}

-- What an option of a plan that cannot be had is to iperf3.
local numbers = {
  bytes = 16, congestion = 134, length = 7, mss = 123, nodelay = 122, omit = 12, rate = 140,
  sctp = 18, seconds = 5, streams = 6, window = 141,
}

local errnos = {
  [1] = "EPERM", [2] = "ENOENT", [9] = "EBADF", [12] = "ENOMEM", [13] = "EACCES",
  [22] = "EINVAL", [24] = "EMFILE", [32] = "EPIPE", [98] = "EADDRINUSE",
  [99] = "EADDRNOTAVAIL", [104] = "ECONNRESET", [105] = "ENOBUFS", [110] = "ETIMEDOUT",
}

---Marks a failure as one of that option of the plan: nil, err, code.
function M.of(option, err, code)
  err.option = option
  return nil, err, code
end

---The two numbers for a failure that M.of has marked; nil for another.
function M.numbers(err)
  if not err.option then return nil end
  return numbers[err.option] or PARAMETERS, err.errno or EINVAL
end

---What a server means that sends the two: nil, err, code.
function M.read(number, errno)
  local text = words[number] or ("its number for it is %d"):format(number)
  if errno ~= 0 then text = ("%s (%s)"):format(text, errnos[errno] or "errno " .. errno) end
  return core.invalid("test", "the server refuses: " .. text)
end

---A failure as text for a user: its own words where they say all.
function M.say(err)
  return type(err) == "table" and err.code == "invalid" and err.text or tostring(err)
end

return M
