/* A net that wraps another and lets some of its operations fail, by seed. Soft faults are
 * what every program has to live with unnoticed: short counts, -EAGAIN that was needless,
 * events that mean nothing, no descriptor for an accept. Hard faults are failures.
 * A needless -EAGAIN brings its own event (rule 2 of net.h). -EINTR never comes: that is
 * the backends' own affair. */
#ifndef SUPPORT_FAULT_NET_H
#define SUPPORT_FAULT_NET_H

#include "net/net.h"

/* How often, in thousandths of the calls. */
struct fault_rates {
  int short_count;   /* recv, send and sendfile move less than they could */
  int again;         /* recv, send, accept, recvmsg, sendmsg, sendfile, connect */
  int spurious;      /* events that mean nothing, and polls that end early */
  int no_descriptor; /* accept: EMFILE ENFILE ENOMEM ENOBUFS ECONNABORTED EPROTO */
  int no_sendfile;   /* sendfile: EINVAL, the bytes have to be copied */
  int reset;         /* recv, send, sendfile: ECONNRESET, EPIPE, ETIMEDOUT */
  int refused;       /* connect, bind, listen, socket, name_of */
  int no_buffers;    /* sendmsg, recvmsg */
  int no_name;       /* lookup: EAI_AGAIN */
};

extern const struct fault_rates fault_soft, fault_hard;

/* Takes `inner`, and closes it with itself. Fails by abort. */
struct net *fault_net_new(struct net *inner, uint64_t seed,
                          const struct fault_rates *rates);

/* How many faults were injected so far. */
unsigned fault_net_count(const struct net *net);

#endif
