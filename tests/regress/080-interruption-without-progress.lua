-- The error of an interruption in the middle of a send, a send_many or a sendfile did not
-- tell what had been handed over, so a script could not go on from there.

local net = require "net"
local T = require "harness"

local MIB = 1024 * 1024
local TEXT <const> = ("0123456789abcdef"):rep(8 * MIB // 16)

local buffer = net.buffer(TEXT)

-- Interrupts `move(a)` in a task while it waits for room, by cancel; gives the error that the
-- task saw.
local function cancelled(a, move)
  local seen
  local task = T.waiting(function()
    local ok, err = pcall(move, a)
    if not ok then seen = err end
    error(err)
  end)
  task:cancel()
  local err = T.fails("cancelled", task:join())
  T.eq(err.sent, seen.sent) -- also who joins it is told
  return err
end

-- The same by net.deadline, which leaves it the time to begin, also where all is slow.
local function late(a, move)
  return T.fails("timeout", net.deadline(1, move, a))
end

local function with_file(fn)
  local path = os.tmpname()
  local f = assert(io.open(path, "w+b"))
  f:write(TEXT)
  f:flush()
  fn(f)
  f:close()
  os.remove(path)
end

-- What the reader gets is what the error has told, and the rest follows.
local function check(interrupt, move)
  local a, b = T.unix_pair()
  local err = interrupt(a, move)
  T.ok(err.sent > 0 and err.sent < #TEXT, err.sent)
  local rest = net.spawn(function()
    a:send(TEXT:sub(err.sent + 1))
    a:shutdown()
  end)
  T.ok(b:read("a") == TEXT)
  rest:join()
end

for _, way in ipairs { { "cancel", cancelled }, { "deadline", late } } do
  local name, interrupt = way[1], way[2]

  T.test(name .. "_in_a_send_tells_what_had_gone", function()
    check(interrupt, function(a) return a:send(TEXT) end)
    check(interrupt, function(a) return a:send { TEXT:sub(1, MIB), TEXT:sub(MIB + 1) } end)
    check(interrupt, function(a) return a:send(buffer) end)
  end)

  T.test(name .. "_in_a_sendfile_tells_what_had_gone", function()
    with_file(function(f) check(interrupt, function(a) return a:sendfile(f) end) end)
  end)

  T.test(name .. "_in_send_many_tells_how_many_went", function()
    local a, b = T.ok(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))
    local list = {}
    for i = 1, 5000 do list[i] = ("%05d"):format(i) end
    local err = interrupt(a, function() return a:send_many(list) end)
    local got = {}
    local d = b:recv_many(64, net.MSG_DONTWAIT)
    while d do
      table.move(d, 1, #d, #got + 1, got)
      d = b:recv_many(64, net.MSG_DONTWAIT)
    end
    T.ok(err.sent > 0)
    T.eq(#got, err.sent)
    T.eq(got[#got], list[err.sent])
    a:close()
    b:close()
  end)

  T.test(name .. "_before_the_turn_came_tells_that_nothing_went", function()
    local a, b = T.unix_pair()
    local first = T.waiting(function() return a:send(TEXT) end)
    T.eq(interrupt(a, function() return a:send("late") end).sent, 0)
    T.eq(interrupt(a, function() return a:send { "la", "te" } end).sent, 0)
    net.spawn(function()
      first:join()
      a:shutdown()
    end)
    T.ok(b:read("a") == TEXT)
  end)
end

T.test("a_send_that_begins_too_late_tells_that_nothing_went", function()
  local a, b = T.unix_pair()
  local err = T.fails("timeout", net.deadline(0, function()
    pcall(net.sleep, 1)
    return a:send("x")
  end))
  T.eq(err.sent, 0)
  a:close()
  b:close()
end)

T.test("other_waits_tell_nothing_of_sending", function()
  local a, b = T.unix_pair()
  T.eq(T.fails("timeout", net.deadline(0.001, function() return a:recv() end)).sent, nil)
  a:close()
  b:close()
end)

T.test("joining_a_cancelled_task_tells_the_figures_of_its_move", function()
  local a, b = T.unix_pair()
  local sender = T.waiting(function() return a:send_repeat("x", { seconds = 60 }) end)
  sender:cancel()
  local err = T.fails("cancelled", sender:join())
  T.eq(err.op, "join")
  T.eq(err.figures.bytes, err.sent)
  T.ok(err.sent > 0)
  local reader = T.waiting(function() return b:discard() end)
  reader:cancel()
  T.eq(T.fails("cancelled", reader:join()).figures.bytes, err.sent)
  local idle = net.spawn(net.sleep, 60)
  idle:cancel()
  T.eq(T.fails("cancelled", idle:join()).figures, nil) -- it had not even begun
  a:close()
  b:close()
end)
