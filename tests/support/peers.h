/* Helpers of the tests of nets: operations that wait, for any net. Each waits at most ten
 * seconds of the net's clock. They fail by abort. */
#ifndef SUPPORT_PEERS_H
#define SUPPORT_PEERS_H

#include "net/net.h"

/* Polls until an event of `what` for `h` has come. */
void peers_await(struct net *net, net_h h, uint32_t what);

/* The operations, with -EAGAIN waited for. */
ssize_t peers_recv(struct net *net, net_h h, void *bytes, size_t n);
ssize_t peers_send(struct net *net, net_h h, const void *bytes, size_t n);
int peers_connect(struct net *net, net_h h, const struct addr *addr);
net_h peers_accept(struct net *net, net_h h);
ssize_t peers_recvfrom(struct net *net, net_h h, void *bytes, size_t n, struct addr *from,
                       size_t *size);
ssize_t peers_sendto(struct net *net, net_h h, const void *bytes, size_t n,
                     const struct addr *to);
int peers_lookup(struct net *net, struct net_lookup *q);

/* Receives exactly the text, over as many calls as it takes. */
void peers_expect(struct net *net, net_h h, const char *text);

/* A socket of AF_INET bound to a free port of the loopback. */
net_h peers_bound(struct net *net, int type, struct addr *addr);

/* One that listens. */
net_h peers_listener(struct net *net, struct addr *addr);

/* Two streams that are connected. */
void peers_pair(struct net *net, net_h *a, net_h *b);

#endif
