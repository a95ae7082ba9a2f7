---@meta net
-- # The module net
--
-- `local net = require "net"` gives the one module that a script needs. A name that it
-- does not have raises an error that names the nearest one.
--
-- Where a function takes an [address](address.md) it takes an address object, one text
-- (`"host:port"`, `"[v6]:port"`, `":port"`, `"unix:/path"`, `"unix:@name"`), or a host
-- and a port. Times are seconds. What the world did comes back as `nil, err, code`; wrong
-- use raises ([errors](error.md)).
--
-- A function that waits stops only the task that calls it. [Tasks](task.md) says where a
-- wait is not possible.

---@class net
local net = {}

-- ## Short forms

---Connects a stream to a server. When a name has several addresses they are tried side by
---side: IPv6 and IPv4 by turns, beginning with the resolver's first; the next attempt
---starts 0.25 s after the last one, or as soon as one has failed, and earlier ones go on.
---The first that succeeds wins, and the others are closed. When all fail, the error is
---that of the last and its text names every attempt. There is no time limit of its own:
---bound it with `net.deadline`.
---
---Codes: `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`, `ENOENT` (Unix),
---`EAI_*`.
---
---Raises: the address is malformed, or has no host or no port.
---
---Source: connect(2), RFC 9293 section 3.5, RFC 6724 (the order of addresses), RFC 8305
---sections 4 and 5 (attempts side by side).
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---print(client:getpeername() == server:getsockname())  --> true
---```
---@param host string|net.address host, whole address, or address object
---@param port? integer|string port number, 0 to 65535, when `host` holds none
---@return net.socket? conn the connected stream
---@return net.error? err
---@return net.code? code
function net.connect(host, port) end

---Makes a stream socket that listens: socket, bind and listen in one. An empty host takes
---clients of IPv6 and IPv4 with one socket; where the machine has no IPv6 it is IPv4's
---any-address. Port 0 lets the kernel choose: `getsockname` tells which.
---
---Codes: `EADDRINUSE` (the hint names the holder), `EACCES`, `EADDRNOTAVAIL`, `EAI_*`.
---
---Raises: the address is malformed or has no port.
---
---Source: listen(2), ipv6(7) (`IPV6_V6ONLY`).
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local again, err, code = net.listen(server:getsockname())
---print(again, code)  --> nil	EADDRINUSE
---```
---@param host string|net.address host (empty: any), whole address, or address object
---@param port? integer|string port number, 0 to 65535
---@return net.socket? server the listening socket; its backlog is 511
---@return net.error? err
---@return net.code? code
function net.listen(host, port) end

---Makes a datagram socket. With an address it is bound there; without one it takes its
---port at the first `sendto`, and can send to IPv4 and IPv6.
---
---Codes: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, `EAI_*`.
---
---Raises: the address is malformed or has no port.
---
---Source: RFC 768, udp(7).
---
---```lua
---local net = require "net"
---local a <close> = assert(net.udp("127.0.0.1:0"))
---local b <close> = assert(net.udp())
---b:sendto("abc", a:getsockname())
---print((a:recvfrom()))  --> abc
---```
---@param host? string|net.address host (empty: any), whole address, or address object
---@param port? integer|string port number, 0 to 65535
---@return net.socket? s the datagram socket
---@return net.error? err
---@return net.code? code
function net.udp(host, port) end

---Serves for ever: accepts, and runs the handler as one task a connection. The connection
---is closed when the handler returns or fails; a failing handler is reported on standard
---error and stops nobody else. The call blocks, and closes the listener when it ends.
---
---Codes: those of `net.listen`; `closed` once somebody closed the listener.
---
---Raises: the handler is not a function.
---
---```lua
---local net = require "net"
---local server = assert(net.listen("127.0.0.1:0"))
---net.spawn(net.serve, server, function(conn, peer)
---  for line in conn:lines() do conn:send(line:upper() .. "\n") end
---end)
---local client <close> = assert(net.connect(server:getsockname()))
---client:send("hello\n")
---print(client:read())  --> HELLO
---server:close()
---```
---@param where string|net.address|net.socket what to listen on, or a listening socket
---@param handler fun(conn:net.socket,peer:net.address) runs once a connection
---@return nil
---@return net.error? err why it ended
---@return net.code? code
function net.serve(where, handler) end

