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
  int short_count;   /* what moves bytes of streams, or many datagrams, moves fewer */
  int again;         /* what moves bytes, accept, connect */
  int spurious;      /* events that mean nothing, and polls that end early */
  int no_descriptor; /* accept: EMFILE ENFILE ENOMEM ENOBUFS ECONNABORTED EPROTO */
  int no_sendfile;   /* sendfile: EINVAL, the bytes have to be copied */
  int no_trains;     /* sendmany with UDP_SEGMENT: EIO EINVAL EMSGSIZE */
  int no_discard;    /* discard: EINVAL, the bytes have to be received */
  int no_splice;     /* splice_in, splice_out: EINVAL, the bytes have to be copied */
  int reset;         /* what moves bytes of streams: ECONNRESET, EPIPE, ETIMEDOUT */
  int refused;       /* connect, bind, listen, socket, name_of */
  int no_buffers;    /* sendmsg, recvmsg, sendmany, recvmany */
  int no_name;       /* lookup: EAI_AGAIN */
};

extern const struct fault_rates fault_soft, fault_hard;

/* Takes `inner`, and closes it with itself. Fails by abort. */
struct net *fault_net_new(struct net *inner, uint64_t seed,
                          const struct fault_rates *rates);

/* How many faults were injected so far. */
unsigned fault_net_count(const struct net *net);

/* The operations of the seam that can be made to fail. */
enum fault_op {
  FAULT_NONE,
  FAULT_SOCKET,
  FAULT_ADOPT,
  FAULT_PAIR,
  FAULT_BIND,
  FAULT_LISTEN,
  FAULT_SETOPT,
  FAULT_GETOPT,
  FAULT_NAME_OF,
  FAULT_CONNECT,
  FAULT_ACCEPT,
  FAULT_RECV,
  FAULT_SEND,
  FAULT_RECVMSG,
  FAULT_SENDMSG,
  FAULT_SPLICE_IN,
  FAULT_SPLICE_OUT,
  FAULT_READY,
  FAULT_FLUSH,
  FAULT_SHUTDOWN,
  FAULT_CLOSE,
  FAULT_LOOKUP,
  FAULT_POLL,
  FAULT_DISCARD,
  FAULT_RECVMANY,
  FAULT_SENDMANY,
  FAULT_OPS
};

const char *fault_op_name(enum fault_op op);

/* One operation that fails: from now on the `nth` call of `op` gives `status` instead of
 * being carried out; a close is carried out all the same, as close(2) is. */
void fault_net_fail(struct net *net, enum fault_op op, unsigned nth, int status);

/* How often the operation was called since then. */
unsigned fault_net_calls(const struct net *net, enum fault_op op);

/* The operation that failed so, and its status; NULL: not yet, or no such net. */
const char *fault_net_struck(const struct net *net, int *status);

/* Once `struck` says so, a poll that would sleep for more than `long_ns` and finds nothing
 * for `patience_ns` calls `idle`, once. */
struct fault_patience {
  int64_t long_ns, patience_ns;
  bool (*struck)(void *arg);
  void (*idle)(void *arg);
  void *arg;
};
void fault_net_patience(struct net *net, const struct fault_patience *patience);

#endif
