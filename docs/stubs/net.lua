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
---port at the first `sendto`, and can send to IPv4 and IPv6. A name's addresses of both
---families count, as for every `AF_INET6` socket without `IPV6_V6ONLY`.
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
---error and stops nobody else. The call blocks, and closes the listener when it ends. What it
---returns is why: a script whose last line it is writes `assert(net.serve(…))`.
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

---Relays: what `a` receives goes to `b`, and what `b` receives goes to `a`, until both sides
---have ended. Where one has ended, the other is told so (`shutdown` of its connection), and
---may go on sending: half-close. What the streams hold already comes first. Both sockets stay
---open.
---
---Large pieces never enter this program: splice(2) moves them through a pipe inside the
---kernel. Small ones are copied. A direction holds a pipe (1 MiB, where this user may have so
---large a one) only while bytes are in it; who sends faster than the other side reads is
---stopped by its own full window. Files of `net.fdopen` can be relayed too; their bytes are
---copied.
---
---While it runs, both sockets belong to it: another task that reads one raises, and one that
---sends waits until the direction has ended. Urgent bytes are not passed on.
---
---The first failure ends both directions. `err.direction` is `"a_to_b"` or `"b_to_a"`, the
---address is that of the socket that failed, `err.figures` is the table as far as it went; an
---interruption (`net.deadline`, `cancel`) tells it too. A connection that broke did not end:
---`SO_LINGER` is set to 0 on the other socket, so that its peer sees a reset, and no end, when
---it is closed.
---
---Codes: `timeout` (both directions were silent for the idle time), `closed`, `ECONNRESET`,
---`EPIPE`, `ETIMEDOUT`.
---
---Raises: no streams, not connected, the same socket twice; one that another task reads; an idle
---time below 0.
---
---Source: splice(2), shutdown(2), RFC 9293 section 3.6.
---
---```lua
---local net = require "net"
---local client, a = net.socketpair()
---local b, server = net.socketpair()
---net.spawn(function()
---  server:send(server:read("a"):upper())
---  server:close()
---end)
---client:send("question")
---client:shutdown()
---local moved = assert(net.relay(a, b))
---print(moved.a_to_b_bytes, moved.b_to_a_bytes, client:read("a"))  --> 8	8	QUESTION
---for _, s in ipairs { client, a, b } do s:close() end
---```
---@param a net.socket a connected stream
---@param b net.socket another one
---@param options? { idle?: number } `idle`: seconds without a byte in either direction, after which it fails; unless told the smaller `settimeout` of both, for ever without one
---@return { a_to_b_bytes: integer, b_to_a_bytes: integer, seconds: number }? moved what the other side has taken, and how long it took
---@return net.error? err
---@return net.code? code
function net.relay(a, b, options) end

-- ## Sockets, addresses and names

