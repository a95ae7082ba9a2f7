/* The limit of a TCP proxy in bare C: splice_proxy PORT TARGET-PORT, both on 127.0.0.1. One
 * thread, edge-triggered epoll, a pipe of 1 MiB for each direction of each connection. Where
 * one side has ended the other is told so; when both have, the connection is closed. It serves
 * the bench only: a connection that breaks is dropped without a word. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/bench.h"

enum { EVENTS = 1024, PIPE_BYTES = 1024 * 1024 };
enum way_state { MOVES, ENDED, BROKEN };

struct way {
  int from, to, pipe[2];
  size_t in_pipe;
  enum way_state state;
};

struct connection {
  struct way ways[2]; /* from the client, from the target */
};

/* One of the two descriptors of a connection, as epoll knows it. */
struct end {
  struct connection *of; /* NULL: the listener */
  int way;               /* that it feeds; the other one it takes from */
};

static void *must_have(void *memory) {
  if (memory) return memory;
  bench_die("malloc", ENOMEM);
}

static void way_open(struct way *w, int from, int to) {
  *w = (struct way){.from = from, .to = to};
  if (pipe2(w->pipe, O_NONBLOCK | O_CLOEXEC) < 0) bench_die("pipe2", errno);
  fcntl(w->pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
}

/* Bytes from the socket into the empty pipe: how many, 0 when the way is blocked or over. */
static ssize_t fill(struct way *w) {
  ssize_t n = splice(w->from, NULL, w->pipe[1], NULL, PIPE_BYTES,
                     SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  if (n > 0) return n;
  if (n == 0) shutdown(w->to, SHUT_WR);
  if (n == 0 || errno != EAGAIN) w->state = n == 0 ? ENDED : BROKEN;
  return 0;
}

static void move(struct way *w) {
  while (w->state == MOVES) {
    if (w->in_pipe == 0) w->in_pipe = (size_t)fill(w);
    if (w->in_pipe == 0) return;
    ssize_t n = splice(w->pipe[0], NULL, w->to, NULL, w->in_pipe,
                       SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    if (n > 0) w->in_pipe -= (size_t)n;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) w->state = BROKEN;
  }
}

/* The descriptors leave the epoll set with it. The struct stays: an event of this turn may
 * still name it, and the bench's connections are few. */
static void close_connection(struct connection *c) {
  for (int i = 0; i < 2; i++) {
    close(c->ways[i].from);
    close(c->ways[i].pipe[0]);
    close(c->ways[i].pipe[1]);
    c->ways[i].state = BROKEN;
  }
}

static bool is_over(const struct connection *c) {
  const struct way *w = c->ways;
  return (w[0].state == ENDED && w[1].state == ENDED) || w[0].state == BROKEN ||
         w[1].state == BROKEN;
}

static void serve(const struct end *end, uint32_t events) {
  struct connection *c = end->of;
  if (is_over(c)) return;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) move(&c->ways[end->way]);
  if (events & EPOLLOUT && c->ways[!end->way].in_pipe > 0) move(&c->ways[!end->way]);
  if (is_over(c)) close_connection(c);
}

static void watch(int epoll, int fd, struct connection *c, int way) {
  struct end *end = must_have(malloc(sizeof *end));
  *end = (struct end){c, way};
  struct epoll_event ev = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {.ptr = end}};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) bench_die("epoll_ctl", errno);
}

/* Connects to the target, which is on this machine: that does not wait. */
static void accept_all(int epoll, int listener, int target_port) {
  struct sockaddr_in target = bench_address("127.0.0.1", target_port);
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(other, (struct sockaddr *)&target, sizeof target) < 0)
      bench_die("connect", errno);
    fcntl(other, F_SETFL, O_NONBLOCK);
    struct connection *c = must_have(malloc(sizeof *c));
    way_open(&c->ways[0], fd, other);
    way_open(&c->ways[1], other, fd);
    watch(epoll, fd, c, 0);
    watch(epoll, other, c, 1);
  }
  if (errno != EAGAIN && errno != ECONNABORTED) bench_die("accept", errno);
}

int main(int argc, char *argv[]) {
  static struct epoll_event events[EVENTS];
  if (argc != 3) {
    fprintf(stderr, "usage: splice_proxy PORT TARGET-PORT\n");
    return 2;
  }
  signal(SIGPIPE, SIG_IGN);
  int listener = bench_serve(BENCH_LINES, atoi(argv[1]), SOCK_NONBLOCK);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  watch(epoll, listener, NULL, 0);
  for (;;) {
    int n = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      const struct end *end = events[i].data.ptr;
      if (end->of)
        serve(end, events[i].events);
      else
        accept_all(epoll, listener, atoi(argv[2]));
    }
  }
}
