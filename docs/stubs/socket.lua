---@meta _
-- # Sockets
--
-- [`net.socket`](net.md#netsocket) makes a socket; [`net.connect`](net.md#netconnect),
-- [`net.listen`](net.md#netlisten) and [`net.udp`](net.md#netudp) make one and take the
-- first steps. `local s <close> = …` closes it when the block ends; the garbage collector
-- closes what a script forgot. `tostring(s)` tells its state:
-- `socket (tcp, 127.0.0.1:80 → 127.0.0.1:5012)`.
--
-- A method that a socket does not have raises an error that names the nearest one. Each
-- method that waits stops only its own task, and obeys `settimeout`, deadlines and
-- `cancel`.
--
-- Several tasks may `send`, `sendto`, `accept` or `recvfrom` on one socket: they queue,
-- first come, first served, and the bytes of two sends never mix. A stream has one
-- reader: a second task that reads raises, and the message names the first.

---@class net.socket
local socket = {}

-- ## Making and ending

---Binds a socket to an address of this machine. An empty host means any; port 0 lets the
---kernel choose. On TCP sockets `SO_REUSEADDR` is set first, unless the script has set it
---itself, so that a restarted server gets its port back.
---
---Codes: `EADDRINUSE` (the hint names the holder), `EACCES`, `EADDRNOTAVAIL`, `EINVAL`
---(bound already), `EAI_*`. A failed `bind` makes `listen` and `accept` raise until a
---`bind` succeeds.
---
---Raises: the address is malformed or has no port.
---
---Source: bind(2), ip(7), socket(7).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket(net.AF_INET, net.SOCK_DGRAM))
---assert(s:bind("127.0.0.1", 0))
---print(s:getsockname().port > 0)  --> true
---```
---@param host string|net.address host (empty: any), whole address, or address object
---@param port? integer|string port number, 0 to 65535
---@return net.socket? self
---@return net.error? err
---@return net.code? code
function socket:bind(host, port) end

---Makes a bound stream socket take connections. The kernel completes them by itself, and
---keeps up to `backlog` + 1 until `accept` takes them.
---
---Codes: `EADDRINUSE` (two sockets bound to one port, and the other one listens already).
---
---Raises: a datagram socket; a `bind` that failed before.
---
---Source: listen(2), tcp(7).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket())
---assert(s:bind("127.0.0.1", 0))
---assert(s:listen(1))
---local client <close> = assert(net.connect(s:getsockname()))  -- nobody accepts yet
---print(client)  --> socket (tcp, 127.0.0.1:… → 127.0.0.1:…)
---```
---@param backlog? integer connections; 511 unless told, at most `net.core.somaxconn`
---@return net.socket? self
---@return net.error? err
---@return net.code? code
function socket:listen(backlog) end

---Waits for a connection and gives a new socket for it. The listening socket stays as it
---is. Clients that gave up meanwhile are passed over. When descriptors run out it says so
---once on standard error, waits, and tries again.
---
---Codes: `timeout`, `closed`.
---
---Raises: the socket does not listen, or its `bind` or `listen` has failed.
---
---Source: accept(2), RFC 9293 section 3.10.1.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn, peer = assert(server:accept())
---print(peer == client:getsockname())  --> true
---conn:close()
---```
---@return net.socket? conn the connection
---@return net.address peer the client's address
---@return net.error? err
---@return net.code? code
function socket:accept() end

---Connects to a server. On a datagram socket it only fixes the peer: nothing is sent,
---`send` and `recv` are for that peer, and datagrams of others are dropped. A name takes
---its first address; `net.connect` tries all.
---
---Codes: `ECONNREFUSED`, `ETIMEDOUT`, `ENETUNREACH`, `EHOSTUNREACH`, `EISCONN`,
---`timeout`, `EAI_*`. A failed `connect` of a stream makes `send` and `recv` raise.
---
---Raises: the address is malformed, names no host or no port; the socket listens.
---
---Source: connect(2), RFC 9293 section 3.5.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local s <close> = assert(net.socket())
---s:settimeout(5)
---assert(s:connect(server:getsockname()))
---print(s:getpeername() == server:getsockname())  --> true
---```
---@param host string|net.address host, whole address, or address object
---@param port? integer|string port number, 0 to 65535
---@return net.socket? self
---@return net.error? err
---@return net.code? code
function socket:connect(host, port) end

---Ends one direction. `SHUT_WR` tells the peer that no more bytes come (it reads the end
---of the stream), while this side can still receive.
---
---Codes: `ENOTCONN`, `closed`.
---
---Source: shutdown(2), RFC 9293 section 3.6.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("all there is")
---client:shutdown()
---print(conn:read("a"))  --> all there is
---conn:send("thanks")
---print(client:recv())  --> thanks
---```
---@param how? integer `net.SHUT_WR` (the default), `net.SHUT_RD` or `net.SHUT_RDWR`
---@return net.socket? self
---@return net.error? err
---@return net.code? code
function socket:shutdown(how) end

---Closes the socket. Whoever waits on it gets the code `closed`. A second `close` does
---nothing. A stream that is closed with bytes unread may reset the connection, and the
---peer may then lose what was sent to it: read to the end first (RFC 2525 section 2.17).
---
---Source: close(2).
---
---```lua
---local net = require "net"
---local s = assert(net.udp("127.0.0.1:0"))
---s:close()
---local data, err, code = s:recvfrom()
---print(code, err.text)  --> closed	closed at …:3
---```
---@return boolean ok always true
function socket:close() end

-- ## Sending

---Sends everything, or fails. When the peer is slow the task waits until there is room,
---so a script cannot fill the memory. Success means that the system has the bytes, not
---that the peer has read them. On a connected datagram socket it sends one datagram.
---
---Codes: `EPIPE`, `ECONNRESET`, `timeout`, `closed`; `err.sent` counts the bytes that
---went.
---
---Raises: the stream is not connected; a fragment is not a string.
---
---Source: send(2), RFC 9293 section 3.10.2.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---print(client:send("abc"))             --> 3
---print(client:send { "d", 1, "\n" })   --> 3
---print(conn:read())                    --> abcd1
---```
---@param data string|(string|number)[] the bytes, or a list of fragments
---@return integer? bytes how many, which is all
---@return net.error? err
---@return net.code? code
function socket:send(data) end

---Another name of `send`, as the course's slides call it.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---print(client:write("abc"))  --> 3
---```
---@param data string|(string|number)[] the bytes, or a list of fragments
---@return integer? bytes how many, which is all
---@return net.error? err
---@return net.code? code
function socket:write(data) end

---Sends once, and shows how much the kernel took: what send(2) in C does.
---
---Codes: as `send`.
---
---Raises: a datagram socket, or a stream that is not connected.
---
---Source: send(2).
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local taken = client:send_some(("x"):rep(50000000))
---print(taken > 0, taken < 50000000)  --> true	true
---```
---@param data string|(string|number)[] the bytes, or a list of fragments
---@return integer? bytes how many the kernel took, at least 1
---@return net.error? err
---@return net.code? code
function socket:send_some(data) end

---Sends one datagram, which may be empty. It may be lost on the way, and nobody tells.
---
---Codes: `EMSGSIZE` (more than 65,507 bytes over IPv4), `ENETUNREACH`, `EDESTADDRREQ`,
---`ECONNREFUSED` (connected sockets: the answer to an earlier datagram), `EAI_*`.
---
---Raises: a stream socket; the address is malformed, names no host or no port.
---
---Source: sendto(2), RFC 768, udp(7).
---
---```lua
---local net = require "net"
---local a <close> = assert(net.udp("127.0.0.1:0"))
---local b <close> = assert(net.udp("127.0.0.1:0"))
---print(b:sendto("abc", a:getsockname()))           --> 3
---print(b:sendto("", "127.0.0.1", a:getsockname().port))  --> 0
---```
---@param data string the datagram
---@param host string|net.address host, whole address, or address object
---@param port? integer|string port number, 0 to 65535
---@return integer? bytes how many, which is all
---@return net.error? err
---@return net.code? code
function socket:sendto(data, host, port) end

-- ## Receiving datagrams

---Waits for one datagram. What does not fit into `n` bytes is lost, and `size` tells.
---
---Codes: `timeout`, `closed`, `ECONNREFUSED` (connected sockets).
---
---Raises: a stream socket.
---
---Source: recvmsg(2) (`MSG_TRUNC`), udp(7).
---
---```lua
---local net = require "net"
---local a <close> = assert(net.udp("127.0.0.1:0"))
---local b <close> = assert(net.udp("127.0.0.1:0"))
---b:sendto("abcdef", a:getsockname())
---local data, from, size = a:recvfrom(4)
---print(data, from == b:getsockname(), size)  --> abcd	true	6
---```
---@param n? integer bytes at most, 0 to 65,535; 65,535 unless told
---@return string? data the datagram, cut to `n` bytes
---@return net.address? from the sender; nil for a Unix socket without a name
---@return integer size bytes that the datagram had; more than `#data` when it was cut
---@return net.error? err
---@return net.code? code
function socket:recvfrom(n) end

-- ## Receiving a stream
--
-- A stream has one buffer, which all of these share, so they can be mixed. A read that
-- fails consumes nothing: the bytes stay for the next call, and `err.partial` counts
-- them.

---Gives what has arrived, at least one byte and at most `n`. TCP keeps no message
---borders: one `send` may need several `recv`, and one `recv` may give several sends. On
---a datagram socket it is `recvfrom`.
---
---Codes: `eof` (the peer ended its side), `ECONNRESET`, `timeout`, `closed`.
---
---Raises: the stream is not connected; another task reads it.
---
---Source: recv(2), RFC 9293 section 3.10.3.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("abc")
---print(conn:recv(2), conn:recv(1024))  --> ab	c
---client:close()
---print(select(3, conn:recv()))  --> eof
---```
---@param n? integer bytes at most; 65,536 unless told, and never more than 262,144 at once
---@return string? data
---@return net.error? err
---@return net.code? code
function socket:recv(n) end

---Reads as Lua reads files. `"l"` gives a line without its end (LF or CRLF), `"L"` with
---it, `"a"` everything up to the end of the stream (`""` when there is nothing), a number
---so many bytes or, at the end, what is left.
---
---Codes: `eof`, `oversized`, `timeout`, `closed`, `ECONNRESET`.
---
---Raises: a datagram socket, a stream that is not connected or is read by another task,
---an unknown format.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("one\r\ntwo\nthree and more")
---client:shutdown()
---print(conn:read())     --> one
---print(conn:read("l"))  --> two
---print(conn:read(5))    --> three
---print(conn:read("a"))  -->  and more
---```
---@param format? string|integer `"l"` (the default), `"L"`, `"a"`, or bytes
---@param limits? {max?:integer} bytes at most: of a line 1 MiB, of `"a"` 64 MiB unless told
---@return string? data
---@return net.error? err
---@return net.code? code
function socket:read(format, limits) end

---Reads exactly `n` bytes.
---
---Codes: `eof` (fewer were there; `err.partial` counts them), `timeout`, `closed`,
---`ECONNRESET`.
---
---Raises: as `read`.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send(string.pack(">I2", 5) .. "hello" .. "x")
---client:shutdown()
---local n = string.unpack(">I2", conn:read_exact(2))
---print(conn:read_exact(n))  --> hello
---local data, err, code = conn:read_exact(10)
---print(code, err.partial)   --> eof	1
---```
---@param n integer bytes
---@return string? data
---@return net.error? err
---@return net.code? code
function socket:read_exact(n) end

---Reads up to a delimiter, which is consumed and not part of the result.
---
---Codes: `eof` (no delimiter came; the bytes stay), `oversized`, `timeout`, `closed`.
---
---Raises: as `read`; the delimiter is empty.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("head\r\n\r\nbody")
---print(conn:read_until("\r\n\r\n"))  --> head
---```
---@param delimiter string one byte or more
---@param limits? {max?:integer} bytes before the delimiter; 1 MiB unless told
---@return string? data
---@return net.error? err
---@return net.code? code
function socket:read_until(delimiter, limits) end

---Iterates over lines until the peer ends its side. A last line without an end counts.
---
---Raises: any failure other than the end of the stream, as an error object.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("one\ntwo")
---client:shutdown()
---for line in conn:lines() do print(line) end
-----> one
-----> two
---```
---@param format? string|integer as `read`, without `"a"`
---@param limits? {max?:integer} bytes of a line; 1 MiB unless told
---@return fun():string? next
function socket:lines(format, limits) end

---Iterates over what arrives, piece by piece, up to 64 KiB each, until the peer ends its
---side.
---
---Raises: any failure other than the end of the stream, as an error object.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send(("x"):rep(100000))
---client:close()
---local total = 0
---for piece in conn:pieces() do total = total + #piece end
---print(total)  --> 100000
---```
---@return fun():string? next
function socket:pieces() end

---Looks at what has come, and leaves it there. It waits for one byte, not for `n`.
---
---Codes: `eof`, `timeout`, `closed`, `ECONNRESET`.
---
---Raises: as `read`.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("GET /")
---print(conn:peek(3), conn:recv())  --> GET	GET /
---```
---@param n? integer bytes at most; 65,536 unless told
---@return string? data
---@return net.error? err
---@return net.code? code
function socket:peek(n) end

---Counts the bytes that the buffer holds: received, and not read yet. It asks no kernel.
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---local client <close> = assert(net.connect(server:getsockname()))
---local conn <close> = assert(server:accept())
---client:send("one\ntwo\n")
---conn:read()
---print(conn:pending())  --> 4
---```
---@return integer bytes
function socket:pending() end

-- ## Names, time and options

---Tells the address that the socket is bound to.
---
---Codes: `closed`.
---
---Source: getsockname(2).
---
---```lua
---local net = require "net"
---local server <close> = assert(net.listen("127.0.0.1:0"))
---print(server:getsockname().host)  --> 127.0.0.1
---```
---@return net.address? address
---@return net.error? err
---@return net.code? code
function socket:getsockname() end

---Tells the address of the peer.
---
---Codes: `ENOTCONN`, `closed`.
---
---Source: getpeername(2).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.udp())
---print(select(3, s:getpeername()))  --> ENOTCONN
---```
---@return net.address? address
---@return net.error? err
---@return net.code? code
function socket:getpeername() end

---Limits the time of each coming operation on this socket. The time covers the whole
---call, from its begin to its result. When it is up the call gives the code `timeout`; no
---byte is lost, and the next call has its full time again.
---
---Raises: no argument; not a number, or nan.
---
---```lua
---local net = require "net"
---local s <close> = assert(net.udp("127.0.0.1:0"))
---s:settimeout(0.02)
---print(select(3, s:recvfrom()))  --> timeout
---```
---@param seconds number? seconds; 0 does not wait at all; nil takes the limit away
---@return net.socket self
function socket:settimeout(seconds) end

---Sets an option by its name: [all options](options.md).
---
---Codes: what setsockopt(2) says: `ENOPROTOOPT`, `EINVAL`, `EDOM`, `EPERM`; `closed`.
---
---Raises: no such option, one that is read only, a value of the wrong type.
---
---Source: setsockopt(2), socket(7), tcp(7).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket())
---s:setsockopt("TCP_NODELAY", true)
---print(s:getsockopt("TCP_NODELAY"))  --> true
---```
---@param name net.option the option's name in C
---@param value boolean|integer|string as the table of options says
---@return net.socket? self
---@return net.error? err
---@return net.code? code
function socket:setsockopt(name, value) end

---Reads an option by its name: [all options](options.md).
---
---Codes: `ENOPROTOOPT`, `closed`.
---
---Raises: no such option.
---
---Source: getsockopt(2).
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket())
---print(s:getsockopt("SO_ACCEPTCONN"))  --> false
---```
---@param name net.option the option's name in C
---@return boolean|integer|string|nil value
---@return net.error? err
---@return net.code? code
function socket:getsockopt(name) end

---Tells the descriptor, for other programs' tools (`ss`, `lsof`) and for reading traces.
---The socket still owns it.
---
---Codes: `closed`.
---
---```lua
---local net = require "net"
---local s <close> = assert(net.socket())
---print(s:fileno() > 2)  --> true
---```
---@return integer? descriptor
---@return net.error? err
---@return net.code? code
function socket:fileno() end
