/* A ring of io_uring. */
#include "net/host_ring.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/host.h"

enum { GROUP = 0 };

/* Small pieces at a distance of a power of two would compete for the same few lines of the
 * processor's cache. */
enum { STRIDE = RING_BUFFER_BYTES + 64 };

struct ring {
  struct io_uring io;
  struct io_uring_buf_ring *provided; /* owned: mapped */
  char *bytes;                        /* owned: mapped, touched where they are used */
  unsigned buffers;
  int idle;
};

/* --- setting up ------------------------------------------------------------------------- */

static void *map(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

static int provide(struct ring *ring) {
  ring->provided = map(ring->buffers * sizeof(struct io_uring_buf));
  ring->bytes = map((size_t)ring->buffers * STRIDE);
  if (!ring->provided || !ring->bytes) return -ENOMEM;
  struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)ring->provided,
                                 .ring_entries = ring->buffers,
                                 .bgid = GROUP};
  int r = io_uring_register_buf_ring(&ring->io, &reg, 0);
  if (r < 0) return r;
  io_uring_buf_ring_init(ring->provided);
  for (unsigned i = 0; i < ring->buffers; i++) ring_give(ring, (int)i);
  return 0;
}

/* A receive has to wait on a descriptor that does not block, and to see what comes: not
 * every kernel that can do all the rest does that. */
static int probe(struct ring *ring) {
  struct ring_done done;
  int fds[2], r = host_pair(AF_UNIX, SOCK_STREAM, fds);
  if (r < 0) return r;
  ring_recv(ring, fds[0], 0);
  r = ring_reap(ring);
  bool early = r == 0 && ring_next(ring, &done);
  ring_send(ring, fds[1], 0, "x", 1);
  if (r == 0 && !early) r = ring_reap(ring);
  bool seen = r == 0 && !early && ring_next(ring, &done) && done.result == 1;
  if (seen && done.buffer >= 0) ring_give(ring, done.buffer);
  close(fds[1]);
  close(fds[0]);
  ring_cancel_recv(ring, fds[0], 0);
  ring_reap(ring);
  while (ring_next(ring, &done))
    if (done.buffer >= 0) ring_give(ring, done.buffer);
  return r < 0 ? r : seen ? 0 : -EOPNOTSUPP;
}

/* A kernel that does not know what it is asked for says that it is invalid. */
static int refusal(int status) {
  return status == -EINVAL ? -EOPNOTSUPP : status;
}

struct ring *ring_open_sized(unsigned entries, unsigned completions, unsigned buffers,
                             int *status) {
  struct ring *ring = calloc(1, sizeof *ring);
  struct io_uring_params params = {
      .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
               IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
      .cq_entries = completions,
  };
  *status = -ENOMEM;
  if (!ring) return NULL;
  ring->buffers = buffers;
  *status = refusal(io_uring_queue_init_params(entries, &ring->io, &params));
  if (*status < 0) {
    free(ring);
    return NULL;
  }
  io_uring_register_ring_fd(&ring->io); /* saves time only: it may fail */
  *status = refusal(provide(ring));
  if (*status == 0) *status = refusal(probe(ring));
  if (*status == 0) return ring;
  ring_close(ring);
  return NULL;
}

struct ring *ring_open(int *status) {
  return ring_open_sized(RING_ENTRIES, RING_COMPLETIONS, RING_BUFFERS, status);
}

void ring_close(struct ring *ring) {
  if (!ring) return;
  io_uring_queue_exit(&ring->io);
  if (ring->provided) munmap(ring->provided, ring->buffers * sizeof(struct io_uring_buf));
  if (ring->bytes) munmap(ring->bytes, (size_t)ring->buffers * STRIDE);
  free(ring);
}

/* --- submitting ------------------------------------------------------------------------- */

static struct io_uring_sqe *entry(struct ring *ring) {
  struct io_uring_sqe *sqe;
  while (!(sqe = io_uring_get_sqe(&ring->io))) ring_reap(ring);
  return sqe;
}

/* After io_uring_prep_*, which clear it. */
static void name(struct io_uring_sqe *sqe, enum ring_op op, uint32_t id,
                 uint32_t generation) {
  io_uring_sqe_set_data64(sqe, (uint64_t)generation << 32 | (uint32_t)op << 28 | id);
}

