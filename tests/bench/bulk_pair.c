/* The limits of one TCP connection on one machine: two blocking ends, and nothing around
 * their loops.
 *
 *   bulk_pair receive MODE PORT [SIZE]            one connection, until its end
 *   bulk_pair send MODE PORT SECONDS [SIZE]       to 127.0.0.1
 *
 * Modes: plain (send and recv of 8 KiB, the clock read each time: the lecture's loop), copy
 * (sends of 1 MiB, receives of 256 KiB), free (vmsplice of 1 MiB, recv with MSG_TRUNC, which
 * drops without copying: tcp(7)). SIZE is the bytes of one send or receive instead. Each end
 * prints what it has moved as one JSON object; the sender when the receiver has taken it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/figures.h"

enum { KIB = 1024, MIB = 1024 * KIB };

struct mode {
  const char *name;
  size_t send_bytes, receive_bytes;
  bool free; /* of copies */
};

static const struct mode modes[] = {
    {"plain", 8 * KIB, 8 * KIB,   false},
    {"copy",  MIB,     256 * KIB, false},
    {"free",  MIB,     MIB,       true },
};

static const struct mode *mode_of(const char *name) {
  for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
    if (strcmp(modes[i].name, name) == 0) return &modes[i];
  fprintf(stderr, "bulk_pair: '%s' is none of plain, copy, free\n", name);
  exit(2);
}

static void *pages(size_t bytes) {
  void *at = NULL;
  int error = posix_memalign(&at, 4096, bytes);
  if (error) bench_die("memory", error);
  memset(at, 'x', bytes);
  return at;
}

static void tell(uint64_t bytes, int64_t begin_ns) {
  printf("{\"bytes\": %lu, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", bytes,
         (double)(figures_now() - begin_ns) / 1e9, (double)figures_own_ns() / 1e9);
}

static void receive(int fd, size_t size, int flags) {
  char *buffer = pages(size);
  uint64_t bytes = 0;
  ssize_t n;
  int64_t begin = figures_now();
  while ((n = recv(fd, buffer, size, flags)) > 0) bytes += (uint64_t)n;
  if (n < 0) bench_die("recv", errno);
  tell(bytes, begin);
}

static uint64_t send_copies(int fd, size_t size, int64_t stop_ns) {
  char *buffer = pages(size);
  uint64_t bytes = 0;
  do {
    ssize_t n = send(fd, buffer, size, MSG_NOSIGNAL);
    if (n < 0) bench_die("send", errno);
    bytes += (uint64_t)n;
  } while (figures_now() < stop_ns);
  return bytes;
}

/* The pages go from the buffer through a pipe into the socket, and are never copied. */
static uint64_t send_pages(int fd, size_t size, int64_t stop_ns) {
  struct iovec all = {pages(size), size};
  uint64_t bytes = 0;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) bench_die("pipe", errno);
  if (fcntl(ends[1], F_SETPIPE_SZ, (int)size) < 0) bench_die("F_SETPIPE_SZ", errno);
  do {
    ssize_t n = vmsplice(ends[1], &all, 1, 0);
    if (n < 0) bench_die("vmsplice", errno);
    bytes += (uint64_t)n;
    while (n > 0) {
      ssize_t moved = splice(ends[0], NULL, fd, NULL, (size_t)n, SPLICE_F_MOVE);
      if (moved < 0) bench_die("splice", errno);
      n -= moved;
    }
  } while (figures_now() < stop_ns);
  return bytes;
}

static int open_connection(int port) {
  struct sockaddr_in to = bench_address("127.0.0.1", port);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) bench_die("socket", errno);
  if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) bench_die("connect", errno);
  return fd;
}

static void send_for(int fd, const struct mode *mode, size_t size, double seconds) {
  char byte;
  int64_t begin = figures_now(), stop = begin + (int64_t)(seconds * 1e9);
  uint64_t bytes = mode->free ? send_pages(fd, size, stop) : send_copies(fd, size, stop);
  shutdown(fd, SHUT_WR);
  if (recv(fd, &byte, 1, 0) < 0) bench_die("the receiver's end", errno);
  tell(bytes, begin);
}

static int usage(void) {
  fputs("usage: bulk_pair receive plain|copy|free PORT [SIZE]\n"
        "       bulk_pair send plain|copy|free PORT SECONDS [SIZE]\n",
        stderr);
  return 2;
}

int main(int argc, char *argv[]) {
  bool receives = argc >= 2 && strcmp(argv[1], "receive") == 0;
  bool sends = argc >= 2 && strcmp(argv[1], "send") == 0;
  int wanted = receives ? 4 : 5; /* words, without the size */
  if (!(receives || sends) || argc < wanted || argc > wanted + 1) return usage();
  const struct mode *mode = mode_of(argv[2]);
  int port = atoi(argv[3]);
  long size = argc > wanted ? atol(argv[wanted]) : 0;
  if (size < 0 || port <= 0) return usage();
  if (sends) {
    send_for(open_connection(port), mode, size ? (size_t)size : mode->send_bytes,
             atof(argv[4]));
    return 0;
  }
  int listener = bench_serve(BENCH_LINES, port, 0);
  int fd = accept(listener, NULL, NULL);
  if (fd < 0) bench_die("accept", errno);
  receive(fd, size ? (size_t)size : mode->receive_bytes, mode->free ? MSG_TRUNC : 0);
  return 0;
}
