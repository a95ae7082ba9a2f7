/* The limit for HTTP that io_uring sets: http_uring_server PORT BODY-FILE. The twin of
 * http_server: it looks at nothing of a request but its end, and answers the same bytes
 * from memory. Multishot accept and receive from one ring of buffers; the answers of a turn
 * leave in the next submission, one for each connection.
 *
 * A client that is owed one answer most often has room for it: that send does not wait, and
 * its completion is seen only where it fell short. What is left then, and what is owed to a
 * client that asks ahead, goes in sends that wait for room, one at a time, each seen to its
 * end. So bytes of two answers never mix. A client that has ended is not answered. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/canned.h"

enum op { OP_ACCEPT, OP_RECV, OP_SEND };

struct connection {
  unsigned matched; /* bytes of the blank line that ended the last piece */
  unsigned owed;    /* answers; one that is sent without waiting is not among them */
  size_t sent;      /* of the first that is owed */
  bool sending;     /* a send that waits is under way */
  bool ended;       /* nothing more comes */
  bool listed;
};

static struct ring ring;
static struct canned answer;
static struct connection connections[CANNED_CONNECTIONS]; /* by descriptor */
static int list[CANNED_CONNECTIONS]; /* those to settle at the end of the turn */
static unsigned listed;

static uint64_t tag(enum op op, int fd) {
  return (uint64_t)op << 32 | (uint32_t)fd;
}

static void arm_accept(int fd) {
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
  io_uring_sqe_set_data64(sqe, tag(OP_ACCEPT, fd));
}

static void note(int fd) {
  if (connections[fd].listed) return;
  connections[fd].listed = true;
  list[listed++] = fd;
}

static void accepted(int fd) {
  if (fd < CANNED_CONNECTIONS)
    connections[fd] = (struct connection){0};
  else
    bench_die("too many connections", EMFILE);
  ring_receive(&ring, fd, tag(OP_RECV, fd));
}

static void received(int fd, const struct io_uring_cqe *cqe) {
  struct connection *c = &connections[fd];
  if (cqe->res > 0)
    c->owed += canned_ends(&c->matched, ring_buffer(&ring, cqe), (size_t)cqe->res);
  else
    c->ended = cqe->res != -ENOBUFS;
  note(fd);
  if (!c->ended && !(cqe->flags & IORING_CQE_F_MORE))
    ring_receive(&ring, fd, tag(OP_RECV, fd));
}

/* Of the first answer that is owed, or of what is left of it. */
static struct io_uring_sqe *queue_send(const struct connection *c, int fd, int flags) {
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_send(sqe, fd, answer.bytes + c->sent, answer.len - c->sent,
                     flags | MSG_WAITALL | MSG_NOSIGNAL);
  io_uring_sqe_set_data64(sqe, tag(OP_SEND, fd));
  return sqe;
}

static void send_waiting(struct connection *c, int fd) {
  queue_send(c, fd, 0);
  c->sending = true;
}

/* MSG_DONTWAIT: when the submission returns it has left, or has failed. */
static void send_at_once(struct connection *c, int fd) {
  queue_send(c, fd, MSG_DONTWAIT)->flags |= IOSQE_CQE_SKIP_SUCCESS;
  c->owed = 0;
}

/* A send has ended that waited, or one has failed that did not. The client of one that
 * failed for good is gone: its receive tells so, and closes. */
static void sent(int fd, int status) {
  struct connection *c = &connections[fd];
  if (!c->sending) c->owed++;
  c->sending = false;
  if (status > 0) c->sent += (size_t)status;
  if (status < 0 && status != -EAGAIN) {
    c->owed = 0;
  } else if (c->sent < answer.len) {
    send_waiting(c, fd);
  } else {
    c->sent = 0;
    c->owed--;
  }
  note(fd);
}

static void settle(int fd) {
  struct connection *c = &connections[fd];
  c->listed = false;
  if (c->sending) return; /* its end lists it again */
  if (c->ended)
    close(fd);
  else if (c->owed == 1)
    send_at_once(c, fd);
  else if (c->owed > 1)
    send_waiting(c, fd);
}

static void completed(int listener, const struct io_uring_cqe *cqe) {
  int fd = (int)(uint32_t)cqe->user_data;
  switch ((enum op)(cqe->user_data >> 32)) {
  case OP_ACCEPT:
    if (cqe->res >= 0) accepted(cqe->res);
    if (!(cqe->flags & IORING_CQE_F_MORE)) arm_accept(listener);
    break;
  case OP_RECV:
    received(fd, cqe);
    ring_give_back(&ring, cqe);
    break;
  case OP_SEND: sent(fd, cqe->res); break;
  }
}

int main(int argc, char *argv[]) {
  if (argc != 3) {
    fprintf(stderr, "usage: http_uring_server PORT BODY-FILE\n");
    return 2;
  }
  answer = canned_answer(argv[2]);
  int listener = bench_serve(BENCH_HTTP, atoi(argv[1]), 0);
  ring_open(&ring, 4096, false);
  arm_accept(listener);
  for (;;) {
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_submit_and_wait(&ring.io, 1);
    io_uring_for_each_cqe(&ring.io, head, cqe) {
      completed(listener, cqe);
      seen++;
    }
    io_uring_cq_advance(&ring.io, seen);
    for (unsigned i = 0; i < listed; i++) settle(list[i]);
    listed = 0;
  }
}
