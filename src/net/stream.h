/* A buffered byte stream over a handle: one buffer, filled by one receive at a time. What
 * ended a direction (end of file, a reset) stays: every later call gets the same answer.
 * A read that fails consumes nothing. It never waits: -EAGAIN goes up. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include "base/buf.h"
#include "net/net.h"

struct stream {
  struct buf in;
  size_t scanned;    /* bytes of `in` that the running search has seen */
  int16_t rd_status; /* 0, or what ended the receiving direction (a status) */
  int16_t wr_status; /* the same for sending */
  uint32_t unkept; /* bytes of the last fill that there was no memory for: they lie in its
                        scratch area */
};

void stream_init(struct stream *st);
void stream_fini(struct stream *st);

/* Receives at most `n` bytes once: from the buffer first, else from the net.
 * > 0: that many bytes are at `bytes`; -EAGAIN; STATUS_EOF; another status. */
ssize_t stream_recv(struct stream *st, struct net *net, net_h h, void *bytes, size_t n);

/* Receives once into the empty buffer, which has room for `n` bytes then. As stream_recv. */
ssize_t stream_ahead(struct stream *st, struct net *net, net_h h, size_t n);

/* Drops at most `n` bytes once, those of the buffer first. As stream_recv. */
ssize_t stream_discard(struct stream *st, struct net *net, net_h h, size_t n);

/* Receives once into the buffer, through `scratch` of `n` bytes, so that the buffer grows
 * with what came. > 0; -EAGAIN; STATUS_EOF; another status. */
ssize_t stream_fill(struct stream *st, struct net *net, net_h h, char *scratch, size_t n);

/* Sends once. > 0: taken; -EAGAIN; another status, which stays. */
ssize_t stream_send(struct stream *st, struct net *net, net_h h, const char *bytes,
                    size_t n);

/* As stream_send, past the backend's queue: what the kernel itself took. */
ssize_t stream_send_now(struct stream *st, struct net *net, net_h h, const char *bytes,
                        size_t n);

/* Sends bytes of a file once: > 0, 0: the file ends at `offset`, -EAGAIN, or a status,
 * which stays unless it concerns the file. */
ssize_t stream_sendfile(struct stream *st, struct net *net, net_h h, int fd,
                        int64_t offset, size_t n);

/* Bytes that the buffer does not hold through a pipe, as net_splice_in and net_splice_out do;
 * -EINVAL: they have to be copied. */
ssize_t stream_splice_in(struct stream *st, struct net *net, net_h h, int pipe_fd,
                         size_t n);
ssize_t stream_splice_out(struct stream *st, struct net *net, net_h h, int pipe_fd,
                          size_t n);

/* This side has ended its sending: every later send is told so (EPIPE). */
void stream_end(struct stream *st);

/* Receives and sends messages, which pass the buffer only when it is empty; what is in it came
 * without ancillary data. One element of msg_iov. */
ssize_t stream_recvmsg(struct stream *st, struct net *net, net_h h, struct msghdr *msg,
                       int flags);
ssize_t stream_sendmsg(struct stream *st, struct net *net, net_h h,
                       const struct msghdr *msg, int flags);

/* The offset of `pattern` in the buffer, or -1 with the scan remembered for the next call
 * of the same search; stream_restart begins another search. */
ssize_t stream_find(struct stream *st, const char *pattern, size_t len);

static inline void stream_restart(struct stream *st) {
  st->scanned = 0;
}

/* Drops the first n bytes of the buffer. */
void stream_take(struct stream *st, size_t n);

#endif
