/* The seam: everything the outside world can do (sockets, names, the clock and the
 * waiting) is one struct of functions. The host backends fill it, and so do the unit
 * tests' fake and the fault-injecting net. Above it there is no errno, no EINTR and no
 * system call on a socket.
 *
 * Promises of every backend (each is a test):
 *  1. An operation returns >= 0 or -errno. It never sleeps, never touches Lua.
 *  2. -EAGAIN means "park": the operation has armed its own wake, and an event for the
 *     handle comes from poll. It may be called again at any time; it arms once. Who waits
 *     without having got -EAGAIN is never woken.
 *  3. An event is a hint: it may be spurious, or belong to a former owner of the number.
 *     Restart the operation from the top.
 *  4. Every end of an armed operation raises an event, errors and hang-ups too.
 *  5. poll gives each handle at most once a call; what does not fit stays for the next
 *     call, which then does not sleep.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "net/addr.h"

/* A handle: >= 0, small and dense, so that waiters are a table indexed by it. */
typedef int32_t net_h;

enum { NET_RD = 1, NET_WR = 2 };
enum { NET_LOCAL, NET_PEER };
enum { NET_NEVER = -1 }; /* a deadline that never comes */

struct net;

struct net_event {
  net_h h;
  uint32_t what; /* NET_RD | NET_WR */
};

/* A question to the resolver, and its answer. The caller owns the struct and keeps it
 * in place until net_lookup has answered or net_forget was called. */
struct net_lookup {
  const char *host;      /* borrowed; NULL: any-address (passive) or loopback */
  const char *service;   /* borrowed; NULL: port 0 */
  const struct addr *of; /* borrowed; not NULL: the reverse question, of this address */
  int family, type;      /* AF_UNSPEC and 0 take all */
  bool passive;          /* the addresses are to be bound */
  bool name_required;    /* reverse: no name is a failure, not the number as text */
  struct addr *addrs;    /* owned answer: `count` addresses without repeats */
  int count;
  char name[256], port_name[64]; /* the answer to a reverse question */
  net_h ticket;  /* events for the answer come on this handle; -1: none pending */
  void *pending; /* the backend's */
};

