-- What fuzz_arguments runs. The bytes of the input choose a function of the runtime and its
-- arguments, call after call; what a call gives may be an argument of a later one. The list
-- of functions is found by walking through everything that a script can reach, so that a new
-- binding is called without anybody naming it here. What an input means moves with that list, so
-- a finding becomes a test of its own.

local input, is_ours, done, real = ...
local net = require "net"
local core = require "net.core"

local CALLS, SECONDS = 60, 0.001

-- What is not called, and why.
local left_out = {
  ["io.popen"] = "starts programs",
  ["os.execute"] = "starts programs",
  ["os.exit"] = "ends the process",
  ["_G.debug.debug"] = "asks the terminal",
}
if real then
  left_out["drain"] = "waits for up to ten seconds, which no deadline bounds"
end

-- --- the input ----------------------------------------------------------------------------

local at = 0

local function byte()
  at = at + 1
  return input:byte(at) or 0
end

local function pick(list)
  return list[byte() % #list + 1]
end

-- --- values -------------------------------------------------------------------------------

local function pair()
  local listener <close> = assert(net.listen("127.0.0.1:0"))
  local a = assert(net.connect(listener:getsockname()))
  return a, (assert(listener:accept()))
end

local function nothing(...) return ... end

local objects = {} -- of every class that a script can hold

local function hold(object)
  objects[#objects + 1] = object
  return object
end

local function make_objects()
  hold(net.socket())
  hold(net.udp("127.0.0.1:0"))
  hold(net.listen("127.0.0.1:0"))
  for _, s in ipairs { pair() } do hold(s) end
  for _, s in ipairs { net.socketpair() } do hold(s) end
  hold(net.socket()):close()
  for _, s in ipairs(objects) do s:settimeout(0) end
  hold(net.address("127.0.0.1:1"))
  hold(net.address("[fe80::1%1]:80"))
  hold(net.spawn(nothing, 1, nil, "x"))
  hold(net.spawn(net.sleep, 1e9))
  hold((select(2, objects[2]:recvfrom(1))))
  hold((select(2, objects[3]:accept())))
  hold(core.condition())
  hold(core.join_set())
  hold(net.channel(1))
  hold(net.buffer("text of a buffer"))
  hold(net.buffer(70000))
  hold(io.stdin)
  local folder = hold(assert(core.folder("tests/fuzz")))
  hold(assert(core.open(folder, "arguments.lua")))
  hold(coroutine.create(nothing))
  hold(coroutine.create(net.sleep))
end

local plain = {
  true, false, 0, -1, 1, 2, 3, 7, 255, 65535, 65536, 2 ^ 31, -2 ^ 31, 2 ^ 53 + 1, 1e-12, 1e308,
  math.mininteger, math.maxinteger, 0 / 0, 1 / 0, -1 / 0, 1.5, "", "x", "127.0.0.1:0", ":1",
  "unix:@f", "[::1]:1", "12", "0x10", ("y"):rep(300), ("z"):rep(70000), "\0", "localhost",
  "two.test", "slow.test:80", "l", "a", "L", "n", "*l", "SO_REUSEADDR", "SO_LINGER", "SO_RCVTIMEO",
  ">I2 s1 z", "TCP_CONGESTION", "IP_ADD_MEMBERSHIP", "IPV6_MULTICAST_IF", "SIGUSR1", "SIGHUP",
  net.AF_INET6, net.MSG_PEEK, net.MSG_OOB, nothing, error, pcall, net.sleep, net.yield,
}

local makers = {
  function() return nil end,
  function() return pick(plain) end,
  function() return pick(plain) end,
  function() return pick(objects) end,
  function() return pick(objects) end,
  function() return (string.unpack("<i8", input:sub(at + 1, at + 8) .. ("\0"):rep(8))), byte() end,
  function() -- no slash: it would name files
    local n = byte() % 32
    at = at + n
    return (input:sub(at - n + 1, at):gsub("/", "_"))
  end,
  function() return { pick(plain), pick(objects), [pick { "max", "fds", "n" }] = pick(plain) } end,
  function() return { [pick { "onoff", "linger", "group", "data", "to" }] = pick(plain) } end,
  function() return setmetatable({}, { __index = error, __len = pick { error, nothing } }) end,
}

local function value()
  return (pick(makers)())
end

-- --- functions ----------------------------------------------------------------------------

local functions, seen = {}, {}

local function add(name, f, self)
  if left_out[name] or seen[f] or not is_ours(f) then return end
  seen[f] = true
  functions[#functions + 1] = { name = name, f = f, self = self }
end

local function walk(name, holder, self)
  if seen[holder] then return end
  seen[holder] = true
  local keys = {}
  for key in next, holder do
    if type(key) == "string" then keys[#keys + 1] = key end
  end
  table.sort(keys) -- the same input means the same calls
  for _, key in ipairs(keys) do
    local v = rawget(holder, key)
    local path = name == "" and key or name .. "." .. key
    if type(v) == "function" then add(path, v, self) end
    if type(v) == "table" and key ~= "_G" then walk(path, v, self) end
  end
  local meta = getmetatable(holder)
  if type(meta) == "table" then walk(name, meta, self) end
end

local function find_functions()
  for _, module in ipairs { "net.channel", "net.group", "net.connect" } do
    walk(module, { module = require(module) })
  end
  walk("", core)
  walk("net", net)
  for _, object in ipairs(objects) do
    local meta = debug.getmetatable(object)
    -- Where a class hides its metatable a script has the methods only.
    if meta and rawget(meta, "__metatable") ~= nil then meta = { __index = meta.__index } end
    if meta then walk(meta.__name or "object", meta, object) end
    if type(object) == "table" then walk("object", object, object) end
  end
  walk("", _G)
end

-- --- the calls ----------------------------------------------------------------------------

local function keep(_, _, ...)
  for i = 1, math.min(select("#", ...), 3) do
    local v = select(i, ...)
    if type(v) == "userdata" or type(v) == "table" then objects[byte() % 64 + 1] = v end
  end
end

-- A descriptor that others use must not be taken over, and closed.
local function harmless(name, arguments)
  local fd = tonumber(arguments[1])
  if name == "fdopen" or name == "net.fdopen" then
    if fd and fd > 0 and fd < 65536 then arguments[1] = 0 end
  end
end

-- Another object of the class, or the same.
local function pick_alike(object)
  local chosen = pick(objects)
  local alike = debug.getmetatable(chosen) == debug.getmetatable(object)
  return alike and chosen or object
end

local function call(target)
  local arguments, n = {}, byte() % 5
  for i = 1, n do arguments[i] = value() end
  if target.self and byte() % 8 > 0 then
    arguments[1] = pick_alike(target.self)
    n = math.max(n, 1)
  end
  harmless(target.name, arguments)
  keep(pcall(net.deadline, SECONDS, pcall, target.f, table.unpack(arguments, 1, n)))
end

local function close_all()
  for _, object in pairs(objects) do
    if core.is_socket(object) then object:close() end
  end
  objects = {}
  pcall(io.stdin.close, io.stdin)
  collectgarbage()
  collectgarbage()
end

make_objects()
find_functions()
if #input == 0 then
  for _, target in ipairs(functions) do print(target.name) end
end
for _ = 1, CALLS do
  if at >= #input then break end
  call(functions[(byte() | byte() << 8) % #functions + 1])
end
close_all()
done() -- or an error has ended the script
