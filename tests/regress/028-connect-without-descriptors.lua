-- A name with two addresses was connected while no descriptor was left. The error that names
-- every attempt took the address from each failure, but a socket that could not be made has
-- none: instead of nil, err, "EMFILE" the script got an error about a nil value.

local net = require "net"
local T = require "harness"

T.test("connect_without_descriptors_names_every_attempt", function()
  T.limit_files(T.open_files() + 8)
  local kept, code = {}, nil
  for i = 1, 20 do
    local s, _, why = net.socket()
    kept[i], code = s, why
  end
  T.eq(code, "EMFILE")
  local addresses = { net.address("127.0.0.1:1"), net.address("[::1]:1") }
  local err = T.fails("EMFILE", require "net.connect"(addresses))
  T.match(tostring(err), "tried 127.0.0.1:1 EMFILE, %[::1%]:1 EMFILE")
  for _, each in pairs(kept) do each:close() end
end)
