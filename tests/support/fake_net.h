/* A net in memory for tests: sockets of this process only, and a clock that stands still
 * while code runs and jumps when poll waits. Everything is deterministic.
 *
 * Streams hold FAKE_ROOM bytes a direction; UDP drops what a full queue cannot take.
 * Connections to 192.0.2.0/24 are never answered. A lookup is answered FAKE_ANSWER_NS
 * later: "localhost" and "two.test" (two addresses) are known, "slow.test" takes 5 s. */
#ifndef SUPPORT_FAKE_NET_H
#define SUPPORT_FAKE_NET_H

#include "net/net.h"

enum {
  FAKE_ROOM = 64 * 1024,
  FAKE_DATAGRAMS = 64,      /* that a socket queues */
  FAKE_POLL_NS = 1000,      /* what each poll takes at least */
  FAKE_CONNECT_NS = 100000, /* what a connect takes */
  FAKE_ANSWER_NS = 1000000, /* what a lookup takes */
};

/* Fails by abort. */
struct net *fake_net_new(void);

/* Lets time pass. */
void fake_net_advance(struct net *net, int64_t ns);

#endif
