-- A client that is told that there are too many is heard out, so that the answer arrives. One
-- that kept talking held its descriptor for half a minute, and a hundred of them all places
-- for such answers: whoever came then was closed upon without a word.

local net = require "net"
local T = require "harness"
local web = require "web"

T.test("a_thousand_refused_clients_that_stay_hold_no_descriptors", { net = "fake", seconds = 20 },
  function()
    local site <close> = web.serve(function() end, { connections = 1 })
    local first <close> = site:connect()
    T.turns()
    local clients = {}
    for i = 1, 1000 do
      local client = site:connect()
      clients[i] = client
      net.spawn(function()
        while client:send("x") do net.sleep(0.5) end
      end)
    end
    net.sleep(3)
    T.eq(site.server:counts().connections, 1)
    T.eq(T.open_handles(), 3 + #clients) -- the listener, both ends of the first one
    T.eq(web.status(site:get("/")), 503)
    for _, client in ipairs(clients) do client:close() end
  end)