-- ## Sockets, addresses and names

---Makes a socket that is neither bound nor connected.
---
---Codes: `EMFILE`, `ENFILE`, `EAFNOSUPPORT`.
---
---Raises: the family or the type is none of the constants.
---
---Source: socket(2).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
---print(s:getsockopt("SO_TYPE") == net.SOCK_DGRAM)  --> true
---```
---@param family? integer `AF_INET` (the default), `AF_INET6` or `AF_UNIX`
---@param type? integer `SOCK_STREAM` (the default) or `SOCK_DGRAM`
---@return net.socket? s the socket
---@return net.error? err
---@return net.code? code
function net.socket(family, type) end

---Makes an address object from numbers. Names are for `getaddrinfo`.
---
---Raises: the text is no address, the host is a name, or there is no port.
---
---Source: RFC 3986 section 3.2.2 (brackets), RFC 4291 section 2.2, RFC 4007 section 11
---(`%zone`).
---
---```lua
---local net = require "net"
---local a = net.address("[2001:db8::1]:80")
---print(a.host, a.port)  --> 2001:db8::1	80
---print(a == net.address("2001:db8:0::1", 80))  --> true
---```
---@param host string|net.address numeric host, or whole address
---@param port? integer|string port number, 0 to 65535
---@return net.address address the one object for that address
function net.address(host, port) end

---Gives one IPv4 address of a name, as text. `getaddrinfo` gives all, of both families.
---The system's `/etc/hosts` and `/etc/nsswitch.conf` are followed. A thread asks, so only
---the calling task waits; deadlines and `cancel` end the wait. At most eight questions are
---asked at a time, later ones queue. A numeric address is not asked at all. All this holds
---for every name in an address argument.
---
---Codes: `EAI_NONAME`, `EAI_AGAIN`, `EAI_FAIL`, `EAI_NODATA`.
---
---Raises: the name holds a NUL byte or is longer than 255 bytes.
---
---Source: getaddrinfo(3), hosts(5), nsswitch.conf(5).
---
---```lua
---local net = require "net"
---print(net.gethostbyname("localhost"))  --> 127.0.0.1
---```
---@param name string host name, or a numeric IPv4 address
---@return string? host such as `"127.0.0.1"`
---@return net.error? err
---@return net.code? code
function net.gethostbyname(name) end

---Gives the addresses of a name, the best first.
---
---Codes: `EAI_NONAME`, `EAI_AGAIN`, `EAI_FAIL`, `EAI_SERVICE`, `EAI_FAMILY`.
---
---Raises: neither a name nor a service is given.
---
---Source: getaddrinfo(3), RFC 6724 (the order), services(5).
---
---```lua
---local net = require "net"
---local only4 = { family = net.AF_INET }
---for _, a in ipairs(assert(net.getaddrinfo("localhost", 80, only4))) do
---  print(a)  --> 127.0.0.1:80
---end
---```
---@param name? string host name or numeric host; nil is this machine
---@param service? string|integer service name (`"http"`) or port number
---@param want? {family?:integer,type?:integer} `AF_*` and `SOCK_*` to narrow the answer
---@return net.address[]? addresses without repeats
---@return net.error? err
---@return net.code? code
function net.getaddrinfo(name, service, want) end

---Gives the name of a numeric address, and that of its port.
---
---Codes: `EAI_NONAME` (the address has no name), `EAI_AGAIN`, `EAI_FAIL`.
---
---Raises: the address is a name, or malformed.
---
---Source: getnameinfo(3).
---
---```lua
---local net = require "net"
---print((assert(net.getnameinfo("127.0.0.1", 80))))  --> localhost
---```
---@param host string|net.address numeric host, whole address, or address object
---@param port? integer|string port number, when `host` holds none; 0 asks for no service
---@return string? name host name
---@return string service service name, or the port as text when it has none
---@return net.error? err
---@return net.code? code
function net.getnameinfo(host, port) end

-- ## Tasks and time

---Makes a task that runs the function. It never switches: the new task runs later in the
---same turn, in the order of the spawns. An error in it is reported when nobody can join
---it any more, and makes the exit status 1.
---
---Raises: `fn` is not a function.
---
---```lua
---local net = require "net"
---local task = net.spawn(function(a, b) return a + b end, 2, 3)
---print("spawned")    --> spawned
---print(task:join())  --> 5
---```
---@param fn function what the task runs
---@param ... any its arguments
---@return net.task task
function net.spawn(fn, ...) end

---Waits. 0 or less still lets every other task run once.
---
---Raises: `seconds` is not a number, or is nan; the wait is interrupted.
---
---```lua
---local net = require "net"
---local begin = net.now()
---net.sleep(0.02)
---print(net.now() - begin >= 0.02)  --> true
---```
---@param seconds number seconds, fractions too
function net.sleep(seconds) end

---Tells the time on a clock that only goes forward: for differences, not for dates.
---
---Source: clock_gettime(2), `CLOCK_MONOTONIC`.
---
---```lua
---local net = require "net"
---print(net.now() <= net.now())  --> true
---```
---@return number seconds since some moment before the program began
function net.now() end

---Lets every other task and event have its turn, then goes on. A loop that computes for
---long calls it now and then; operations on sockets step aside by themselves, after 64 in
---a row or 256 KiB.
---
---```lua
---local net = require "net"
---net.spawn(print, "the other")
---net.yield()
---print("this one")
-----> the other
-----> this one
---```
function net.yield() end

---Runs a function under a time limit that covers every wait below it. When the time is up
---the wait raises, and so does each later wait inside, so that a `pcall` cannot swallow
---it; `<close>` variables run, and may wait for one second in all. A limit inside another
---one can only be shorter. A function that never waits is not stopped.
---
---Codes: `timeout`.
---
---Raises: what `fn` raises for other reasons.
---
---```lua
---local net = require "net"
---print(net.deadline(1, function() return "in time" end))  --> in time
---local ok, err, code = net.deadline(0.02, function()
---  pcall(net.sleep, 10)
---  net.sleep(10)
---end)
---print(ok, code)  --> nil	timeout
---```
---@param seconds number? seconds from now; nil is no limit
---@param fn function what runs under the limit
---@param ... any its arguments
---@return any ... the results of `fn`
---@return net.error? err
---@return net.code? code
function net.deadline(seconds, fn, ...) end

-- ## Tasks together

---Runs a function, and waits for every task that it spawns with `group:spawn`: no task of
---the group outlives the call. The first failure, of the function or of a task, cancels
---all the others, waits until they have ended, and is raised here. The same happens when
---the call itself is left by a deadline or `cancel`. A task that was cancelled alone is no
---failure. A plain `net.spawn` inside makes a task of nobody's group.
---
---Raises: what the function or one of the tasks raised.
---
---```lua
---local net = require "net"
---local sum = 0
---net.group(function(g)
---  for i = 1, 3 do g:spawn(function() net.sleep(0.01) sum = sum + i end) end
---end)
---print(sum)  --> 6
---print(pcall(net.group, function(g)
---  g:spawn(net.sleep, 100)
---  g:spawn(error, "broken", 0)
---end))  --> false	broken
---```
---@param fn fun(group:net.group):any... gets the group
---@return any ... the results of `fn`
function net.group(fn) end

---Runs functions at the same time and gives the results of the one that ends first. The
---others are cancelled, and have ended when the call returns.
---
---Raises: what the first to end raised; no function is given.
---
---```lua
---local net = require "net"
---print(net.race(
---  function() net.sleep(10) return "the slow one" end,
---  function() net.sleep(0.01) return "the quick one" end
---))  --> the quick one
---```
---@param ... function what runs, without arguments
---@return any ... the results of the first
function net.race(...) end

---Runs functions at the same time, waits for all of them, and gives the first result of
---each, in the order of the functions. The first failure cancels the others and is raised.
---
---Raises: what one of the functions raised.
---
---```lua
---local net = require "net"
---local function after(seconds, value) net.sleep(seconds) return value end
---print(net.all(
---  function() return after(0.02, "one") end,
---  function() return after(0.01, "two") end
---))  --> one	two
---```
---@param ... function what runs, without arguments
---@return any ... one result a function, nil where it gave none
function net.all(...) end

---Makes a [channel](channel.md): a queue of values between tasks.
---
---Raises: the capacity is no whole number, or negative.
---
---```lua
---local net = require "net"
---local channel = net.channel(10)
---net.spawn(function()
---  for i = 1, 3 do channel:put(i) end
---  channel:close()
---end)
---for value in channel do print(value) end
-----> 1
-----> 2
-----> 3
---```
---@param capacity? integer values that are held before `put` waits; 0 (the default): none
---@return net.channel channel
function net.channel(capacity) end

---Lists the tasks that are alive, the oldest first. Ctrl-\ (SIGQUIT) prints the same on
---standard error. Each row has:
---
---| field | meaning |
---|---|---|
---| `id` | the number that reports and `--trace` show |
---| `status` | `"running"`, `"ready"` or `"waiting"` |
---| `spawned` | where it was spawned, `file:line` |
---| `where` | the script's line in which it waits or runs |
---| `waits_in` | the operation and the peer, `"recv 192.0.2.1:80"`; nil unless it waits |
---| `seconds` | for how long; nil unless it waits |
---
---```lua
---local net = require "net"
---local task <const> = net.spawn(net.sleep, 100)
---net.yield()
---for _, row in ipairs(net.tasks()) do print(row.id, row.status, row.waits_in) end
-----> 1	running	nil
-----> 2	waiting	sleep
---task:cancel()
---```
---@return table[] tasks
function net.tasks() end

---Runs a function as a new task whenever a signal comes. A second call replaces the
---function; nil gives the signal its former meaning back. Signals that come before that
---task is made count as one. A handler keeps no program alive: it ends when its last task
---ends.
---
---These can be taken: `SIGALRM`, `SIGCHLD`, `SIGCONT`, `SIGHUP`, `SIGINT`, `SIGQUIT`,
---`SIGTERM`, `SIGUSR1`, `SIGUSR2`, `SIGWINCH`. Who takes `SIGINT` or `SIGTERM` has to end
---the program; who takes `SIGQUIT` has no report at Ctrl-\.
---
---Raises: the name is none of these.
---
---Source: signal(7), sigaction(2).
---
---```lua
---local net = require "net"
---local came = net.channel(1)
---net.on_signal("SIGUSR1", function(name) came:put(name) end)
---os.execute("kill -USR1 $PPID")
---print(came:get())  --> SIGUSR1
---net.on_signal("SIGUSR1", nil)
---```
---@param name string the signal's name
---@param fn fun(name:string)? what runs; nil takes it away
function net.on_signal(name, fn) end

-- ## Constants

---IPv4, ip(7)
net.AF_INET = 2

---IPv6, ipv6(7)
net.AF_INET6 = 10

---sockets on one machine, unix(7)
net.AF_UNIX = 1

---a stream of bytes: TCP, tcp(7)
net.SOCK_STREAM = 1

---datagrams: UDP, udp(7)
net.SOCK_DGRAM = 2

---no more receiving, shutdown(2)
net.SHUT_RD = 0

---no more sending: the peer reads the end of the stream
net.SHUT_WR = 1

---both
net.SHUT_RDWR = 2

return net
