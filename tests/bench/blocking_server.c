/* The limit of one lone connection without a loop: blocking_server lines PORT. Sleeps in
 * recv(2), answers, sleeps again; serves one client at a time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"

int main(int argc, char *argv[]) {
  static char buffer[65536];
  if (argc != 3 || bench_mode_of(argv[1]) != BENCH_LINES) {
    fprintf(stderr, "usage: blocking_server lines PORT\n");
    return 2;
  }
  int listener = bench_serve(BENCH_LINES, atoi(argv[2]), 0);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) bench_die("accept", errno);
    for (ssize_t n; (n = recv(fd, buffer, sizeof buffer, 0)) > 0;) {
      bench_upper(buffer, (size_t)n);
      if (send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n) break;
    }
    close(fd);
  }
}
