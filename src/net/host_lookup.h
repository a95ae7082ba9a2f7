/* Name look-ups of the host backends: a thread asks, and the ticket is a descriptor that
 * becomes readable. Made of the backend's own adopt, recv and close. */
#ifndef NET_HOST_LOOKUP_H
#define NET_HOST_LOOKUP_H

#include "net/net.h"
#include "net/resolver.h"

/* net_ops.lookup; makes the resolver at the first name that has to be asked. */
int host_lookup(struct net *net, struct resolver **resolver, struct net_lookup *q);

/* net_ops.forget. */
void host_forget(struct net *net, struct resolver *resolver, struct net_lookup *q);

#endif
