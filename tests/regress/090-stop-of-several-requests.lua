-- A server that was stopped while several requests were running, and whose grace was over
-- before they ended, failed where it put their tasks in order: none was cancelled.

local net = require "net"
local http = require "net.http"
local T = require "harness"

local function running(server, count)
  local came = net.channel(count)
  local function get() return http.get("http://" .. tostring(server.address) .. "/") end
  local clients = {}
  for i = 1, count do clients[i] = net.spawn(get) end
  return came, clients
end

for _, how in ipairs { "stop", "close" } do
  T.test("a_server_that_" .. how .. "s_cancels_all_running_requests", function()
    local came
    local cancelled = {}
    local server = assert(http.server("127.0.0.1:0", function()
      local number = #cancelled + 1
      cancelled[number] = false
      local _ <close> = setmetatable({}, { __close = function() cancelled[number] = true end })
      came:put(true)
      net.sleep(3600)
    end))
    local run, clients = net.spawn(server.run, server), nil
    came, clients = running(server, 3)
    for _ = 1, 3 do came:get() end
    if how == "stop" then server:stop(0.01) else server:close() end
    T.eq(run:join(), true)
    T.eq(#cancelled, 3)
    for i = 1, 3 do T.eq(cancelled[i], true) end
    for i = 1, 3 do
      local answer, _, code = clients[i]:join()
      T.eq(answer, nil)
      T.eq(code, "eof")
    end
  end)
end
