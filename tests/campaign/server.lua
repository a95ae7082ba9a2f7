-- The server that the campaign attacks from outside: each line of a client is a command,
-- each answer is one line, "ok …" or "error CODE". It uses every system call of the runtime.

local net = require "net"

local commands = {}

function commands.upper(text)
  return text:upper()
end

-- A UDP exchange of the server with itself.
function commands.udp(text)
  local a <close> = assert(net.udp("127.0.0.1:0"))
  local b <close> = assert(net.udp("127.0.0.1:0"))
  b:settimeout(2)
  assert(a:sendto(text, assert(b:getsockname())))
  return (assert(b:recvfrom()))
end

-- A connection of the server to a socket that listens, of TCP or of a Unix name.
local function through(address, text)
  local listener <close> = assert(net.listen(address))
  listener:settimeout(2) -- it may have refused the only client
  local a <close> = assert(net.connect(assert(listener:getsockname())))
  local b <close> = assert(listener:accept())
  b:settimeout(2)
  assert(a:send(text))
  assert(a:shutdown())
  return (assert(b:read("a")))
end

function commands.tcp(text)
  return through("127.0.0.1:0", text)
end

function commands.unix(text)
  return through("unix:@soquete-campaign-" .. text, text)
end

function commands.pair(text)
  local one, two = assert(net.socketpair())
  local a <close> = one
  local b <close> = two
  b:settimeout(2)
  assert(a:sendmsg(text))
  return (assert(b:recvmsg()))
end

function commands.datagrams(text)
  local a <close> = assert(net.udp("127.0.0.1:0"))
  local b <close> = assert(net.udp("127.0.0.1:0"))
  b:settimeout(2)
  local to = assert(b:getsockname())
  assert(a:send_many({ text, text, "the end" }, { to = to }))
  local datas = {}
  repeat
    local some = assert(b:recv_many())
    table.move(some, 1, #some, #datas + 1, datas)
  until datas[#datas] == "the end"
  assert(#datas == 3 and datas[2] == text)
  return datas[1]
end

function commands.name(text)
  assert(net.gethostbyname("localhost"))
  return text
end

function commands.options(text)
  local s <close> = assert(net.socket())
  assert(s:setsockopt("SO_KEEPALIVE", true))
  assert(assert(s:getsockopt("SO_KEEPALIVE")) == true)
  return text
end

function commands.poll(text)
  local one, two = assert(net.socketpair())
  local a <close> = one
  local b <close> = two
  b:settimeout(2)
  assert(a:send(text))
  assert(net.poll({ b }, {}, 2))
  return (assert(b:recv()))
end

-- The code that a failure carries, however it came.
local function code_of(err)
  return type(err) == "table" and err.code or tostring(err)
end

local function answer(line)
  local command, text = line:match("^(%a+) (.*)$")
  local ok, result = pcall(commands[command], text)
  return ok and "ok " .. result or "error " .. code_of(result)
end

local function serve(conn)
  local c <close> = conn
  for line in c:lines() do c:send(answer(line) .. "\n") end
end

local listener = assert(net.listen("127.0.0.1:0"))
print("listening on port " .. listener:getsockname().port)
while true do
  local conn, err, code = listener:accept()
  if conn then
    net.spawn(pcall, serve, conn)
  else
    io.stderr:write("accept: ", code, "\n")
    if code == "closed" then error(err) end
  end
end
