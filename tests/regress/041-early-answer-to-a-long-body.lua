-- A client sent a body of many megabytes and read nothing before its end, as Python's does.
-- The server answered early, dropped 4 MiB of what still came, and closed: the reset that
-- the rest caused destroyed the answer.

local net = require "net"
local T = require "harness"
local web = require "web"

local function refuse(_, res) res:send(413, "too long\n") end

local function head(bytes)
  return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " .. bytes .. "\r\n\r\n"
end

T.test("an_early_answer_arrives_behind_a_long_body", { net = "epoll", seconds = 20 }, function()
  local site <close> = web.serve(refuse)
  local client <close> = site:connect()
  local piece, count = ("x"):rep(1 << 20), 32
  T.ok(client:send(head(#piece * count)))
  for _ = 1, count do T.ok(client:send(piece)) end
  client:shutdown()
  T.eq(web.status(T.ok(client:read("a"))), 413)
end)

local function life_of(client, piece, pause)
  local begun = net.now()
  while client:send(piece) do net.sleep(pause) end
  return net.now() - begun
end

T.test("nobody_is_heard_out_for_ever", { net = "fake" }, function()
  local site <close> = web.serve(refuse)
  local client <close> = site:connect()
  T.ok(client:send(head(1 << 40)))
  local seconds = life_of(client, "x", 1)
  T.unbroken(seconds > 25 and seconds < 40, true)
end)

T.test("who_is_heard_out_does_not_hold_a_stop_beyond_its_grace", { net = "fake" }, function()
  local site <close> = web.serve(refuse)
  local client <close> = site:connect()
  T.ok(client:send(head(1 << 40)))
  local sender = net.spawn(life_of, client, "x", 1)
  net.sleep(5)
  local begun = net.now()
  site.server:stop(3)
  T.ok(net.now() - begun < 4)
  sender:join()
end)
