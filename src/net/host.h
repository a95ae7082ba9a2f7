/* What both host backends share: operations that are one direct system call. Each returns
 * >= 0 or -errno; EINTR is dealt with here and in the backends, nowhere else. */
#ifndef NET_HOST_H
#define NET_HOST_H

#include "net/net.h"

int host_bind(struct net *net, net_h h, const struct addr *addr);
int host_listen(struct net *net, net_h h, int backlog);
int host_setopt(struct net *net, net_h h, int level, int name, const void *, socklen_t);
int host_getopt(struct net *net, net_h h, int level, int name, void *, socklen_t *);
int host_name_of(struct net *net, net_h h, int which, struct addr *out);
int64_t host_now(struct net *net);

#endif
