-- The harness of the Lua tests: a test file registers its tests with T.test, and luatest
-- runs each of them in a process and a runtime of its own.
--
--   local T = require "harness"
--   T.test("recv_gives_what_the_peer_sent", function() … end)
--   T.test("an_error_is_told", { status = 1, stderr = "boom" }, function() error("boom") end)
--
-- Options: status (0), stderr (Lua patterns that stderr must hold; without them it must be
-- empty), net ("epoll", "fake", "soft", "hard", "full"), seeds (how many runs), seconds (limit).
--
-- SLOW=20 in the environment says that all takes 20 times as long, under valgrind for
-- instance: the limits grow, the seeds become fewer.

local net = require "net"
local testing = require "testing"

local T = { tests = {}, seed = 0 }

local slow = math.tointeger(os.getenv("SLOW") or 1)
T.slow = slow

local FAILED, SKIPPED = "## assertion failed: ", "## skipped: "
local BYSTANDER = "## bystander hurt: "

-- --- registering and running -----------------------------------------------------------

function T.test(name, options, fn)
  if not fn then options, fn = {}, options end
  assert(type(name) == "string" and type(fn) == "function", "T.test(name, [options,] fn)")
  T.tests[#T.tests + 1] = { name = name, options = options, fn = fn }
end

-- What luatest runs as the main script.
function T.main(file, number, seed)
  T.seed = seed
  assert(loadfile(file))()
  if number == 0 then return end
  testing.begin()
  T.tests[number].fn()
end

function T.describe(number)
  local test = T.tests[number]
  local o = test.options
  local seeds, seconds = o.seeds or 1, o.seconds or (o.seeds and 120 or 30)
  return test.name, o.net or "epoll", math.max(seeds // slow, 1), seconds * slow
end

-- --- the verdict -----------------------------------------------------------------------

local function indented(text)
  return "  " .. text:gsub("\n$", ""):gsub("\n", "\n  ") .. "\n"
end

local function patterns_of(test)
  local wanted = test.options.stderr or {}
  return type(wanted) == "string" and { wanted } or wanted
end

function T.judge(number, status, signal, stderr)
  local test = T.tests[number]
  local why
  if stderr:find(SKIPPED, 1, true) then
    return "skipped", stderr:match("## skipped: ([^\n]*)")
  end
  if stderr:find(FAILED, 1, true) then
    why = "an assertion failed"
  elseif signal == 14 then
    why = "it took too long"
  elseif signal ~= 0 then
    why = "it was ended by signal " .. signal
  elseif status ~= (test.options.status or 0) then
    why = "status " .. status
  elseif not test.options.stderr and stderr ~= "" then
    why = "unexpected words on stderr"
  end
  for _, pattern in ipairs(patterns_of(test)) do
    if not stderr:find(pattern) then why = why or "stderr lacks " .. pattern end
  end
  if not why then return "passed", "" end
  return "failed", indented(why .. "\n" .. stderr)
end

-- --- assertions ------------------------------------------------------------------------

-- The failure counts also when a task or a pcall swallows the error.
local function fail(message)
  io.stderr:write(debug.traceback(FAILED .. message, 3), "\n")
  error(message, 3)
end

-- Holds whatever fault the campaign injects: whom it does not hit must not notice it.
function T.unhurt(value, message)
  if value then return end
  io.stderr:write(BYSTANDER, message, "\n")
  fail(message)
end

function T.skip(reason)
  io.stderr:write(SKIPPED, reason, "\n")
  os.exit(0)
end

local function show(value)
  if type(value) ~= "string" then return tostring(value) end
  local text = ("%q"):format(#value > 200 and value:sub(1, 200) or value)
  return #value > 200 and text .. "… (" .. #value .. " bytes)" or text
end

function T.eq(actual, expected, what)
  if actual ~= expected or math.type(actual) ~= math.type(expected) then
    local subject = what and what .. ": " or ""
    fail(subject .. "got " .. show(actual) .. ", expected " .. show(expected))
  end
  return actual
end

-- As T.eq, of what holds while no connection breaks: between two messages of HTTP, and after
-- the last, nobody waits whom it could be told; the connection is dropped without a word.
function T.unbroken(actual, expected, what)
  local op = T.fault()
  if op == "recv" or op == "shutdown" then return actual end
  return T.eq(actual, expected, what)
end

-- As assert, and counted.
function T.ok(value, message, ...)
  if not value then fail(message and tostring(message) or "got " .. show(value)) end
  return value, message, ...
end

function T.match(text, pattern)
  if type(text) ~= "string" or not text:find(pattern) then
    fail(show(text) .. " does not match " .. show(pattern))
  end
  return text
end

-- fn must raise an error whose text matches; gives the error.
function T.raises(pattern, fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then fail("nothing was raised, expected " .. show(pattern)) end
  if not tostring(err):find(pattern) then
    fail("raised " .. show(tostring(err)) .. ", expected " .. show(pattern))
  end
  return err
end

-- T.fails("closed", s:recv()): the call gave nil, an error of that code, and the code.
function T.fails(code, value, err, given)
  if value ~= nil or given ~= code then
    fail("got " .. show(value) .. ", " .. show(err) .. ", " .. show(given)
      .. "; expected failure " .. code)
  end
  if type(err) ~= "table" or err.code ~= code then
    fail("the error object is " .. show(err))
  end
  return err
end

-- Calls prepare() and fn(what it gave), with the n-th allocation of fn failing, for n = 1,
-- 2, 3 … until fn does not reach it. check(what it gave, what pcall(fn) gave) comes after.
function T.starve(prepare, fn, check)
  local reached, n = true, 0
  while reached do
    n = n + 1
    for _ = 1, 2 do -- what a first run has made, and keeps, the second no longer asks for
      local value = prepare()
      testing.fail(n)
      local ok, err, code = pcall(fn, value)
      reached = testing.fail()
      check(value, ok, err, code)
    end
  end
  return n
end

-- The values of a list, for comparison.
function T.list(values)
  local texts = {}
  for i = 1, values.n or #values do texts[i] = tostring(values[i]) end
  return table.concat(texts, " ")
end

-- --- what the process can tell ---------------------------------------------------------

function T.stderr()
  local f <close> = assert(io.open("/proc/self/fd/2", "rb"))
  return f:read("a")
end

function T.limit_files(n)
  if os.getenv("UNDER_VALGRIND") then T.skip("valgrind plays the limit of files itself") end
  testing.limit_files(n)
end

-- Valgrind 3.19 plays a kernel that does not know openat2(2).
function T.need_files()
  local file, _, code = net.open("/etc", "passwd")
  if code == "ENOSYS" then T.skip("net.open is not possible here") end
  T.ok(file):close()
end

-- How many descriptors are open, after those that are to be closed are.
function T.open_files()
  net.yield()
  return testing.open_files()
end
T.open_handles = testing.open_handles
T.faults = testing.faults
T.descriptor_flags = testing.descriptor_flags
T.drop_privileges = testing.drop_privileges
T.interrupt = testing.interrupt
T.fault = testing.fault

-- --- helpers ---------------------------------------------------------------------------

function T.listener(address)
  return T.ok(net.listen(address or "127.0.0.1:0"))
end

-- Two connected streams: of TCP, or of the kind of `address`.
function T.pair(address)
  local listener <close> = T.listener(address)
  local a = T.ok(net.connect(listener:getsockname()))
  local b = T.ok(listener:accept())
  return a, b
end

function T.unix_pair()
  local name = os.tmpname() -- unique, and free again as an abstract name
  os.remove(name)
  return T.pair("unix:@" .. name)
end

-- Random numbers from 1 to n: splitmix64, so that a seed means the same everywhere.
function T.generator(seed)
  local state = seed
  return function(n)
    state = state + 0x9e3779b97f4a7c15
    local z = state
    z = (z ~ (z >> 30)) * 0xbf58476d1ce4e5b9
    z = (z ~ (z >> 27)) * 0x94d049bb133111eb
    return ((z ~ (z >> 31)) >> 1) % n + 1
  end
end

-- A wait that other tasks can see: gives what `value` says, some turns later.
function T.later(value)
  net.yield()
  net.sleep(0.001)
  return value
end

function T.datagrams()
  return T.ok(net.udp("127.0.0.1:0")), T.ok(net.udp("127.0.0.1:0"))
end

-- Lets every other task run until it waits.
function T.turns(n)
  for _ = 1, n or 3 do net.yield() end
end

-- A task that has begun to wait.
function T.waiting(fn, ...)
  local task = net.spawn(fn, ...)
  T.turns()
  T.eq(task:status(), "waiting", "the task's state")
  return task
end

-- Sends until no more is taken; gives how many bytes that were.
function T.fill(stream)
  local total, refusals = 0, 0
  stream:settimeout(0)
  while refusals < 3 do
    local n, err, code = stream:send(("x"):rep(16384))
    while n do
      total = total + n
      n, err, code = stream:send(("x"):rep(16384))
    end
    T.eq(code, "timeout")
    total = total + err.sent
    net.sleep(0.02) -- more room may come until the last delayed acknowledgement has
    n = stream:send_some("x")
    refusals = n and 0 or refusals + 1
    total = total + (n or 0)
  end
  stream:settimeout(nil)
  return total
end

-- Reads to the end; gives how many bytes came.
function T.drain(stream)
  local total = 0
  for piece in stream:pieces() do total = total + #piece end
  return total
end

return T
