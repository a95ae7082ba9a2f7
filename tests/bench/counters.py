"""What the kernel counts: bytes that connections have taken in, datagrams sent, processor
time. The same for every program, however it counts itself."""
import contextlib
import socket
import struct
import time

from place import file_text

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h, netinet/tcp.h
NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY = 4, 20
NLM_F_REQUEST, NLM_F_DUMP, NLMSG_ERROR, NLMSG_DONE = 1, 0x300, 2, 3
INET_DIAG_INFO, INET_DIAG_CONG = 2, 4
ESTABLISHED, LISTEN = 1, 10
BYTES_RECEIVED = 128  # the offset of tcpi_bytes_received in struct tcp_info
HEADER, MESSAGE = 16, 72  # of struct nlmsghdr, struct inet_diag_msg


def attributes(data):
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def messages(diag):
    """The payloads of a dump, to its end."""
    while True:
        data = diag.recv(1 << 16)
        while data:
            length, kind = struct.unpack_from("=IH", data)
            if kind == NLMSG_DONE:
                return
            if kind == NLMSG_ERROR:
                raise OSError(-struct.unpack_from("=i", data, HEADER)[0], "sock_diag")
            yield data[HEADER:length]
            data = data[(length + 3) & ~3:]


def tcp_sockets(state, port=None, peer=None):
    """The TCP sockets in this state with this local port, or this peer's: a list of (bytes
    received, congestion control)."""
    return [found for family in (socket.AF_INET, socket.AF_INET6)
            for found in sockets_of(family, state, port, peer)]


def sockets_of(family, state, port, peer):
    info = 1 << INET_DIAG_INFO - 1 | 1 << INET_DIAG_CONG - 1
    request = struct.pack("=BBBxI", family, socket.IPPROTO_TCP, info, 1 << state)
    request += struct.pack("!HH", port or 0, peer or 0) + bytes(44)
    head = struct.pack("=IHHII", HEADER + len(request), SOCK_DIAG_BY_FAMILY,
                       NLM_F_REQUEST | NLM_F_DUMP, 0, 0)
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG) as diag:
        diag.send(head + request)
        for data in messages(diag):
            values = attributes(data[MESSAGE:])
            tcp = values.get(INET_DIAG_INFO, b"")
            got = struct.unpack_from("=Q", tcp, BYTES_RECEIVED)[0] \
                if len(tcp) >= BYTES_RECEIVED + 8 else 0
            found.append((got, values.get(INET_DIAG_CONG, b"").rstrip(b"\0").decode()))
    return found


def bytes_received(port):
    """By all connections of the program that listens on the port."""
    return sum(got for got, _ in tcp_sockets(ESTABLISHED, port))


def congestion_to(port):
    """The congestion control that whoever connected to this port sends with."""
    return ",".join(sorted({name for _, name in tcp_sockets(ESTABLISHED, peer=port)}))


def listens(port):
    return bool(tcp_sockets(LISTEN, port))


def udp_bound(port):
    """Whether a program has this port of UDP (proc(5), /proc/net/udp)."""
    rows = [line.split() for line in file_text("/proc/net/udp").splitlines()[1:]]
    return any(int(row[1].split(":")[1], 16) == port for row in rows)


def snmp(protocol, *names):
    """Counters of all programs of this network namespace (snmp_counter of the kernel's
    docs)."""
    rows = [line.split() for line in file_text("/proc/net/snmp").splitlines()
            if line.startswith(protocol + ":")]
    table = dict(zip(*rows))
    return [int(table[name]) for name in names]


def udp(*names):
    """OutDatagrams, InDatagrams, RcvbufErrors. What the kernel cuts or joins counts as one."""
    return snmp("Udp", *names)


def tcp(*names):
    """ActiveOpens, which are connects; AttemptFails, EstabResets."""
    return snmp("Tcp", *names)


def cpu_seconds(pids):
    """User and kernel mode, all threads, to the nanosecond: the clocks that
    clock_getcpuclockid(3) names."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += time.clock_gettime(~pid << 3 | 2)
    return total


def wait_for(condition, what, processes, patience=15):
    """Asks the kernel again and again; ends the bench when a process has ended, or late."""
    limit = time.monotonic() + patience
    while not (found := condition()):
        dead = [p.args for p in processes if p.poll() is not None]
        if dead or time.monotonic() > limit:
            raise RuntimeError(f"{what} in time; ended: {dead}")
        time.sleep(0.005)
    return found
