/* The socket options that scripts name. Meanings: socket(7), tcp(7), ip(7), ipv6(7). */
#include "net/option.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LEVEL_SO  SOL_SOCKET
#define LEVEL_IP  IPPROTO_IP
#define LEVEL_V6  IPPROTO_IPV6
#define LEVEL_TCP IPPROTO_TCP

/* A row: level, constant (its name is the script's), type, read-only, text. */
#define ROW(level, name, type, readonly, does) \
  { #name, LEVEL_##level, name, OPTION_##type, readonly, does }

/* Sorted by name (strcmp), since option_find searches by halves; a test proves it. */
/* clang-format off */
static const struct option options[] = {
  ROW(V6,  IPV6_V6ONLY,      BOOL,   0, "an IPv6 socket takes no IPv4 peers"),
  ROW(IP,  IP_TOS,           INT,    0, "type-of-service byte, 0 to 255"),
  ROW(IP,  IP_TTL,           INT,    0, "hops that a sent packet may take, 1 to 255"),
  ROW(SO,  SO_ACCEPTCONN,    BOOL,   1, "the socket listens"),
  ROW(SO,  SO_BROADCAST,     BOOL,   0, "datagrams may go to broadcast addresses"),
  ROW(SO,  SO_DOMAIN,        INT,    1, "the address family, an AF_ number"),
  ROW(SO,  SO_ERROR,         ERROR,  1, "the pending error, which reading clears"),
  ROW(SO,  SO_KEEPALIVE,     BOOL,   0, "probe a silent peer, and break when it is gone"),
  ROW(SO,  SO_LINGER,        LINGER, 0, "seconds that close waits for unsent bytes"),
  ROW(SO,  SO_PROTOCOL,      INT,    1, "the protocol, an IPPROTO_ number"),
  ROW(SO,  SO_RCVBUF,        INT,    0, "receive buffer in bytes; the kernel doubles it"),
  ROW(SO,  SO_REUSEADDR,     BOOL,   0, "bind although closed connections hold the port"),
  ROW(SO,  SO_REUSEPORT,     BOOL,   0, "several sockets of one user share the port"),
  ROW(SO,  SO_SNDBUF,        INT,    0, "send buffer in bytes; the kernel doubles it"),
  ROW(SO,  SO_TYPE,          INT,    1, "the socket type, a SOCK_ number"),
  ROW(TCP, TCP_CONGESTION,   STRING, 0, "the congestion control: reno, cubic, bbr ..."),
  ROW(TCP, TCP_CORK,         BOOL,   0, "send full segments only, for 200 milliseconds"),
  ROW(TCP, TCP_KEEPCNT,      INT,    0, "unanswered probes that break the connection"),
  ROW(TCP, TCP_KEEPIDLE,     INT,    0, "seconds of silence before the first probe"),
  ROW(TCP, TCP_KEEPINTVL,    INT,    0, "seconds between probes"),
  ROW(TCP, TCP_NODELAY,      BOOL,   0, "send small segments at once (Nagle off)"),
  ROW(TCP, TCP_QUICKACK,     BOOL,   0, "acknowledge at once; does not stay on"),
  ROW(TCP, TCP_USER_TIMEOUT, INT,    0, "milliseconds that sent bytes may wait for ACK"),
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