struct net_ops {
  const char *name;
  net_h (*socket)(struct net *, int family, int type, int proto);
  /* An inherited descriptor, a socket or not: O_NONBLOCK is never set on it. close gives
   * an owned one back to the kernel; one that is not stays open, and where it is a terminal
   * the handle may be another descriptor of that. -EBUSY: it is this net's. */
  net_h (*adopt)(struct net *, int fd, bool own);
  int (*pair)(struct net *, int family, int type, net_h out[2]); /* connected sockets */
  int (*bind)(struct net *, net_h, const struct addr *);
  int (*listen)(struct net *, net_h, int backlog);
  int (*setopt)(struct net *, net_h, int level, int name, const void *, socklen_t);
  int (*getopt)(struct net *, net_h, int level, int name, void *, socklen_t *);
  int (*name_of)(struct net *, net_h, int which, struct addr *); /* NET_LOCAL, NET_PEER */
  /* Restartable: the first call starts, later calls give 0 or how it ended. -EBUSY: the
   * backlog of a Unix listener is full; no event tells of room, so ask again later. */
  int (*connect)(struct net *, net_h, const struct addr *);
  net_h (*accept)(struct net *, net_h); /* a new handle; its peer by name_of */
  ssize_t (*recv)(struct net *, net_h, void *, size_t); /* 0: end of stream */
  /* Receives up to n bytes of a stream, those that are held first, and drops them without
   * copying them. As recv; -EINVAL: not with this handle, receive them. */
  ssize_t (*discard)(struct net *, net_h, size_t n);
  /* > 0: taken, maybe fewer; the bytes are free again when it returns. */
  ssize_t (*send)(struct net *, net_h, const void *, size_t);
  ssize_t (*recvmsg)(struct net *, net_h, struct msghdr *, int flags);
  ssize_t (*sendmsg)(struct net *, net_h, const struct msghdr *, int flags);
  /* Up to `n` datagrams, as sendmmsg(2) and recvmmsg(2): how many went or came, at least one,
   * each with its msg_len; or the status of the first, and none did. What stopped the rest is
   * lost: ask again from there. Held datagrams come first, and may be all that come. */
  int (*sendmany)(struct net *, net_h, struct mmsghdr *, unsigned n, int flags);
  int (*recvmany)(struct net *, net_h, struct mmsghdr *, unsigned n, int flags);
  /* Bytes `offset` to `offset + n` of an open file, after what is queued, without copying
   * them. > 0: taken, maybe fewer; 0: the file ends at `offset`; -EINVAL: not from this
   * file or to this handle, copy them. */
  ssize_t (*sendfile)(struct net *, net_h, int fd, int64_t offset, size_t n);
  /* Bytes of a stream into a pipe, without copying them: at most n, what is held first. The
   * pipe is empty and neither end of it blocks. > 0: so many; 0: end of stream; -EAGAIN;
   * -EINVAL: not from this handle, copy them. */
  ssize_t (*splice_in)(struct net *, net_h, int pipe_fd, size_t n);
  /* The first n bytes of those in a pipe, after what is queued. > 0: taken, maybe fewer;
   * -EAGAIN; -EINVAL: not to this handle, copy them. */
  ssize_t (*splice_out)(struct net *, net_h, int pipe_fd, size_t n);
  /* Which of `n` handles can be read or written now, for those who wait for several:
   * leaves in `what` of each what of it is ready; the rest has armed its wake as -EAGAIN
   * does. How many have something. */
  int (*ready)(struct net *, struct net_event *asked, int n);
  int (*flush)(struct net *, net_h); /* 0: everything sent is in the kernel */
  int (*shutdown)(struct net *, net_h, int how);
  int (*close)(struct net *, net_h); /* the handle is gone whatever it returns */
  /* Restartable: 0: answered; -EAGAIN: events come on the ticket; else a status. */
  int (*lookup)(struct net *, struct net_lookup *);
  void (*forget)(struct net *, struct net_lookup *); /* drops a pending question */
  /* Sends what is queued, sleeps until an event or `deadline_ns` (NET_NEVER: no limit;
   * the past: not at all), takes in. The number of events; never -EINTR. */
  int (*poll)(struct net *, struct net_event *, int max, int64_t deadline_ns);
  /* The process ends: until no close lingers. */
  int (*drain)(struct net *, int64_t deadline_ns);
  void (*wake)(struct net *);   /* ends a poll; safe from threads and signal handlers */
  int64_t (*now)(struct net *); /* monotonic nanoseconds */
  void (*free)(struct net *);
};

/* What an observer is told of one operation, after it has ended. */
struct net_call {
  const char *op;
  net_h h;
  int64_t result;          /* >= 0 or a status */
  const struct addr *addr; /* where the operation names one, else NULL */
  const void *data;        /* bytes moved (`result` of them), else NULL */
};

struct net_observer {
  void (*call)(struct net_observer *, struct net *, const struct net_call *);
};

/* Every backend's struct begins with this. */
struct net {
  const struct net_ops *ops;
  struct net_observer *observer; /* borrowed; NULL: off, one predictable branch a call */
  int open;                      /* handles that are open: the leak test of every suite */
  /* Grows each time bytes of peers may have come: with each poll, and when recv asks the
   * kernel between two polls. */
  uint64_t intake;
  int64_t
      spin_ns; /* so long poll looks again and again before it sleeps; 0: not at all */
};

/* The operations as the rooms above call them: the backend's, then the observer. */
net_h net_socket(struct net *, int family, int type, int proto);
net_h net_adopt(struct net *, int fd, bool own);
int net_pair(struct net *, int family, int type, net_h out[2]);
int net_bind(struct net *, net_h, const struct addr *);
int net_listen(struct net *, net_h, int backlog);
int net_setopt(struct net *, net_h, int level, int name, const void *, socklen_t);
int net_getopt(struct net *, net_h, int level, int name, void *, socklen_t *);
int net_name_of(struct net *, net_h, int which, struct addr *);
int net_connect(struct net *, net_h, const struct addr *);
net_h net_accept(struct net *, net_h);
/* One datagram. `from` and `size` are set when it returns >= 0: the sender, and the
 * datagram's true size, which is larger than the result when it was cut. */
