/* The limit that io_uring sets: uring_server lines|requests|udp PORT. Multishot accept and
 * receive from one ring of buffers; answers are written into an arena and leave in the next
 * submission, all of a turn in one system call. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/bench.h"

enum op { OP_ACCEPT, OP_RECV, OP_SEND, OP_CLOSE };

enum { ARENA_BYTES = 4 * 1024 * 1024 };

static _Alignas(16) char arena[ARENA_BYTES]; /* answers of one turn */
static size_t used;
static struct msghdr udp_form = {.msg_namelen = sizeof(struct sockaddr_in)};

static uint64_t tag(enum op op, int fd) {
  return (uint64_t)op << 32 | (uint32_t)fd;
}

static void arm(struct ring *ring, enum bench_mode mode, int fd) {
  if (mode == BENCH_LINES) {
    ring_receive(ring, fd, tag(OP_RECV, fd));
    return;
  }
  struct io_uring_sqe *sqe = ring_entry(ring);
  if (mode == BENCH_UDP)
    io_uring_prep_recvmsg_multishot(sqe, fd, &udp_form, 0);
  else
    io_uring_prep_recv(sqe, fd, NULL, RING_BUFFER_BYTES, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = RING_GROUP;
  io_uring_sqe_set_data64(sqe, tag(OP_RECV, fd));
}

static void arm_accept(struct ring *ring, int fd) {
  struct io_uring_sqe *sqe = ring_entry(ring);
  io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, tag(OP_ACCEPT, fd));
}

/* MSG_DONTWAIT: it has left when the submission returns, and the arena is free again. */
static void queue_send(struct ring *ring, enum bench_mode mode, int fd, char *bytes,
                       size_t n) {
  struct io_uring_sqe *sqe = ring_entry(ring);
  io_uring_prep_send(sqe, fd, bytes, n, MSG_DONTWAIT | MSG_WAITALL | MSG_NOSIGNAL);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(OP_SEND, fd));
  if (mode != BENCH_REQUESTS) return;
  sqe->flags |= IOSQE_IO_HARDLINK;
  sqe = ring_entry(ring);
  io_uring_prep_close(sqe, fd);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(OP_CLOSE, fd));
}

static char *take_arena(struct ring *ring, size_t n) {
  if (used + n > sizeof arena) {
    io_uring_submit(&ring->io);
    used = 0;
  }
  used += n;
  return arena + used - n;
}

static void answer_datagram(struct ring *ring, int fd, const struct io_uring_cqe *cqe) {
  struct datagram {
    struct sockaddr_in to;
    struct iovec iov;
    struct msghdr msg;
  };
  struct io_uring_recvmsg_out *out =
      io_uring_recvmsg_validate(ring_buffer(ring, cqe), cqe->res, &udp_form);
  if (!out) return;
  size_t n = io_uring_recvmsg_payload_length(out, cqe->res, &udp_form);
  size_t room = (sizeof(struct datagram) + n + 15) & ~(size_t)15;
  struct datagram *d = (struct datagram *)take_arena(ring, room);
  memcpy(&d->to, io_uring_recvmsg_name(out), sizeof d->to);
  memcpy(d + 1, io_uring_recvmsg_payload(out, &udp_form), n);
  bench_upper((char *)(d + 1), n);
  d->iov = (struct iovec){d + 1, n};
  d->msg = (struct msghdr){.msg_name = &d->to,
                           .msg_namelen = sizeof d->to,
                           .msg_iov = &d->iov,
                           .msg_iovlen = 1};
  struct io_uring_sqe *sqe = ring_entry(ring);
  io_uring_prep_sendmsg(sqe, fd, &d->msg, MSG_DONTWAIT);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(OP_SEND, fd));
}

static void received(struct ring *ring, enum bench_mode mode, int fd,
                     const struct io_uring_cqe *cqe) {
  bool more = cqe->flags & IORING_CQE_F_MORE;
  if (cqe->res > 0 && mode == BENCH_UDP) {
    answer_datagram(ring, fd, cqe);
  } else if (cqe->res > 0) {
    size_t n = (size_t)cqe->res;
    char *bytes = take_arena(ring, n);
    memcpy(bytes, ring_buffer(ring, cqe), n);
    bench_upper(bytes, n);
    queue_send(ring, mode, fd, bytes, n);
    more |= mode == BENCH_REQUESTS; /* one is all */
  } else if (cqe->res != -ENOBUFS && mode != BENCH_UDP) {
    close(fd);
    more = true;
  }
  if (!more) arm(ring, mode, fd);
}

static void completed(struct ring *ring, enum bench_mode mode, int listener,
                      const struct io_uring_cqe *cqe) {
  int fd = (int)(uint32_t)cqe->user_data;
  switch ((enum op)(cqe->user_data >> 32)) {
  case OP_ACCEPT:
    if (cqe->res >= 0) arm(ring, mode, cqe->res);
    if (!(cqe->flags & IORING_CQE_F_MORE)) arm_accept(ring, listener);
    break;
  case OP_RECV:
    received(ring, mode, fd, cqe);
    ring_give_back(ring, cqe);
    break;
  default: break; /* a send or close that failed: the client sees it */
  }
}

int main(int argc, char *argv[]) {
  if (argc != 3) {
    fprintf(stderr, "usage: uring_server lines|requests|udp PORT\n");
    return 2;
  }
  enum bench_mode mode = bench_mode_of(argv[1]);
  int fd = bench_serve(mode, atoi(argv[2]), 0);
  struct ring ring;
  ring_open(&ring, 4096, false);
  if (mode == BENCH_UDP)
    arm(&ring, mode, fd);
  else
    arm_accept(&ring, fd);
  for (;;) {
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_submit_and_wait(&ring.io, 1);
    used = 0;
    io_uring_for_each_cqe(&ring.io, head, cqe) {
      completed(&ring, mode, fd, cqe);
      seen++;
    }
    io_uring_cq_advance(&ring.io, seen);
  }
}
