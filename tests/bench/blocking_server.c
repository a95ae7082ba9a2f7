/* Servers without a loop, one client at a time: blocking_server lines|greet PORT. lines is the
 * limit of one lone connection: it sleeps in recv(2), answers, sleeps again. greet is what
 * connects are measured against: it sends a few bytes and closes, before the client does, so
 * that TIME-WAIT is on its side and no port of the client is used up. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

static void answer_lines(int fd) {
  static char buffer[65536];
  for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    bench_upper(buffer, (size_t)n);
    if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n) break;
  }
}

static void greet(int fd) {
  send(fd, bench_greeting, strlen(bench_greeting), MSG_NOSIGNAL);
}

int main(int argc, char *argv[]) {
  enum bench_mode mode = argc == 3 ? bench_mode_of(argv[1]) : BENCH_IDLE;
  if (mode != BENCH_LINES && mode != BENCH_GREET) {
    fprintf(stderr, "usage: blocking_server lines|greet PORT\n");
    return 2;
  }
  if (mode == BENCH_GREET) bench_be_patient();
  int listener = bench_serve(mode, atoi(argv[2]), 0);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) bench_die("accept", errno);
    if (mode == BENCH_GREET)
      greet(fd);
    else
      answer_lines(fd);
    close(fd);
  }
}
