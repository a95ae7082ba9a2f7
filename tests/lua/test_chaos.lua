-- Tasks that do random things to each other and to shared sockets, on the net in memory:
-- the same seed gives the same run. Nothing may crash, hang or be left over, and a stream
-- on which everybody behaves stays whole.

local net = require "net"
local T = require "harness"

-- splitmix64, so that a seed means the same everywhere.
local function generator(seed)
  local state = seed
  return function(n)
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return ((z ~ (z >> 31)) >> 1) % n + 1
  end
end

local function pick(random, list)
  return #list > 0 and list[random(#list)] or nil
end

-- Every operation that a task may do; each gets the world and may fail with an error value
-- or raise.
local actions = {
  function(w) net.sleep(w.random(100) / 1000) end,
  function() net.yield() end,
  function(w) pick(w.random, w.streams):recv(w.random(5000)) end,
  function(w) pick(w.random, w.streams):read() end,
  function(w) pick(w.random, w.streams):read_exact(w.random(100)) end,
  function(w) pick(w.random, w.streams):read_until("x", { max = w.random(200) }) end,
  function(w) pick(w.random, w.streams):peek(w.random(10)) end,
  function(w) for _ in pick(w.random, w.streams):lines() do net.yield() end end,
  function(w) pick(w.random, w.streams):send(("x\n"):rep(w.random(60000))) end,
  function(w) pick(w.random, w.streams):send_some({ "a", "b", w.random(1000) }) end,
  function(w) pick(w.random, w.streams):sendfile(w.file, w.random(100), w.random(200000)) end,
  function(w)
    local ends = pick(w.random, { "bytes", "count", "seconds" })
    pick(w.random, w.streams):send_repeat(("r"):rep(w.random(3000)), {
      [ends] = ends == "seconds" and w.random(50) / 1000 or w.random(300000),
      method = pick(w.random, { "send", "vmsplice", "sendfile", "zerocopy" }),
      every = w.random(20) / 1000,
      on_tick = function() w.act(w, w.random(3) - 1) end,
    })
  end,
  function(w)
    pick(w.random, w.streams):discard {
      bytes = w.random(300000),
      seconds = w.random(50) / 1000,
      every = w.random(20) / 1000,
      on_tick = function() w.act(w, w.random(3) - 1) end,
    }
  end,
  function(w) pick(w.random, w.streams):recv_into(pick(w.random, w.buffers), w.random(100)) end,
  function(w) pick(w.random, w.streams):send(pick(w.random, w.buffers), w.random(100)) end,
  function(w)
    local list = {}
    for i = 1, w.random(20) do list[i] = w.random(2) == 1 and pick(w.random, w.buffers) or "x\n" end
    pick(w.random, w.streams):send(list)
  end,
  function(w) pick(w.random, w.buffers):fill(w.random(256) - 1) end,
  function(w) pick(w.random, w.datagrams):recv_into(pick(w.random, w.buffers), w.random(100)) end,
  function(w) pick(w.random, w.streams):makefile():read("n", "l") end,
  function(w) -- a ring of relays would hand its bytes round for ever
    net.deadline(0.0001, net.relay, pick(w.random, w.streams), pick(w.random, w.streams))
  end,
  function(w) pick(w.random, w.streams):shutdown(w.random(3) - 1) end,
  function(w) pick(w.random, w.streams):settimeout(w.random(50) / 1000) end,
  function(w) pick(w.random, w.datagrams):recvfrom(w.random(20) - 1) end,
  function(w) pick(w.random, w.datagrams):recv() end,
  function(w)
    local u = pick(w.random, w.datagrams)
    u:sendto(("d"):rep(w.random(30)), pick(w.random, w.datagrams):getsockname())
  end,
  function(w)
    local conn = pick(w.random, w.listeners):accept()
    if conn then w.streams[#w.streams + 1] = conn end
  end,
  function(w)
    local to = pick(w.random, { "127.0.0.1:1", "192.0.2.1:9", "slow.test:80", "nowhere.test:1" })
    net.connect(w.random(2) == 1 and to or pick(w.random, w.listeners):getsockname())
  end,
  function(w) pick(w.random, w.tasks):join() end,
  function(w) pick(w.random, w.tasks):cancel() end,
  function(w) if w.random(3) == 1 then pick(w.random, w.streams):close() end end,
  function(w) if w.random(6) == 1 then pick(w.random, w.listeners):close() end end,
  function(w) if w.random(6) == 1 then pick(w.random, w.datagrams):close() end end,
  function(w) if w.random(5) == 1 then collectgarbage() end end,
  function(w) tostring(pick(w.random, w.streams)) end,
}

local wrapped = {
  function(f) return f() end,
  function(f) return pcall(f) end,
  function(f) return xpcall(f, debug.traceback) end,
  function(f, w) return net.deadline(w.random(50) / 1000, f) end,
  function(f, w) return net.deadline(0.02, net.deadline, w.random(50) / 1000, f) end,
  function(f) return coroutine.wrap(f)() end,
  function(f, w)
    local co = coroutine.create(function()
      coroutine.yield()
      f()
    end)
    w.coroutines[#w.coroutines + 1] = co
    coroutine.resume(co)
    net.yield()
    return coroutine.resume(co)
  end,
  function(f)
    local _ <close> = setmetatable({}, { __close = function() net.sleep(0.01) end })
    return f()
  end,
  function(f, w)
    w.tasks[#w.tasks + 1] = net.spawn(pcall, f)
  end,
  function(_, w)
    local co = pick(w.random, w.coroutines)
    if co then pcall(coroutine[pick(w.random, { "close", "resume", "status" })], co) end
  end,
}

local function act(w, depth)
  local f = pick(w.random, actions)
  local function run() return f(w) end
  for _ = 1, depth do
    local inner, wrap = run, pick(w.random, wrapped)
    run = function() return wrap(inner, w) end
  end
  pcall(run)
end

-- The first value of fn that is one, whatever faults come.
local function surely(fn, ...)
  for _ = 1, 100 do
    local value = fn(...)
    if value then return value end
  end
  error("a hundred faults in a row")
end

local function pair()
  local l <close> = surely(net.listen, "127.0.0.1:0")
  local a = surely(net.connect, surely(l.getsockname, l))
  return a, (l:accept())
end

local function begin(seed)
  local w = { act = act, random = generator(seed), streams = {}, datagrams = {}, listeners = {},
    tasks = {}, coroutines = {}, buffers = { net.buffer(100), net.buffer(3000), net.buffer(90000) } }
  for i = 1, 3 do w.streams[2 * i - 1], w.streams[2 * i] = pair() end
  for i = 1, 3 do w.datagrams[i] = surely(net.udp, "127.0.0.1:0") end
  for i = 1, 2 do w.listeners[i] = surely(net.listen, "127.0.0.1:0") end
  w.file = net.open("docs", "architecture.md") -- nil under valgrind: sendfile raises then
  return w
end

local function finish(w)
  if w.file then w.file:close() end
  for _, kind in ipairs { "streams", "datagrams", "listeners" } do
    for _, s in ipairs(w[kind]) do s:close() end
  end
  for _, task in ipairs(w.tasks) do
    task:cancel()
    pcall(task.join, task)
  end
  for _, buffer in ipairs(w.buffers) do buffer:fill() end -- nobody holds it any more
end

T.test("whatever_tasks_do_to_each_other_nothing_crashes_or_hangs", {
  net = "fake", seeds = 150,
}, function()
  local w = begin(T.seed)
  for _ = 1, 8 do
    w.tasks[#w.tasks + 1] = net.spawn(function()
      for _ = 1, 6 do act(w, w.random(4) - 1) end
    end)
  end
  net.sleep(0.5)
  finish(w)
end)

T.test("the_same_on_real_sockets_with_hard_faults", {
  net = "hard", seeds = 40, stderr = { "" },
}, function()
  local w = begin(T.seed)
  for _ = 1, 8 do
    w.tasks[#w.tasks + 1] = net.spawn(function()
      for _ = 1, 6 do act(w, w.random(4) - 1) end
    end)
  end
  net.sleep(0.02)
  finish(w)
end)
