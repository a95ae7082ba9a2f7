-- Long jobs of send_repeat: they try two methods before they settle, and nobody can tell by
-- the bytes.

local net = require "net"
local T = require "harness"

local MIB <const> = 1024 * 1024
local CALL <const> = 1 * MIB

-- A text whose length divides no block, and that differs from itself when a piece of it is
-- lost or moved.
local function pattern(n)
  local parts = {}
  for i = 1, n // 8 do parts[i] = ("%07d."):format(i) end
  return table.concat(parts) .. ("odd"):rep(3):sub(1, n % 8)
end

-- Receives up to `most` bytes, or up to the end, and compares them. How many they were.
local function check(b, data, most, from)
  local cycle = data:rep(CALL // #data + 2)
  local at = from or 0
  while at < most do
    local text, err, code = b:recv(math.min(CALL, most - at))
    if code == "eof" then break end
    T.ok(text, err)
    local begin = at % #data
    T.ok(text == cycle:sub(begin + 1, begin + #text), "other bytes than were sent")
    at = at + #text
  end
  return at
end

-- Options with a tick that lists the methods, each time that another is met.
local function watched(seen, options)
  options.every = 0.001
  options.on_tick = function(f)
    if seen[#seen] ~= f.method then seen[#seen + 1] = f.method end
  end
  return options
end

-- Cancels a job of many seconds when `most` bytes of it have come. What it told, how much came
-- in all, and whether the bytes are right, which is checked.
local function cut(data, most, options)
  local a, b = T.pair()
  local caught
  local sender = net.spawn(function()
    caught = select(2, pcall(a.send_repeat, a, data, options))
    error(caught)
  end)
  local got = check(b, data, most)
  T.ok(sender:cancel())
  T.fails("cancelled", sender:join())
  net.spawn(a.shutdown, a)
  got = check(b, data, math.huge, got)
  T.eq(caught.figures.bytes, got)
  T.eq(caught.sent, got)
  a:close()
  b:close()
  return caught.figures
end

T.test("every_byte_of_a_long_job_arrives_in_order", { seconds = 30 }, function()
  for _, size in ipairs(T.slow > 1 and { 8191 } or { 8191, 3 * MIB + 5, 9 * MIB + 7 }) do
    local data = pattern(size)
    local a, b = T.pair()
    local sender = net.spawn(function()
      local figures = T.ok(a:send_repeat(data, { seconds = 1 }))
      a:shutdown()
      return figures
    end)
    local got = check(b, data, math.huge)
    local figures = sender:join()
    T.eq(figures.bytes, got)
    T.eq(figures.ended, "seconds")
    T.ok(figures.method == "send" or figures.method == "vmsplice", figures.method)
  end
end)

T.test("a_long_job_ends_at_its_byte", { seconds = 30 }, function()
  local bytes = T.slow > 1 and 64 * MIB or 1024 * MIB + 12345
  local data = pattern(8191)
  local a, b = T.pair()
  local sender = net.spawn(function()
    local figures = T.ok(a:send_repeat(data, { bytes = bytes }))
    a:send("tail")
    a:shutdown()
    return figures
  end)
  T.eq(check(b, data, bytes), bytes)
  T.eq(b:read("a"), "tail")
  T.eq(sender:join().bytes, bytes)
end)

T.test("a_trial_may_be_cancelled_anywhere", { seconds = 30 }, function()
  local before = T.open_files()
  for _, size in ipairs(T.slow > 1 and { 8191 } or { 8191, 9 * MIB + 7 }) do
    local data = pattern(size)
    for mib = 10, T.slow > 1 and 10 or 260, 50 do
      local figures = cut(data, mib * MIB + 1, { seconds = 1000 })
      T.ok(figures.method == "send" or figures.method == "vmsplice", figures.method)
      T.eq(T.open_files(), before)
    end
  end
end)

T.test("a_trial_may_time_out_anywhere", { seconds = 30 }, function()
  local before = T.open_files()
  local data = pattern(8191)
  for _, seconds in ipairs { 0.02, 0.05, 0.1 } do
    local a, b = T.pair()
    local reader = net.spawn(check, b, data, math.huge)
    a:settimeout(seconds)
    local err = T.fails("timeout", a:send_repeat(data, { seconds = 1000 }))
    a:settimeout(nil)
    a:shutdown()
    T.eq(reader:join(), err.sent)
    T.eq(err.figures.bytes, err.sent)
    a:close()
    b:close()
    T.eq(T.open_files(), before)
  end
end)

T.test("a_method_that_is_forced_stays_in_a_long_job", { seconds = 30 }, function()
  for _, method in ipairs { "send", "vmsplice" } do
    local seen = {}
    local figures = cut(pattern(8191), T.slow > 1 and 20 * MIB or 200 * MIB, watched(seen, {
      seconds = 1000, method = method }))
    T.eq(figures.method, method)
    T.eq(table.concat(seen, " "), method)
  end
end)
