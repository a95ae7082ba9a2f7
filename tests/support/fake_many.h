/* Many datagrams of a net in memory: one after the other. It knows trains (UDP_SEGMENT), but
 * joins none. */
#ifndef SUPPORT_FAKE_MANY_H
#define SUPPORT_FAKE_MANY_H

#include "net/net.h"

int fake_recvmany(struct net *, net_h, struct mmsghdr *, unsigned n, int flags);
int fake_sendmany(struct net *, net_h, struct mmsghdr *, unsigned n, int flags);

/* getsockopt(2) of UDP_SEGMENT answers 0, as of the kernel's. */
bool fake_knows(int level, int name);

#endif