---Makes a socket that is neither bound nor connected.
---
---Codes: `EMFILE`, `ENFILE`, `EAFNOSUPPORT`.
---
---Raises: the family or the type is none of the constants; packets of IP.
---
---Source: socket(2), unix(7) (`SOCK_SEQPACKET`).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
---print(s:getsockopt("SO_TYPE") == net.SOCK_DGRAM)  --> true
---```
---@param family? integer `AF_INET` (the default), `AF_INET6` or `AF_UNIX`
---@param type? integer `SOCK_STREAM` (the default), `SOCK_DGRAM`, or `SOCK_SEQPACKET` (Unix)
---@return net.socket? s the socket
---@return net.error? err
---@return net.code? code
function net.socket(family, type) end

---Two connected Unix sockets without names: for tests, or to talk to oneself.
---`SOCK_SEQPACKET` keeps the borders of messages as datagrams do, over a connection that has
---an end; an empty packet would read as that end, so `send("")` raises.
---
---Codes: `EMFILE`, `ENFILE`.
---
---Raises: a family other than `AF_UNIX`.
---
---Source: socketpair(2), unix(7).
---
---```lua
---local net = require "net"
---local a, b = assert(net.socketpair(net.AF_UNIX, net.SOCK_SEQPACKET))
---a:send("one")
---a:send("two")
---print(b:recv(), b:recv())  --> one	two	nil	3
---a:close()
---print(select(3, b:recv()))  --> eof
---b:close()
---```
---@param family? integer `net.AF_UNIX`, the default
---@param type? integer `net.SOCK_STREAM` (the default), `net.SOCK_DGRAM` or `net.SOCK_SEQPACKET`
---@return net.socket? a one end
---@return net.socket b the other
---@return net.error? err
---@return net.code? code
function net.socketpair(family, type) end

---Takes a descriptor that is open already: from socket activation, a shell's `5<file`, or
---another program. A socket becomes what it is (listening, connected, datagrams); a pipe, a
---terminal or a file becomes a stream. From then on it is the socket's: `close` and the
---garbage collector close it. `io.stdin` only borrows descriptor 0; this takes it.
---
---Other programs may share it, so `O_NONBLOCK` is never set on it. Sockets are used with
---`MSG_DONTWAIT`; other files are asked with poll(2) first, and written in pieces of 4 KiB,
---which a pipe takes without waiting. Three things can stop all tasks for a while: a client of
---a shared listener that another program accepts first, input that another program reads first
---or a terminal drops (Ctrl-C), and a terminal that is stopped (Ctrl-S) within a piece.
---`io.stdin` opens a terminal once more, so its reads do not. Descriptors above 2 are closed on
---exec.
---
---Codes: `EBADF` (nothing is open there), `EBUSY` (a socket or the runtime uses it).
---
---Source: socket(7) (`SO_DOMAIN`, `SO_TYPE`, `SO_ACCEPTCONN`), pipe(7), sd_listen_fds(3).
---
---```lua
---local net = require "net"
---print(select(3, net.fdopen(999)))  --> EBADF
---```
---@param fd integer the descriptor's number
---@return net.socket? socket which owns it from now on
---@return net.error? err
---@return net.code? code
function net.fdopen(fd) end

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
---asked at a time, later ones queue. A numeric address is not asked at all. `localhost` is
---the loopback address also where no file says so. All this holds for every name in an
---address argument.
---
---Codes: `EAI_NONAME`, `EAI_ADDRFAMILY` (the name has IPv6 addresses only), `EAI_AGAIN`,
---`EAI_FAIL`, `EAI_NODATA`.
---
---Raises: the name holds a NUL byte or is longer than 255 bytes.
---
---Source: getaddrinfo(3), hosts(5), nsswitch.conf(5), RFC 6761 section 6.3 (localhost).
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
---Codes: `EAI_NONAME`, `EAI_ADDRFAMILY` (the name has addresses of the other family only),
---`EAI_AGAIN`, `EAI_FAIL`, `EAI_SERVICE`, `EAI_FAMILY`.
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

-- ## Files

---Opens a regular file beneath a folder, for reading. Nothing leads out of the folder: not
---`..`, not an absolute path, not a link anywhere in the path (links that stay inside are
---followed). The kernel itself confines the path while it opens it; nothing is looked at
---before, so nothing can be exchanged in between. A FIFO, a device or a socket is refused
---without waiting.
---
---Opening and reading files blocks the whole program while the disk answers ([files](file.md)).
---
---Codes: `ENOENT`, `EACCES`, `ENAMETOOLONG`, `ELOOP`; `EXDEV`: the path leads out; `EISDIR`: it
---is a folder; `irregular`: FIFO, device, socket; `EINVAL`: the path has a zero byte; `ENOSYS`:
---this kernel (before Linux 5.6) or a sandbox has no openat2(2).
---
---Raises: no strings.
---
---Source: openat2(2), `RESOLVE_BENEATH`, `RESOLVE_NO_MAGICLINKS`.
---
---```lua
---local net = require "net"
---print(select(3, net.open("/etc", "../proc/version")))  --> EXDEV
---print(select(3, net.open("/", "dev/null")))  --> irregular
---local file <close>, size, mtime = assert(net.open("/etc", "passwd"))
---print(#file:read("a") == size, mtime < os.time())  --> true	true
---```
---@param root string the folder
---@param path string the file, from there
---@return net.file? file
---@return integer size its bytes
---@return number mtime when it was changed last, in seconds since 1970
---@return net.error? err
---@return net.code? code
function net.open(root, path) end

-- ## Bytes

---Makes a [buffer](buffer.md): bytes that are written and read in place, for receives and
---sends that make no strings. A number gives so many zero bytes, a string a buffer that
---holds its bytes. The size stays.
---
---Raises: fewer than 0 bytes or more than 2^30; neither number nor string.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---local b = net.buffer(65536)
---client:send("hello")
---local n = conn:recv_into(b)
---conn:send(b, 1, n)
---print(client:recv())  --> hello
---```
---@param what integer|string bytes, or what it holds
---@return net.buffer buffer
function net.buffer(what) end

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

---Waits. 0 or less still lets every other task run once; `math.huge` is for ever.
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

---Waits until one of several sockets is ready: the classical loop of one task and many
---clients. A reader is ready when bytes, the end or an error are there, in the socket's buffer
---or in the kernel, and a listener when a client waits; a writer when there is room. A closed
---socket is ready, since no operation on it waits. Both lists are empty when the time is up.
---
---A buffer that holds half a line counts as ready, so a loop over `poll` reads with `recv`.
---
---Raises: another task waits on one of them (the message names the task), and what is no
---socket.
---
---Source: select(2), poll(2).
---
---```lua
---local net = require "net"
---local a, b = assert(net.socketpair())
---a:send("x")
---local readers, writers = net.poll({ a, b }, { a }, 1)
---print(#readers, readers[1] == b, #writers)  --> 1	true	1
---a:close()
---b:close()
---```
---@param readers? net.socket[] those to read, accept or receive from
---@param writers? net.socket[] those to send on
---@param timeout? number seconds; 0 does not wait, nil has no limit
---@return net.socket[]? ready_readers in the order of `readers`
---@return net.socket[] ready_writers in the order of `writers`
---@return net.error? err
---@return net.code? code
function net.poll(readers, writers, timeout) end

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
---| `where` | the script's line in which it waits or runs; else that which spawned it |
---| `waits_in` | the operation, and the peer or the task: `"recv 192.0.2.1:80"`, `"join task 3"`; nil unless it waits |
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
---These can be taken: `SIGALRM`, `SIGCHLD`, `SIGCONT`, `SIGHUP`, `SIGINT`, `SIGPIPE`,
---`SIGQUIT`, `SIGTERM`, `SIGUSR1`, `SIGUSR2`, `SIGWINCH`. Who takes `SIGINT` or `SIGTERM`
---has to end the program; who takes `SIGQUIT` has no report at Ctrl-\.
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

---packets over a connection, Unix only, unix(7)
net.SOCK_SEQPACKET = 5

---no more receiving, shutdown(2)
net.SHUT_RD = 0

---no more sending: the peer reads the end of the stream
net.SHUT_WR = 1

---both
net.SHUT_RDWR = 2

-- ### Flags
--
-- Of `send` and `recv`, combined with `|`; [what they do](socket.md#flags).

---the neighbour is alive: no ARP question, send(2)
net.MSG_CONFIRM = 2048

---to directly connected hosts only, send(2)
net.MSG_DONTROUTE = 4

---the code `EAGAIN` instead of a wait, recv(2)
net.MSG_DONTWAIT = 64

---more follows, send(2)
net.MSG_MORE = 32768

---no SIGPIPE; always on, send(2)
net.MSG_NOSIGNAL = 16384

---the urgent byte, tcp(7)
net.MSG_OOB = 1

---the bytes stay, recv(2)
net.MSG_PEEK = 2

-- ### Options by number
--
-- Levels for `setsockopt { level, number }`, and values of options.

---level of the options of every socket, socket(7)
net.SOL_SOCKET = 1

---level of IPv4, ip(7)
net.IPPROTO_IP = 0

---level of IPv6, ipv6(7)
net.IPPROTO_IPV6 = 41

---level of TCP, tcp(7)
net.IPPROTO_TCP = 6

---level of UDP, udp(7)
net.IPPROTO_UDP = 17

---for `IP_TOS`: little delay, ip(7)
net.IPTOS_LOWDELAY = 16

---for `IP_TOS`: much throughput
net.IPTOS_THROUGHPUT = 8

---for `IP_TOS`: few losses
net.IPTOS_RELIABILITY = 4

---for `IP_TOS`: background traffic
net.IPTOS_MINCOST = 2

---for `IP_MTU_DISCOVER`: never set Don't Fragment, ip(7)
net.IP_PMTUDISC_DONT = 0

---for `IP_MTU_DISCOVER`: as the route says
net.IP_PMTUDISC_WANT = 1

---for `IP_MTU_DISCOVER`: always set it; too large fails with `EMSGSIZE`
net.IP_PMTUDISC_DO = 2

---for `IP_MTU_DISCOVER`: set it, and ignore the path MTU
net.IP_PMTUDISC_PROBE = 3

return net
