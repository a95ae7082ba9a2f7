/* The limit for HTTP: http_server PORT BODY-FILE. Plain epoll, edge-triggered, one thread.
 * It looks at nothing of a request but its end, and answers the same bytes each time, from
 * memory, in one send: what a server would do that knew its clients beforehand. Pieces of a
 * request and answers that a client does not take at once wait in the connection. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/canned.h"

enum { EVENTS = 1024, BUFFER_BYTES = 65536 };

struct connection {
  unsigned matched; /* bytes of the blank line that ended the last read */
  unsigned owed;    /* answers */
  size_t sent;      /* of the answer that is being sent */
};

static char buffer[BUFFER_BYTES];
static struct canned answer;
static struct connection connections[CANNED_CONNECTIONS]; /* by descriptor */

static void accept_all(int epoll, int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                             .data.fd = fd};
    if (fd < CANNED_CONNECTIONS)
      connections[fd] = (struct connection){0};
    else
      bench_die("too many connections", EMFILE);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) bench_die("epoll_ctl", errno);
  }
  if (errno != EAGAIN && errno != ECONNABORTED) bench_die("accept", errno);
}

/* Sends what is owed. False when the connection is to be closed. */
static int send_owed(struct connection *c, int fd) {
  while (c->owed > 0) {
    ssize_t n = send(fd, answer.bytes + c->sent, answer.len - c->sent, MSG_NOSIGNAL);
    if (n < 0) return errno == EAGAIN;
    c->sent += (size_t)n;
    if (c->sent < answer.len) continue;
    c->sent = 0;
    c->owed--;
  }
  return 1;
}

static void serve(const struct epoll_event *ev) {
  int fd = ev->data.fd;
  struct connection *c = &connections[fd];
  while (ev->events & ~(uint32_t)EPOLLOUT) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      close(fd);
      return;
    }
    c->owed += canned_ends(&c->matched, buffer, (size_t)n);
    if ((size_t)n < sizeof buffer && !(ev->events & (EPOLLRDHUP | EPOLLHUP))) break;
  }
  if (!send_owed(c, fd)) close(fd);
}

int main(int argc, char *argv[]) {
  static struct epoll_event events[EVENTS];
  if (argc != 3) {
    fprintf(stderr, "usage: http_server PORT BODY-FILE\n");
    return 2;
  }
  answer = canned_answer(argv[2]);
  int listener = bench_serve(BENCH_HTTP, atoi(argv[1]), SOCK_NONBLOCK);
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = listener};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) < 0) bench_die("epoll_ctl", errno);
  for (;;) {
    int n = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd == listener)
        accept_all(epoll, listener);
      else
        serve(&events[i]);
    }
  }
}
