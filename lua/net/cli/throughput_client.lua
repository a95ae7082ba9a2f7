-- soquete throughput HOST [options]

local client = require "net.throughput.client"
local net = require "net"
local options = require "net.cli.options"
local plans = require "net.throughput.plan"
local refusal = require "net.throughput.refusal"
local sockets = require "net.throughput.sockets"

local M = {}

local command = {
  help = "net.cli.throughput_help",
  name = "throughput",
  topic = "client",
  usage = "throughput HOST [--port N] [--udp] [--reverse | --bidir] [--streams N]\n"
    .. "       [--time SECONDS | --bytes SIZE] [--omit SECONDS] [--interval SECONDS] [--len SIZE]\n"
    .. "       [--rate RATE] [--window SIZE] [--congestion NAME | --compare NAME,NAME] [--nodelay]\n"
    .. "       [--mss BYTES] [--copy] [--bind HOST] [-4 | -6] [--json | --csv]\n"
    .. "       [--plot FILE.svg] [--web PORT]",
  options = {
    ["--bidir"] = "flag", ["--bind"] = "text", ["--bytes"] = "size", ["--compare"] = "text",
    ["--congestion"] = "text", ["--copy"] = "flag", ["--csv"] = "flag", ["--interval"] = "number",
    ["--ipv4"] = "flag", ["--ipv6"] = "flag", ["--json"] = "flag", ["--len"] = "size",
    ["--mss"] = "count", ["--nodelay"] = "flag", ["--omit"] = "number", ["--plot"] = "text",
    ["--port"] = "port", ["--rate"] = "rate", ["--reverse"] = "flag", ["--streams"] = "count",
    ["--time"] = "number", ["--udp"] = "flag", ["--web"] = "port", ["--window"] = "size",
  },
  short = {
    ["--parallel"] = "--streams", ["-4"] = "--ipv4", ["-6"] = "--ipv6", ["-B"] = "--bind",
    ["-C"] = "--congestion", ["-J"] = "--json", ["-M"] = "--mss", ["-N"] = "--nodelay",
    ["-O"] = "--omit", ["-P"] = "--streams", ["-R"] = "--reverse", ["-b"] = "--rate",
    ["-i"] = "--interval", ["-l"] = "--len", ["-n"] = "--bytes", ["-p"] = "--port",
    ["-t"] = "--time", ["-u"] = "--udp", ["-w"] = "--window",
  },
  most = 1,
}

M.command = command

-- How options of net.throughput.run are called here, where it is not by `--` and their names.
local spelling = setmetatable({ host = "HOST", length = "--len", seconds = "--time" }, {
  __index = function(_, name) return "--" .. name end,
})

-- HOST:PORT and [IPV6]:PORT, as addresses are written everywhere: the host, and its port.
local function split(word)
  local host, port = word:match("^%[(.+)%]:(%d+)$")
  if not host then host, port = word:match("^([^:]+):(%d+)$") end
  return host or word:match("^%[(.+)%]$") or word, math.tointeger(tonumber(port))
end

-- The words as options of net.throughput.run.
local function test_of(words)
  local host, port = split(words[1])
  if port and words.port then options.refuse(command, "the port is given twice") end
  return {
    bidir = words.bidir, bind = words.bind, bytes = words.bytes, congestion = words.congestion,
    copy = words.copy, family = words.ipv4 and "4" or words.ipv6 and "6" or nil,
    host = host, interval = words.interval, length = words.len, mss = words.mss,
    nodelay = words.nodelay, omit = words.omit, port = port or words.port, rate = words.rate,
    reverse = words.reverse, seconds = words.time, streams = words.streams, udp = words.udp,
    window = words.window,
  }
end

-- `what`: the words of the user that it is about, where the error does not say it.
local function fail(err, words, what)
  if words and words.json then -- for programs, which may not see what stands beside it
    local json = require "net.throughput.json"
    local told = { error = { code = err.code, text = err.text }, intervals = err.intervals }
    io.stdout:write(json.encode(told), "\n")
  end
  options.complain(command, err, (what or "") .. refusal.say(err))
  os.exit(1)
end

local INTERRUPTED = 130 -- the status that a shell gives a program that SIGINT has ended