ssize_t net_recvfrom(struct net *, net_h, void *, size_t, struct addr *from, size_t *size,
                     int flags);
/* One datagram; `to` NULL: to the connected peer. */
ssize_t net_sendto(struct net *, net_h, const void *, size_t, const struct addr *to,
                   int flags);
/* One message with everything that recvmsg(2) and sendmsg(2) know. */
ssize_t net_recvmsg(struct net *, net_h, struct msghdr *, int flags);
ssize_t net_sendmsg(struct net *, net_h, const struct msghdr *, int flags);
/* Many datagrams: see net_ops. The observer is told of each as of one message. */
int net_sendmany(struct net *, net_h, struct mmsghdr *, unsigned n, int flags);
int net_recvmany(struct net *, net_h, struct mmsghdr *, unsigned n, int flags);
/* Bytes of a file: > 0, 0: the file ends at `offset`, or a status; copied through memory
 * where the backend has no better way. Reading the file may sleep (net/file.h). */
ssize_t net_sendfile(struct net *, net_h, int fd, int64_t offset, size_t n);
/* Bytes through a pipe: see net_ops.splice_in. */
ssize_t net_splice_in(struct net *, net_h, int pipe_fd, size_t n);
ssize_t net_splice_out(struct net *, net_h, int pipe_fd, size_t n);
int net_ready(struct net *, struct net_event *asked, int n);
/* Hands queued sends of a handle, or of all (-1), to the kernel: see net_ops.flush. */
int net_flush(struct net *, net_h);
/* Waits until everything that was sent is in the kernel. 0, or -ETIMEDOUT. */
int net_drain(struct net *, int64_t deadline_ns);
int net_shutdown(struct net *, net_h, int how);
int net_close(struct net *, net_h);
int net_lookup(struct net *, struct net_lookup *);
void net_forget(struct net *, struct net_lookup *);
int net_poll(struct net *, struct net_event *, int max, int64_t deadline_ns);

/* Frees a lookup's answer and drops it if it is pending. */
void net_lookup_fini(struct net *, struct net_lookup *);

/* Tells the observer; `result` comes back. */
ssize_t net_observed(struct net *, const char *op, net_h h, ssize_t result,
                     const void *data);

static inline ssize_t net_recv(struct net *net, net_h h, void *bytes, size_t n) {
  ssize_t r = net->ops->recv(net, h, bytes, n);
  return net->observer ? net_observed(net, "recv", h, r, bytes) : r;
}

static inline ssize_t net_send(struct net *net, net_h h, const void *bytes, size_t n) {
  ssize_t r = net->ops->send(net, h, bytes, n);
  return net->observer ? net_observed(net, "send", h, r, bytes) : r;
}

/* Bytes of a stream that nobody looks at: as net_recv, through memory where the backend has
 * no better way. */
ssize_t net_discard(struct net *, net_h, size_t n);

static inline int64_t net_now(struct net *net) {
  return net->ops->now(net);
}

static inline void net_wake(struct net *net) {
  net->ops->wake(net);
}

/* The epoll backend over Linux sockets. NULL with `*status` when it cannot be set up. */
struct net *net_host_epoll(int *status);

/* The backend of that name: "epoll"; "uring": io_uring for the bytes of streams, epoll for the
 * rest; "auto" or NULL: that where the kernel allows it, which is found out when a stream first
 * waits, else epoll. NULL with `*status`: -EINVAL: there is no such backend; else what the
 * kernel says. */
struct net *net_host(const char *backend, int *status);

/* 0 when the kernel allows this process what "uring" needs, or why it does not. */
int net_host_has_uring(void);

/* Closes what is left and frees the net. NULL is allowed. */
void net_free(struct net *net);

#endif