void ring_recv(struct ring *ring, int fd, uint32_t generation) {
  struct io_uring_sqe *sqe = entry(ring);
  io_uring_prep_recv(sqe, fd, NULL, 0, 0);
  sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* its owner has just found nothing */
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = GROUP;
  name(sqe, RING_RECV, (uint32_t)fd, generation);
}

void ring_cancel_recv(struct ring *ring, int fd, uint32_t generation) {
  uint64_t of = (uint64_t)generation << 32 | (uint32_t)RING_RECV << 28 | (uint32_t)fd;
  struct io_uring_sqe *sqe = entry(ring);
  io_uring_prep_cancel64(sqe, of, 0);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  name(sqe, RING_CANCEL, (uint32_t)fd, generation);
}

void ring_send(struct ring *ring, int fd, uint32_t number, const void *bytes, size_t n) {
  struct io_uring_sqe *sqe = entry(ring);
  io_uring_prep_send(sqe, fd, bytes, n, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  name(sqe, RING_SEND, number, 0);
}

void ring_watch(struct ring *ring, int epoll_fd) {
  struct io_uring_sqe *sqe = entry(ring);
  io_uring_prep_poll_multishot(sqe, epoll_fd, POLLIN);
  name(sqe, RING_WATCH, (uint32_t)epoll_fd, 0);
}

bool ring_queued(const struct ring *ring) {
  return io_uring_sq_ready(&ring->io) > 0;
}

/* --- waiting ---------------------------------------------------------------------------- */

/* What only says: not now. */
static bool is_passing(int r) {
  return r == -EINTR || r == -EBUSY || r == -EAGAIN;
}

/* What the queue holds points into its owner's memory, so it has to leave before this ends. */
int ring_reap(struct ring *ring) {
  int r;
  do r = io_uring_submit_and_get_events(&ring->io);
  while (r == -EINTR || (ring_queued(ring) && (r >= 0 || is_passing(r))));
  return r < 0 && !is_passing(r) ? r : 0;
}

int ring_enter(struct ring *ring, int64_t deadline_ns) {
  for (;;) {
    int64_t now = deadline_ns > 0 ? host_now(NULL) : 0;
    if (deadline_ns != NET_NEVER && deadline_ns <= now) return ring_reap(ring);
    int64_t ns = deadline_ns - now;
    struct __kernel_timespec left = {ns / 1000000000, ns % 1000000000};
    struct io_uring_cqe *cqe;
    int r = io_uring_submit_and_wait_timeout(
        &ring->io, &cqe, 1, deadline_ns == NET_NEVER ? NULL : &left, NULL);
    if (r < 0 && r != -ETIME && !is_passing(r)) return r;
    if (ring_queued(ring)) return ring_reap(ring);
    if (r != -EINTR) return 0;
  }
}

bool ring_has(const struct ring *ring) {
  return io_uring_cq_ready(&ring->io) > 0;
}

bool ring_next(struct ring *ring, struct ring_done *done) {
  struct io_uring_cqe *cqe;
  if (io_uring_peek_cqe(&ring->io, &cqe) != 0) return false;
  bool buffer = cqe->flags & IORING_CQE_F_BUFFER;
  *done = (struct ring_done){
      .op = (enum ring_op)(cqe->user_data >> 28 & 15),
      .id = (uint32_t)cqe->user_data & ((1u << 28) - 1),
      .generation = (uint32_t)(cqe->user_data >> 32),
      .result = cqe->res,
      .more = cqe->flags & IORING_CQE_F_MORE,
      .rest = cqe->flags & IORING_CQE_F_SOCK_NONEMPTY,
      .buffer = buffer ? (int)(cqe->flags >> IORING_CQE_BUFFER_SHIFT) : -1,
  };
  if (buffer) ring->idle--;
  io_uring_cqe_seen(&ring->io, cqe);
  return true;
}

/* --- buffers ---------------------------------------------------------------------------- */

char *ring_bytes(struct ring *ring, int buffer) {
  return ring->bytes + (size_t)buffer * STRIDE;
}

void ring_give(struct ring *ring, int buffer) {
  io_uring_buf_ring_add(ring->provided, ring_bytes(ring, buffer), RING_BUFFER_BYTES,
                        (unsigned short)buffer, (int)ring->buffers - 1, 0);
  io_uring_buf_ring_advance(ring->provided, 1);
  ring->idle++;
}

int ring_idle(const struct ring *ring) {
  return ring->idle;
}
