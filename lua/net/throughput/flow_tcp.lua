-- The bytes of a TCP stream: sent and dropped by the calls that loop in C; with `copy` each
-- byte is really read, into one buffer, and with a length that was told each send has it.

local net = require "net"

local COPY_BYTES = 256 * 1024
local BLOCK_BYTES = 8 * 1024 -- what repeats: it stays in the processor's cache
local PACE = 0.01            -- seconds: at a rate, a send has what is due in that time,
local PACED_BYTES = 1 << 20  -- and at most so many bytes
local NAP = 0.05             -- seconds: a flow that waits for its time looks whether it is stopped

local function text_of(length)
  return ("soquete "):rep(length // 8 + 1):sub(1, length)
end

-- What the kernel knows of the connection, and the retransmissions since it was asked last.
local function sample(flow)
  local info = flow.conn:info()
  if not info then return nil end
  local seen = flow.retransmits_seen or 0
  flow.retransmits_seen = info.total_retransmits
  return {
    congestion_window_bytes = info.snd_cwnd_segments * info.snd_mss_bytes,
    retransmits = info.total_retransmits - seen,
    rtt_us = info.rtt_us,
  }
end

-- Counts what figures tell since the last time, at a tick or at the end.
local function count(flow, bytes, seconds)
  local more = flow.sends and sample(flow)
  if more then flow.retransmits = flow.retransmits + more.retransmits end
  flow:count(bytes, seconds, more)
end

-- Options for a call that ticks, and what it had counted before its last figures.
local function ticking(flow, plan, ends)
  local before = { bytes = 0, seconds = 0 }
  return before, {
    bytes = ends.bytes,
    every = plan.interval,
    on_tick = function(figures)
      count(flow, figures.bytes - before.bytes, figures.seconds - before.seconds)
      before.bytes, before.seconds = figures.bytes, figures.seconds
    end,
    seconds = ends.seconds,
  }
end

local function finish(flow, plan, before, figures)
  local bytes, seconds = figures.bytes - before.bytes, figures.seconds - before.seconds
  if bytes > 0 or seconds > plan.interval / 10 then count(flow, bytes, seconds) end
end

-- Bytes that repeat, in calls as large as is fastest.
local function send(flow, plan, ends)
  local before, options = ticking(flow, plan, ends)
  local figures, err, code = flow.conn:send_repeat(text_of(BLOCK_BYTES), options)
  finish(flow, plan, before, figures or err.figures)
  if not figures then return nil, err, code end
  return true
end

local function drop(flow, plan, ends)
  local before, options = ticking(flow, plan, ends)
  local figures, err, code = flow.conn:discard(options)
  finish(flow, plan, before, figures or err.figures)
  if not figures then return nil, err, code end
  return true
end

-- How many bytes have come that nobody took, when there are some: 1 where it is the end or a
-- failure. nil, err, code when there are none in time.
local function await(flow, taken, patience)
  local ready, _, err, code = net.poll({ flow.conn }, nil, patience)
  if not ready then return nil, err, code end
  if #ready == 0 then return nil, nil, "timeout" end
  local info
  info, err, code = flow.conn:info()
  if not info then return nil, err, code end
  return math.max(1, info.bytes_received - taken)
end

-- One move of a loop. What is taken from a pot that others share is there already: who waits
-- with his part in hand would keep it from them, and a move may let them run.
local function move_some(flow, pot, move, taken, patience)
  local most = pot.left
  if pot.empty then
    local here, err, code = await(flow, taken, patience)
    if not here then return nil, err, code end
    most = math.min(here, pot.left)
    if most <= 0 then return 0 end
  end
  pot.left = pot.left - most
  local n, err, code = move(most, patience)
  pot.left = pot.left + most - (n or 0)
  return n, err, code
end

-- A loop in Lua: `move(most, patience)` is one system call, for at most so many bytes, and
-- waits no longer than that.
local function by_calls(flow, plan, ends, move)
  local begun, pot = net.now(), ends.pot or { left = ends.bytes or math.maxinteger }
  local before, options = ticking(flow, plan, ends)
  local figures, next_tick = { bytes = 0, seconds = 0 }, plan.interval
  local last, moved = ends.seconds or math.huge, flow.moved
  local n, err, code
  while figures.seconds < last and pot.left > 0 do
    local patience = math.max(0, math.min(next_tick, last) - figures.seconds)
    flow.conn:settimeout(patience)
    n, err, code = move_some(flow, pot, move, moved + figures.bytes, patience)
    figures.bytes = figures.bytes + (n or 0)
    figures.seconds = net.now() - begun
    if not n and code ~= "timeout" then break end
    if figures.seconds >= next_tick then
      options.on_tick(figures)
      next_tick = next_tick + plan.interval
    end
  end
  finish(flow, plan, before, figures)
  if pot.left == 0 and pot.empty then pot.empty() end
  if n or pot.left == 0 or code == "timeout" or code == "eof" then return true end
  return nil, err, code
end

-- As discard does, with the bytes in memory.
local function read(flow, plan, ends)
  local buffer = net.buffer(COPY_BYTES)
  return by_calls(flow, plan, ends, function(most)
    return flow.conn:recv_into(buffer, 1, math.min(COPY_BYTES, most))
  end)
end

-- Drops what has come, by one call after another.
local function drop_what_came(flow, plan, ends)
  return by_calls(flow, plan, ends, function(most)
    local figures, err, code = flow.conn:discard { bytes = most }
    local n = (figures or err.figures).bytes
    if n > 0 then return n end
    if figures then return nil, nil, "eof" end
    return nil, err, code
  end)
end

-- How long the sends of a flow are, where each is a call of its own. A new iperf3 counts whole
-- blocks only: what it has of the next one at the end is lost to it.
local function send_length(plan)
  if plan.each or not plan.ours then return plan.length end
  local due = math.tointeger(plan.rate / 8 * PACE // 1)
  return math.max(1, math.min(due, PACED_BYTES))
end

-- Each send has the length that was asked for, or that its rate makes, and goes when it is due.
local function send_each(flow, plan, ends)
  local data = text_of(send_length(plan))
  local begun, sent = net.now(), 0
  return by_calls(flow, plan, ends, function(most, patience)
    local early = plan.rate and begun + sent * 8 / plan.rate - net.now() or 0
    if early > 0 then
      net.sleep(math.min(early, patience, NAP))
      return 0
    end
    local n, err, code = flow.conn:send_some(most < #data and data:sub(1, most) or data)
    sent = sent + (n or 0)
    return n, err, code
  end)
end

local function sender(plan)
  return (plan.each or plan.rate) and send_each or send
end

local function receiver(plan, ends)
  if plan.copy then return read end
  return ends.pot and drop_what_came or drop
end

---Moves bytes until `ends`, the peer's end, or a failure. `ends` has `seconds`, or `bytes`, or
---a `pot` that several flows take from: `left` bytes, and `empty()`, called when none is left.
return function(flow, plan, ends)
  local move = flow.sends and sender(plan) or receiver(plan, ends)
  return move(flow, plan, ends)
end
