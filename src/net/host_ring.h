/* A ring of io_uring for one thread: sends that leave together, receives that wait for bytes
 * and take a buffer from a second ring when some have come, closes, and one watch over an
 * epoll descriptor for everything else. It knows no handle but by number and generation; what a
 * completion means is its user's business (host_uring.c).
 *
 * Everything happens in ring_enter, ring_reap and where the submission queue is full: the
 * kernel runs what completions need only then (IORING_SETUP_DEFER_TASKRUN). A send is done
 * when the call that submitted it returns, because it never waits (MSG_DONTWAIT). */
#ifndef NET_HOST_RING_H
#define NET_HOST_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  RING_ENTRIES = 1024,      /* of the submission queue */
  RING_COMPLETIONS = 16384, /* what is more waits in the kernel */
  RING_BUFFERS = 1024,
  RING_BUFFER_BYTES = 2048,
};

enum ring_op { RING_RECV = 1, RING_SEND, RING_CANCEL, RING_WATCH };

struct ring;

/* What has happened. */
struct ring_done {
  enum ring_op op;
  uint32_t id;         /* the descriptor, of RING_SEND the number that was given */
  uint32_t generation; /* as it was given */
  int result;          /* >= 0 or -errno */
  bool more;           /* the watch stays armed */
  bool rest;           /* of a receive: more was there */
  int buffer;          /* that the result lies in; -1: none */
};

/* A ring, or NULL with `*status`: -ENOSYS: the kernel has no io_uring; -EOPNOTSUPP: it has, but
 * cannot do all that is needed; -EPERM: it is not allowed; or what was short. */
struct ring *ring_open(int *status);

/* The same with other sizes, which are powers of two. */
struct ring *ring_open_sized(unsigned entries, unsigned completions, unsigned buffers,
                             int *status);
void ring_close(struct ring *ring);

/* Each puts something into the submission queue; where that is full, it is submitted. */
void ring_recv(struct ring *ring, int fd, uint32_t generation);
void ring_cancel_recv(struct ring *ring, int fd, uint32_t generation);
void ring_send(struct ring *ring, int fd, uint32_t number, const void *bytes, size_t n);
void ring_watch(struct ring *ring, int epoll_fd);

/* Submits all that is queued, and waits for a completion until the deadline (monotonic
 * nanoseconds; -1: without a limit; the past: not at all). 0, or -errno; a signal is no error,
 * and a kernel without memory for it is asked again. */
int ring_enter(struct ring *ring, int64_t deadline_ns);

/* The same without waiting: the kernel completes what it can. */
int ring_reap(struct ring *ring);

/* True while something is queued that was not submitted. */
bool ring_queued(const struct ring *ring);

/* True when a completion waits to be taken. */
bool ring_has(const struct ring *ring);

/* The next completion; false: there is none. */
bool ring_next(struct ring *ring, struct ring_done *done);

/* A buffer's bytes, and its way back to the kernel. */
char *ring_bytes(struct ring *ring, int buffer);
void ring_give(struct ring *ring, int buffer);

/* How many buffers the kernel has: all of them when nothing is held. */
int ring_idle(const struct ring *ring);

#endif