-- The first Ctrl-C ends the test before its time; a second one ends the program.
local function take_interrupt(words)
  return function(stop)
    net.on_signal("SIGINT", function()
      net.on_signal("SIGINT", nil)
      words.interrupted = true
      stop()
    end)
  end
end

local silent = { close = function() end, interval = function() end, result = function() end }

-- How the rows and the result are shown.
local function reporter(words, test)
  if words.json then
    local json = require "net.throughput.json"
    return setmetatable({
      result = function(_, figures) io.stdout:write(json.encode(figures), "\n") end,
    }, { __index = silent })
  end
  if not words.csv then return require("net.throughput.report").new(test) end
  local csv = require "net.throughput.csv"
  if not words.headed then io.stdout:write(csv.head()) end -- once, also where tests are compared
  words.headed = true
  return setmetatable({
    interval = function(_, row)
      io.stdout:write(csv.row(row, words.congestion))
      io.stdout:flush()
    end,
  }, { __index = silent })
end

local function plan_of(test)
  local plan, wrong = plans.new(test, spelling)
  if not plan then options.refuse(command, wrong) end
  return plan
end

-- One test: its figures; a failure ends the program.
local function measure(words, page)
  local test = test_of(words)
  local plan = plan_of(test)
  local report = reporter(words, test)
  plan.on_interval = function(row)
    report:interval(row)
    if page then page:interval(row) end
  end
  plan.on_begin = take_interrupt(words)
  local valid, figures, err = pcall(client.run, plan)
  net.on_signal("SIGINT", nil)
  if not valid then
    local reason = tostring(figures):match("bad address .*$")
    if not reason then error(figures, 0) end
    options.refuse(command, reason)
  end
  if not figures then
    report:close()
    fail(err, words)
  end
  report:result(figures)
  if page then page:result(figures) end
  return figures
end

-- A place where nothing can be written is told before the test, not after it.
local function try_plot(path)
  local file, reason = io.open(path, "a")
  if not file then fail(reason) end
  file:close()
end

local function save_plot(path, figures)
  local file, reason = io.open(path, "w")
  if not file then fail(reason) end
  local ok, why = file:write(require("net.throughput.plot").svg(figures))
  if ok then ok, why = file:close() end
  if not ok then fail(path .. ": " .. why) end
end

-- A name that this machine does not take is told before the first test.
local function try_names(words, names)
  for _, name in ipairs(names) do
    words.congestion = name
    local ok, err = sockets.try(plan_of(test_of(words)))
    if not ok then fail(err, words, "--compare " .. name .. ": ") end
  end
end

-- The congestion controls one after another, and how they compare.
local function compare(words)
  local names, figures = {}, {}
  for name in words.compare:gmatch("[^,]+") do names[#names + 1] = name end
  if #names < 2 then options.refuse(command, "--compare takes two or more names: reno,bbr") end
  try_names(words, names)
  for i, name in ipairs(names) do
    words.congestion = name
    figures[i] = measure(words)
    if words.interrupted then os.exit(INTERRUPTED) end
  end
  if not words.json and not words.csv then
    require("net.throughput.comparison").print(names, figures)
  end
end

local function contradict(words)
  if words.json and words.csv then return "--json and --csv exclude each other" end
  if words.compare and (words.congestion or words.udp) then
    return "--compare is of TCP, and names the congestion controls itself"
  end
  if words.compare and (words.plot or words.web) then
    return "--plot and --web show one test: leave --compare out"
  end
  if words.ipv4 and words.ipv6 then return "-4 and -6 exclude each other" end
end

---Runs the command with these words.
function M.run(...)
  local words = options.parse(command, ...)
  if not words[1] then options.refuse(command, "a HOST is needed") end
  local reason = contradict(words)
  if reason then options.refuse(command, reason) end
  if words.compare then return compare(words) end
  if words.plot then try_plot(words.plot) end
  local page
  if words.web then
    local err
    page, err = require("net.throughput.web").start(words.web)
    if not page then fail(err) end
    io.stderr:write("watch it at ", page.url, "\n")
  end
  local figures = measure(words, page)
  if words.plot then save_plot(words.plot, figures) end
  if words.interrupted then os.exit(INTERRUPTED) end
  if page then page:linger() end
end

return M
