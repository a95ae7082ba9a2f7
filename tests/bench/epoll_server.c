/* The limit that plain epoll sets: epoll_server lines|requests|udp PORT. Edge-triggered,
 * one thread, one buffer; each event is read, upper-cased and written at once. A read that
 * does not fill the buffer has drained the socket, so nothing is read twice. What a busy
 * client does not take is waited for, blocking: the bench's clients read what they asked. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/bench.h"

enum { EVENTS = 1024, BUFFER_BYTES = 65536 };

static char buffer[BUFFER_BYTES];

static void accept_all(int epoll, int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) bench_die("epoll_ctl", errno);
  }
  if (errno != EAGAIN && errno != ECONNABORTED) bench_die("accept", errno);
}

static void answer(enum bench_mode mode, const struct epoll_event *ev) {
  int fd = ev->data.fd;
  for (;;) {
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) break;
    bench_upper(buffer, (size_t)n);
    if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n) break;
    if (mode == BENCH_REQUESTS) break;
    if ((size_t)n < sizeof buffer && !(ev->events & (EPOLLRDHUP | EPOLLHUP))) return;
  }
  close(fd);
}

static void serve_streams(enum bench_mode mode, int listener) {
  static struct epoll_event events[EVENTS];
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = listener};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) < 0) bench_die("epoll_ctl", errno);
  for (;;) {
    int n = epoll_wait(epoll, events, EVENTS, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.fd == listener)
        accept_all(epoll, listener);
      else
        answer(mode, &events[i]);
    }
  }
}

/* With epoll although there is one socket: what a server of several would do. */
static void serve_datagrams(int fd) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0) bench_die("epoll_ctl", errno);
  for (;;) {
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    ssize_t n = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &len);
    if (n < 0) {
      epoll_wait(epoll, &ev, 1, -1);
      continue;
    }
    bench_upper(buffer, (size_t)n);
    sendto(fd, buffer, (size_t)n, 0, (struct sockaddr *)&from, len);
  }
}

int main(int argc, char *argv[]) {
  if (argc != 3) {
    fprintf(stderr, "usage: epoll_server lines|requests|udp PORT\n");
    return 2;
  }
  enum bench_mode mode = bench_mode_of(argv[1]);
  int fd = bench_serve(mode, atoi(argv[2]), SOCK_NONBLOCK);
  if (mode == BENCH_UDP) serve_datagrams(fd);
  serve_streams(mode, fd);
}
