/* The limits of connecting, over and over: connect_client epoll|uring PORT TASKS [COUNT].
 *
 * Each of TASKS connects to 127.0.0.1, receives a greeting (blocking_server greet) and its
 * end, closes, and begins anew; with COUNT so many times, else until it is killed.
 *
 * epoll: edge-triggered. Who has to wait for the connect does so together with the bytes;
 * what fails is told by recv, and an event that tells the end spares the recv that would.
 * uring: socket, connect, a multishot receive and close all through the ring, those of a turn
 * in one system call. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/bench.h"

enum { EVENTS = 1024, ROOM_BYTES = 64 };

struct task {
  int fd;
  size_t got; /* bytes of the greeting */
  long left;  /* connections to go; -1: no limit */
};

static struct sockaddr_in server;
static struct task *tasks; /* owned */
static int alive;

/* Takes n bytes of the greeting, or 0, its end: true then. */
static bool received(struct task *t, const char *bytes, size_t n) {
  if (n > strlen(bench_greeting) - t->got ||
      memcmp(bytes, bench_greeting + t->got, n) != 0)
    bench_die("the greeting is wrong", EPROTO);
  t->got += n;
  if (n > 0) return false;
  if (t->got < strlen(bench_greeting)) bench_die("the greeting is cut", EPROTO);
  return true;
}

/* False: the task has no connection to go. */
static bool goes_on(struct task *t) {
  t->got = 0;
  if (t->left > 0) t->left--;
  if (t->left == 0) alive--;
  return t->left != 0;
}

/* --- epoll ---------------------------------------------------------------------------- */

static void begin_epoll(int epoll, struct task *t) {
  struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = t};
  t->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (t->fd < 0) bench_die("socket", errno);
  if (connect(t->fd, (struct sockaddr *)&server, sizeof server) < 0) {
    if (errno != EINPROGRESS) bench_die("connect", errno);
    ev.events |= EPOLLOUT;
  }
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, t->fd, &ev) < 0) bench_die("epoll_ctl", errno);
}

/* True when the end has come. */
static bool drain(struct task *t, uint32_t events) {
  char bytes[ROOM_BYTES];
  if (!(events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP))) return false;
  ssize_t n = recv(t->fd, bytes, sizeof bytes, 0);
  if (n < 0) bench_die("recv", errno);
  bool end = received(t, bytes, (size_t)n);
  return end || (events & EPOLLRDHUP && received(t, bytes, 0));
}

static void run_epoll(int count) {
  static struct epoll_event events[EVENTS];
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  for (int i = 0; i < count; i++) begin_epoll(epoll, &tasks[i]);
  while (alive > 0) {
    int n = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      struct task *t = events[i].data.ptr;
      if (!drain(t, events[i].events)) continue;
      close(t->fd);
      if (goes_on(t)) begin_epoll(epoll, t);
    }
  }
}

/* --- io_uring ------------------------------------------------------------------------- */

enum op { OP_SOCKET, OP_CONNECT, OP_RECV, OP_CLOSE };

static struct ring ring;

static uint64_t tag(const struct task *t, enum op op) {
  return (uint64_t)op << 32 | (uint64_t)(t - tasks);
}

static void begin_uring(struct task *t) {
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_socket(sqe, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0);
  io_uring_sqe_set_data64(sqe, tag(t, OP_SOCKET));
}

/* Both in one chain: the receive begins when the connect has succeeded. */
static void connect_uring(struct task *t, int fd) {
  if (io_uring_sq_space_left(&ring.io) < 2) io_uring_submit(&ring.io); /* never torn */
  t->fd = fd;
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_connect(sqe, fd, (struct sockaddr *)&server, sizeof server);
  sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(t, OP_CONNECT));
  ring_receive(&ring, fd, tag(t, OP_RECV));
}

static void close_uring(struct task *t) {
  struct io_uring_sqe *sqe = ring_entry(&ring);
  io_uring_prep_close(sqe, t->fd);
  sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
  io_uring_sqe_set_data64(sqe, tag(t, OP_CLOSE));
}

static void completed(const struct io_uring_cqe *cqe) {
  static const char *const names[] = {"socket", "connect", "recv", "close"};
  enum op op = (enum op)(cqe->user_data >> 32);
  struct task *t = &tasks[(uint32_t)cqe->user_data];
  if (cqe->res < 0) bench_die(names[op], cqe->res);
  if (op == OP_SOCKET) {
    connect_uring(t, cqe->res);
  } else if (received(t, cqe->res ? ring_buffer(&ring, cqe) : "", (size_t)cqe->res)) {
    close_uring(t);
    if (goes_on(t)) begin_uring(t);
  } else if (!(cqe->flags & IORING_CQE_F_MORE)) {
    ring_receive(&ring, t->fd, tag(t, OP_RECV));
  }
}

static void run_uring(int count) {
  ring_open(&ring, 4096, false);
  for (int i = 0; i < count; i++) begin_uring(&tasks[i]);
  while (alive > 0) {
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    io_uring_submit_and_wait(&ring.io, 1);
    io_uring_for_each_cqe(&ring.io, head, cqe) {
      completed(cqe);
      ring_give_back(&ring, cqe);
      seen++;
    }
    io_uring_cq_advance(&ring.io, seen);
  }
  io_uring_submit(&ring.io);
}

int main(int argc, char *argv[]) {
  bool uring = argc > 1 && strcmp(argv[1], "uring") == 0;
  int count = argc > 3 ? atoi(argv[3]) : 0;
  if (argc > 5 || count <= 0 || (!uring && strcmp(argv[1], "epoll") != 0)) {
    fprintf(stderr, "usage: connect_client epoll|uring PORT TASKS [COUNT]\n");
    return 2;
  }
  server = bench_address("127.0.0.1", atoi(argv[2]));
  tasks = calloc((size_t)count, sizeof *tasks);
  if (!tasks) bench_die("memory", ENOMEM);
  for (alive = 0; alive < count; alive++)
    tasks[alive].left = argc > 4 ? atol(argv[4]) : -1;
  if (uring)
    run_uring(count);
  else
    run_epoll(count);
  free(tasks);
  return 0;
}
