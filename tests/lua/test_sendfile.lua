-- sendfile of what is no file of net.open: Lua's files, pipes, /proc; and of files that
-- change or are very large. The others are in test_file.lua.

local net = require "net"
local T = require "harness"

local GIB = 1 << 30

-- Runs fn with the path of a file of its own, which holds `text`.
local function with_file(text, fn)
  local path = os.tmpname()
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  local f <close> = assert(io.open(path, "wb"))
  assert(f:write(text))
  f:flush()
  fn(path)
end

-- A text that differs from itself when a piece is lost or moved.
local function pattern(n)
  local parts = {}
  for i = 1, n // 8 + 1 do parts[i] = ("%07d."):format(i) end
  return table.concat(parts):sub(1, n)
end

local function content(path)
  local f <close> = assert(io.open(path, "rb"))
  return f:read("a")
end

-- What the peer gets of what fn sends.
local function got_of(fn)
  local a, b = T.pair()
  local reader = net.spawn(function() return b:read("a") end)
  fn(a)
  a:close()
  return reader:join()
end

for _, kind in ipairs { "epoll", "fake", "soft" } do
  local soft = kind == "soft"
  local options = { net = kind, seeds = soft and 20 or nil, stderr = soft and {} or nil }

  T.test("a_file_of_lua_is_sent_from_its_begin (" .. kind .. ")", options, function()
    local text = pattern(700000)
    with_file(text, function(path)
      local f <close> = assert(io.open(path, "rb"))
      T.eq(f:read(5), text:sub(1, 5))
      local got = got_of(function(a)
        a:send("head;")
        T.eq(T.ok(a:sendfile(f)), 700000)
        T.eq(T.ok(a:sendfile(f, 100000)), 600000)
        T.eq(T.ok(a:sendfile(f, 5, 10)), 10)
        T.eq(T.ok(a:sendfile(f, 700000)), 0)
        T.eq(T.ok(a:sendfile(f, 800000)), 0)
        T.eq(T.fails("truncated", a:sendfile(f, 800000, 1)).sent, 0)
      end)
      T.ok(got == "head;" .. text .. text:sub(100001) .. text:sub(6, 15), #got)
      T.eq(f:seek(), 5) -- nothing of what Lua has read is lost, and its position stays
      T.ok(f:read("a") == text:sub(6))
    end)
  end)

  T.test("a_pipe_is_sent_to_its_end (" .. kind .. ")", options, function()
    local p <close> = assert(io.popen("seq 30000"))
    T.eq(p:read(), "1")
    local wanted = {}
    for i = 2, 30000 do wanted[i - 1] = i .. "\n" end
    local text = table.concat(wanted)
    T.ok(got_of(function(a) T.eq(T.ok(a:sendfile(p)), #text) end) == text)
    T.eq(p:read("a"), "")
  end)
end

T.test("what_a_script_has_written_is_sent", function()
  with_file("", function(path)
    local f <close> = assert(io.open(path, "w+b"))
    f:write("written, not flushed")
    T.eq(got_of(function(a) T.eq(a:sendfile(f), 20) end), "written, not flushed")
    f:write(", more")
    T.eq(content(path), "written, not flushed")
    T.eq(got_of(function(a) T.eq(a:sendfile(f, 20), 6) end), ", more")
  end)
end)

T.test("a_file_that_cannot_be_read_leaves_the_stream_as_it_is", function()
  with_file("x", function(path)
    local write_only <close> = assert(io.open(path, "ab"))
    local folder <close> = assert(io.open("/tmp"))
    local memory <close> = assert(io.open("/proc/self/mem", "rb"))
    local closed = assert(io.open(path))
    closed:close()
    T.eq(got_of(function(a)
      T.fails("EBADF", a:sendfile(write_only))
      T.fails("EISDIR", a:sendfile(folder))
      T.fails("EIO", a:sendfile(memory))
      T.fails("closed", a:sendfile(closed))
      T.eq(a:send("still usable"), 12)
    end), "still usable")
  end)
end)

T.test("a_file_of_proc_tells_no_size_and_is_sent_to_its_end", function()
  T.need_files()
  for _, name in ipairs { "filesystems", "kallsyms" } do
    local file <close> = T.ok(net.open("/proc", name))
    local f <close> = assert(io.open("/proc/" .. name))
    local text = content("/proc/" .. name)
    T.ok(got_of(function(a) T.eq(T.ok(a:sendfile(file)), #text) end) == text, name)
    T.ok(got_of(function(a) T.eq(T.ok(a:sendfile(f)), #text) end) == text, name)
    T.eq(got_of(function(a) T.eq(T.ok(a:sendfile(f, 3, 4)), 4) end), text:sub(4, 7))
    T.eq(got_of(function(a) T.fails("truncated", a:sendfile(f, #text - 2, 5)) end), text:sub(-2))
  end
end)

T.test("an_empty_file_that_has_grown_sends_what_was_promised", function()
  T.need_files()
  with_file("", function(path)
    local file <close> = T.ok(net.open("/", path:sub(2)))
    local f <close> = assert(io.open(path, "ab"))
    T.eq(got_of(function(a) T.eq(a:sendfile(file), 0) end), "")
    f:write("more"):flush()
    T.eq(got_of(function(a) T.eq(a:sendfile(file), 0) end), "")
  end)
end)

T.test("a_device_gives_as_much_as_is_asked_for", function()
  local zero <close> = assert(io.open("/dev/zero", "rb"))
  T.eq(got_of(function(a) T.eq(T.ok(a:sendfile(zero, 0, 300000)), 300000) end),
    ("\0"):rep(300000))
end)

T.test("a_pipe_goes_on_where_sendfile_has_ended", function()
  local p <close> = assert(io.popen("printf 'a\\0b\\0\\0cdef'"))
  T.eq(p:read(1), "a")
  T.eq(got_of(function(a)
    T.eq(a:sendfile(p, 0, 3), 3)
    T.eq(a:sendfile(p, nil, 1), 1)
    T.eq(a:sendfile(p, 0, 0), 0)
  end), "\0b\0\0")
  T.eq(p:read(1), "c")
  T.eq(T.fails("truncated", (T.pair()):sendfile(p, 0, 9)).sent, 3)
end)

T.test("a_pipe_whose_bytes_find_no_room_keeps_them", function()
  local a, b = T.unix_pair()
  local p <close> = assert(io.popen("seq 200000"))
  local filled = T.fill(a)
  a:settimeout(0.01)
  T.eq(T.fails("timeout", a:sendfile(p)).sent, 0)
  local sender = T.waiting(function()
    a:settimeout(nil)
    return a:sendfile(p)
  end)
  local head = b:read_exact(filled + 100000):sub(filled + 1)
  T.turns()
  sender:cancel()
  T.fails("cancelled", sender:join())
  net.spawn(a.shutdown, a)
  local rest = head .. b:read("a") .. p:read("a")
  local wanted = {}
  for i = 1, 200000 do wanted[i] = i .. "\n" end
  T.ok(rest == table.concat(wanted))
end)

T.test("a_pipe_has_no_offsets", function()
  local a = T.pair()
  local p <close> = assert(io.popen("echo text"))
  T.raises("this file is a pipe or a device, and can only be read on", a.sendfile, a, p, 1)
  T.eq(p:read("a"), "text\n")
  T.raises("file expected, got table", a.sendfile, a, io.stdin)
end)

T.test("closing_a_file_of_lua_ends_its_sendfile", function()
  with_file(pattern(8000000), function(path)
    local f = assert(io.open(path, "rb"))
    local a, b = T.pair()
    local sender = T.waiting(function() return a:sendfile(f) end)
    f:close()
    net.spawn(T.drain, b)
    local err = T.fails("closed", sender:join())
    T.ok(err.sent > 0 and err.sent < 8000000, err.sent)
    a:shutdown()
  end)
end)

T.test("a_file_that_shrinks_while_it_is_sent_is_truncated", function()
  with_file(pattern(16000000), function(path)
    local f <close> = assert(io.open(path, "rb"))
    local a, b = T.unix_pair()
    local sender = T.waiting(function() return a:sendfile(f) end)
    os.execute("truncate -s 6000000 " .. path)
    local reader = net.spawn(T.drain, b)
    local err = T.fails("truncated", sender:join())
    T.eq(err.sent, 6000000)
    T.eq(a:send("still usable"), 12)
    a:shutdown()
    T.eq(reader:join(), 6000012)
  end)
end)

T.test("a_file_that_grows_while_it_is_sent_ends_where_it_did", function()
  with_file(pattern(16000000), function(path)
    local f <close> = assert(io.open(path, "rb"))
    local a, b = T.unix_pair()
    local sender = T.waiting(function() return a:sendfile(f) end)
    os.execute("truncate -s 20000000 " .. path)
    local reader = net.spawn(T.drain, b)
    T.eq(sender:join(), 16000000)
    a:shutdown()
    T.eq(reader:join(), 16000000)
  end)
end)

T.test("a_part_beyond_4_gib_is_sent", function()
  with_file("", function(path)
    local f <close> = assert(io.open(path, "r+b"))
    f:seek("set", 5 * GIB)
    f:write("the end")
    T.eq(got_of(function(a) T.eq(a:sendfile(f, 5 * GIB - 2), 9) end), "\0\0the end")
    T.eq(got_of(function(a) T.eq(a:sendfile(f, 5 * GIB, 3), 3) end), "the")
    local a, b = T.pair()
    local err = T.fails("truncated", a:sendfile(f, 5 * GIB + 4, 5 * GIB))
    T.eq(err.sent, 3)
    T.eq(b:recv(), "end")
  end)
end)

T.test("a_file_of_more_than_2_gib_is_sent_whole", { seconds = 120 }, function()
  if T.slow > 1 then return end -- it moves too much for an instrumented program
  with_file("", function(path)
    local size = 2 * GIB + 12345
    local f <close> = assert(io.open(path, "r+b"))
    f:seek("set", size - 3)
    f:write("end")
    local a, b = T.pair()
    a:setsockopt("TCP_CONGESTION", "reno")
    local sender = net.spawn(function()
      local n = T.ok(a:sendfile(f))
      a:shutdown()
      return n
    end)
    local buffer, total, last = net.buffer(1 << 20), 0, ""
    while true do
      local n, _, code = b:recv_into(buffer)
      if not n then
        T.eq(code, "eof")
        break
      end
      total = total + n
      last = (last .. buffer:sub(n > 3 and n - 2 or 1, n)):sub(-3)
    end
    T.eq(total, size)
    T.eq(last, "end")
    T.eq(sender:join(), size)
  end)
end)
