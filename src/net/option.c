/* The socket options that scripts name, and those of the man pages that they cannot use.
 * Meanings: socket(7), tcp(7), udp(7), ip(7), ipv6(7). */
#include "net/option.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LEVEL_SO  SOL_SOCKET
#define LEVEL_IP  IPPROTO_IP
#define LEVEL_V6  IPPROTO_IPV6
#define LEVEL_TCP IPPROTO_TCP
#define LEVEL_UDP IPPROTO_UDP

/* A row: level, constant (its name is the script's), type, access (0: both ways, 1: read
 * only, 2: set only), text. */
#define ROW(level, name, type, access, does) \
  { #name, LEVEL_##level, name, OPTION_##type, access, does }

/* An option of the man pages that is left out, and why. */
#define LEFT(name, why) \
  { #name, 0, 0, OPTION_LEFT, OPTION_READ_ONLY, why }

/* Sorted by name (strcmp), since option_find searches by halves; a test proves it. */
/* clang-format off */
static const struct option options[] = {
  LEFT(IPV6_ADDRFORM,            "it would make the socket one of another family"),
  ROW(V6,  IPV6_ADD_MEMBERSHIP,      MEMBERSIX, 2, "join a multicast group: {group=, interface=}"),
  LEFT(IPV6_AUTHHDR,             "the kernel has no such option"),
  ROW(V6,  IPV6_DROP_MEMBERSHIP,     MEMBERSIX, 2, "leave a multicast group: {group=, interface=}"),
  LEFT(IPV6_DSTOPTS,             "it makes extension headers, which recvmsg does not decode"),
  LEFT(IPV6_FLOWINFO,            "it makes flow labels, which recvmsg does not decode"),
  LEFT(IPV6_HOPLIMIT,            "use IPV6_RECVHOPLIMIT (RFC 3542)"),
  LEFT(IPV6_HOPOPTS,             "it makes extension headers, which recvmsg does not decode"),
  ROW(V6,  IPV6_MTU,                 INT,       0, "the path MTU of the connection in bytes"),
  ROW(V6,  IPV6_MTU_DISCOVER,        INT,       0, "path MTU discovery, an IP_PMTUDISC_ number"),
  ROW(V6,  IPV6_MULTICAST_HOPS,      INT,       0, "hops that a sent multicast may take; -1: the route's"),
  ROW(V6,  IPV6_MULTICAST_IF,        DEVICE,    0, "the interface that multicasts leave by; 0: the route's"),
  ROW(V6,  IPV6_MULTICAST_LOOP,      BOOL,      0, "this machine gets the multicasts that it sends"),
  LEFT(IPV6_PKTINFO,             "use IPV6_RECVPKTINFO (RFC 3542)"),
  LEFT(IPV6_RECVERR,             "the error queue is not read yet"),
  ROW(V6,  IPV6_RECVHOPLIMIT,        BOOL,      0, "recvmsg tells each datagram's hop limit"),
  ROW(V6,  IPV6_RECVPKTINFO,         BOOL,      0, "recvmsg tells each datagram's local address"),
  ROW(V6,  IPV6_RECVTCLASS,          BOOL,      0, "recvmsg tells each datagram's traffic class"),
  LEFT(IPV6_ROUTER_ALERT,        "it is for raw sockets"),
  LEFT(IPV6_RTHDR,               "it makes extension headers, which recvmsg does not decode"),
  ROW(V6,  IPV6_TCLASS,              INT,       0, "traffic class, 0 to 255; -1: the default"),
  ROW(V6,  IPV6_UNICAST_HOPS,        INT,       0, "hops that a sent packet may take; -1: the route's"),
  ROW(V6,  IPV6_V6ONLY,              BOOL,      0, "an IPv6 socket takes no IPv4 peers"),
  ROW(IP,  IP_ADD_MEMBERSHIP,        MEMBER,    2, "join a multicast group: {group=, interface=}"),
  ROW(IP,  IP_ADD_SOURCE_MEMBERSHIP, SOURCE,    2, "join for one sender: {group=, source=, interface=}"),
  ROW(IP,  IP_BIND_ADDRESS_NO_PORT,  BOOL,      0, "bind to port 0 leaves the choice to connect"),
  ROW(IP,  IP_BLOCK_SOURCE,          SOURCE,    2, "drop a sender of a joined group"),
  ROW(IP,  IP_DROP_MEMBERSHIP,       MEMBER,    2, "leave a multicast group: {group=, interface=}"),
  ROW(IP,  IP_DROP_SOURCE_MEMBERSHIP, SOURCE,    2, "leave one sender of a group"),
  ROW(IP,  IP_FREEBIND,              BOOL,      0, "bind to an address that this machine does not have yet"),
  LEFT(IP_HDRINCL,               "it is for raw sockets"),
  LEFT(IP_MSFILTER,              "use IP_ADD_SOURCE_MEMBERSHIP and IP_BLOCK_SOURCE"),
  ROW(IP,  IP_MTU,                   INT,       1, "the path MTU of the connection in bytes"),
  ROW(IP,  IP_MTU_DISCOVER,          INT,       0, "path MTU discovery, an IP_PMTUDISC_ number"),
  ROW(IP,  IP_MULTICAST_ALL,         BOOL,      0, "get what any socket of this machine has joined"),
  ROW(IP,  IP_MULTICAST_IF,          OUTGOING,  0, "the interface that multicasts leave by"),
  ROW(IP,  IP_MULTICAST_LOOP,        BOOL,      0, "this machine gets the multicasts that it sends"),
  ROW(IP,  IP_MULTICAST_TTL,         INT,       0, "hops that a sent multicast may take, 0 to 255"),
  LEFT(IP_NODEFRAG,              "it is for raw sockets"),
  ROW(IP,  IP_OPTIONS,               BYTES,     0, "options of every sent packet, at most 40 bytes"),
  LEFT(IP_PASSSEC,               "security labels are not decoded"),
  ROW(IP,  IP_PKTINFO,               BOOL,      0, "recvmsg tells each datagram's local address"),
  LEFT(IP_RECVERR,               "the error queue is not read yet"),
  LEFT(IP_RECVOPTS,              "packet options are not decoded"),
  LEFT(IP_RECVORIGDSTADDR,       "the first destination is not decoded; use IP_PKTINFO"),
  ROW(IP,  IP_RECVTOS,               BOOL,      0, "recvmsg tells each datagram's type of service"),
  ROW(IP,  IP_RECVTTL,               BOOL,      0, "recvmsg tells each datagram's time to live"),
  LEFT(IP_RETOPTS,               "packet options are not decoded"),
  LEFT(IP_ROUTER_ALERT,          "it is for raw sockets"),
  ROW(IP,  IP_TOS,                   INT,       0, "type-of-service byte, 0 to 255"),
  ROW(IP,  IP_TRANSPARENT,           BOOL,      0, "take packets for foreign addresses; needs CAP_NET_ADMIN"),
  ROW(IP,  IP_TTL,                   INT,       0, "hops that a sent packet may take, 1 to 255"),
  ROW(IP,  IP_UNBLOCK_SOURCE,        SOURCE,    2, "take a blocked sender again"),
  ROW(SO,  SO_ACCEPTCONN,            BOOL,      1, "the socket listens"),
  LEFT(SO_ATTACH_BPF,            "it takes a program's descriptor; bpf(2) is not offered"),
  LEFT(SO_ATTACH_FILTER,         "it takes a program in memory of the caller"),
  LEFT(SO_ATTACH_REUSEPORT_CBPF, "it takes a program in memory of the caller"),
  LEFT(SO_ATTACH_REUSEPORT_EBPF, "it takes a program's descriptor; bpf(2) is not offered"),
  ROW(SO,  SO_BINDTODEVICE,          STRING,    0, "the only interface that packets may use; empty: any"),
  ROW(SO,  SO_BROADCAST,             BOOL,      0, "datagrams may go to broadcast addresses"),
  LEFT(SO_BSDCOMPAT,             "Linux 2.6 has dropped it"),
  ROW(SO,  SO_BUSY_POLL,             INT,       0, "microseconds that a receive may poll the device"),
  ROW(SO,  SO_DEBUG,                 BOOL,      0, "the kernel's debugging; needs CAP_NET_ADMIN"),
  LEFT(SO_DETACH_BPF,            "no program can be attached"),
  LEFT(SO_DETACH_FILTER,         "no program can be attached"),
  ROW(SO,  SO_DOMAIN,                INT,       1, "the address family, an AF_ number"),
  ROW(SO,  SO_DONTROUTE,             BOOL,      0, "send to directly connected hosts only"),
  ROW(SO,  SO_ERROR,                 ERROR,     1, "the pending error, which reading clears"),
  ROW(SO,  SO_INCOMING_CPU,          INT,       0, "the processor that takes the packets; -1: unknown"),
  ROW(SO,  SO_INCOMING_NAPI_ID,      UINT,      1, "the receive queue of the last packet; 0: unknown"),
  ROW(SO,  SO_KEEPALIVE,             BOOL,      0, "probe a silent peer, and break when it is gone"),
  ROW(SO,  SO_LINGER,                LINGER,    0, "seconds that close waits for unsent bytes"),
  LEFT(SO_LOCK_FILTER,           "no program can be attached"),
  ROW(SO,  SO_MARK,                  UINT,      0, "mark of every packet, for routing; needs CAP_NET_ADMIN"),
  ROW(SO,  SO_OOBINLINE,             BOOL,      0, "urgent bytes stay in the stream"),
  ROW(SO,  SO_PASSCRED,              BOOL,      0, "recvmsg tells each Unix message's sender"),
  LEFT(SO_PASSSEC,               "security labels are not decoded"),
  ROW(SO,  SO_PEEK_OFF,              INT,       0, "where MSG_PEEK begins on a Unix socket; -1: the front"),
  ROW(SO,  SO_PEERCRED,              CRED,      1, "{pid=, uid=, gid=} of a Unix peer when it connected"),
  ROW(SO,  SO_PEERSEC,               STRING,    1, "the security label of a Unix peer"),
  ROW(SO,  SO_PRIORITY,              INT,       0, "priority of every sent packet, 0 to 6"),
  ROW(SO,  SO_PROTOCOL,              INT,       1, "the protocol, an IPPROTO_ number"),
  ROW(SO,  SO_RCVBUF,                INT,       0, "receive buffer in bytes; the kernel doubles it"),
  ROW(SO,  SO_RCVBUFFORCE,           INT,       2, "as SO_RCVBUF, beyond the limit; needs CAP_NET_ADMIN"),
  ROW(SO,  SO_RCVLOWAT,              INT,       0, "bytes that have to be there before it counts as readable"),
  ROW(SO,  SO_RCVTIMEO,              TIMEVAL,   1, "seconds that other programs wait; here: settimeout"),
  ROW(SO,  SO_REUSEADDR,             BOOL,      0, "bind although closed connections hold the port"),
  ROW(SO,  SO_REUSEPORT,             BOOL,      0, "several sockets of one user share the port"),
  ROW(SO,  SO_RXQ_OVFL,              BOOL,      0, "recvmsg tells how many datagrams were dropped so far"),
  ROW(SO,  SO_SELECT_ERR_QUEUE,      BOOL,      0, "a queued error counts as urgent data for poll(2)"),
  ROW(SO,  SO_SNDBUF,                INT,       0, "send buffer in bytes; the kernel doubles it"),
  ROW(SO,  SO_SNDBUFFORCE,           INT,       2, "as SO_SNDBUF, beyond the limit; needs CAP_NET_ADMIN"),
  ROW(SO,  SO_SNDLOWAT,              INT,       1, "always 1 on Linux"),
  ROW(SO,  SO_SNDTIMEO,              TIMEVAL,   1, "seconds that other programs wait; here: settimeout"),
  ROW(SO,  SO_TIMESTAMP,             BOOL,      0, "recvmsg tells when each datagram came, to 1 us"),
  ROW(SO,  SO_TIMESTAMPNS,           BOOL,      0, "recvmsg tells when each datagram came, to 1 ns"),
  ROW(SO,  SO_TYPE,                  INT,       1, "the socket type, a SOCK_ number"),
  ROW(TCP, TCP_CONGESTION,           STRING,    0, "the congestion control: reno, cubic, bbr ..."),
  ROW(TCP, TCP_CORK,                 BOOL,      0, "send full segments only, for 200 milliseconds"),
  ROW(TCP, TCP_DEFER_ACCEPT,         INT,       0, "seconds that accept waits for the first bytes"),
  ROW(TCP, TCP_FASTOPEN,             INT,       0, "clients that may wait with data in the SYN (RFC 7413)"),
  ROW(TCP, TCP_FASTOPEN_CONNECT,     BOOL,      0, "connect sends with the first data (RFC 7413)"),
  ROW(TCP, TCP_INFO,                 INFO,      1, "the table of socket:info()"),
  ROW(TCP, TCP_KEEPCNT,              INT,       0, "unanswered probes that break the connection"),
  ROW(TCP, TCP_KEEPIDLE,             INT,       0, "seconds of silence before the first probe"),
  ROW(TCP, TCP_KEEPINTVL,            INT,       0, "seconds between probes"),
  ROW(TCP, TCP_LINGER2,              INT,       0, "seconds in FIN-WAIT-2 after close; -1: none"),
  ROW(TCP, TCP_MAXSEG,               INT,       0, "largest segment in bytes"),
  ROW(TCP, TCP_NODELAY,              BOOL,      0, "send small segments at once (Nagle off)"),
  ROW(TCP, TCP_QUICKACK,             BOOL,      0, "acknowledge at once; does not stay on"),
  ROW(TCP, TCP_SYNCNT,               INT,       0, "times that connect repeats its SYN, 1 to 255"),
  LEFT(TCP_SYNQ_HSIZE,           "a constant of Linux 2.4, and no option"),
  ROW(TCP, TCP_USER_TIMEOUT,         INT,       0, "milliseconds that sent bytes may wait for ACK"),
  ROW(TCP, TCP_WINDOW_CLAMP,         INT,       0, "largest receive window in bytes"),
  ROW(UDP, UDP_CORK,                 BOOL,      0, "gather what is sent into one datagram until it is off"),
  ROW(UDP, UDP_GRO,                  BOOL,      0, "datagrams come in trains, which recv_many and recvfrom tell apart"),
  LEFT(UDP_SEGMENT,              "send_many forms trains by itself"),
};
/* clang-format on */

static int by_name(const void *key, const void *row) {
  return strcmp(key, ((const struct option *)row)->name);
}

const struct option *option_find(const char *name) {
  size_t count = sizeof options / sizeof options[0];
  return bsearch(name, options, count, sizeof options[0], by_name);
}

const struct option *option_table(size_t *count) {
  *count = sizeof options / sizeof options[0];
  return options;
}
