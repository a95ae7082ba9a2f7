/* The limit for datagrams: two bare C programs on loopback.
 *
 *   udp_pair receive MODE         prints "port N", counts until 300 ms are silent
 *   udp_pair send MODE PORT SECONDS SIZE
 *
 * MODE is plain (sendto, recvfrom), many (sendmmsg, recvmmsg: 64 a call) or gso (the same
 * with UDP_SEGMENT and UDP_GRO). Each prints one line of JSON: datagrams, bytes, seconds
 * (the receiver's: from the first datagram to the last), cpu_seconds. */
#include "bench/bench.h"

#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

enum {
  MESSAGES = 64, /* in one call */
  TRAINS = 8,    /* with UDP_SEGMENT: so many bytes are no less work */
  ROOM = 65536,
  TRAIN_BYTES = 65507,
  TRAIN_MAX = 64, /* kernels before 6.9 take no more */
  SILENCE_US = 300000,
};

static const char *const modes[] = {"plain", "many", "gso"};
enum { PLAIN, MANY, GSO };

struct figures {
  unsigned long long datagrams, bytes;
  double begin, end;
};

static struct mmsghdr messages[MESSAGES];
static struct iovec iov[MESSAGES];
static union {
  struct cmsghdr first;
  char bytes[CMSG_SPACE(sizeof(int))];
} control[MESSAGES];
static char rooms[MESSAGES][ROOM + 64];

static int mode_of(const char *name) {
  for (int i = PLAIN; i <= GSO; i++)
    if (strcmp(modes[i], name) == 0) return i;
  bench_die("no such mode", 0);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_of(struct timeval t) {
  return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static int print(const struct figures *f) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("{\"datagrams\": %llu, \"bytes\": %llu, \"seconds\": %.6f, "
         "\"cpu_seconds\": %.6f}\n",
         f->datagrams, f->bytes, f->end - f->begin,
         seconds_of(used.ru_utime) + seconds_of(used.ru_stime));
  return 0;
}

/* --- sending ---------------------------------------------------------------------------- */

/* How many datagrams one message holds. */
static unsigned cars_of(int mode, size_t size) {
  size_t cars = size > 0 && mode == GSO ? TRAIN_BYTES / size : 1;
  return (unsigned)(cars > TRAIN_MAX ? TRAIN_MAX : cars < 1 ? 1 : cars);
}

static void prepare(unsigned cars, size_t size) {
  uint16_t segment = (uint16_t)size;
  for (int i = 0; i < MESSAGES; i++) {
    iov[i] = (struct iovec){rooms[0], cars * size};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    if (cars == 1) continue;
    struct cmsghdr *c = &control[i].first;
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof segment);
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
    messages[i].msg_hdr.msg_control = c;
    messages[i].msg_hdr.msg_controllen = CMSG_SPACE(sizeof segment);
  }
}

static int send_all(int mode, int port, double seconds, size_t size) {
  struct figures f = {0};
  struct sockaddr_in to = bench_address("127.0.0.1", port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
    bench_die("connect", errno);
  unsigned cars = cars_of(mode, size), calls = 0;
  prepare(cars, size);
  f.begin = now();
  do {
    int r = 1;
    if (mode == PLAIN && send(fd, rooms[0], size, 0) < 0) r = -1;
    if (mode != PLAIN) r = sendmmsg(fd, messages, mode == GSO ? TRAINS : MESSAGES, 0);
    if (r < 0 && errno != ECONNREFUSED && errno != ENOBUFS) bench_die("send", errno);
    if (r > 0) f.datagrams += (unsigned)r * cars;
    if (mode != PLAIN || ++calls % 16 == 0) f.end = now();
  } while (f.end < f.begin + seconds);
  f.bytes = f.datagrams * size;
  return print(&f);
}

/* --- receiving -------------------------------------------------------------------------- */

static void make_rooms(void) {
  for (int i = 0; i < MESSAGES; i++) {
    iov[i] = (struct iovec){rooms[i], ROOM};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
                                          .msg_iovlen = 1,
                                          .msg_control = &control[i],
                                          .msg_controllen = sizeof control[i]};
  }
}

/* How many datagrams the kernel has joined in a message. */
static unsigned long long cars_in(const struct mmsghdr *m) {
  const struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
  int segment = 0;
  if (!c || c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) return 1;
  memcpy(&segment, CMSG_DATA(c), sizeof segment);
  return segment > 0 ? (m->msg_len + (unsigned)segment - 1) / (unsigned)segment : 1;
}

/* One call; false when it was silent for too long. */
static int receive_some(int fd, int mode, struct figures *f) {
  if (mode == PLAIN) {
    ssize_t n = recvfrom(fd, rooms[0], ROOM, 0, NULL, NULL);
    if (n < 0) return 0;
    f->datagrams++;
    f->bytes += (unsigned long long)n;
    return 1;
  }
  make_rooms();
  int r = recvmmsg(fd, messages, MESSAGES, MSG_WAITFORONE, NULL);
  for (int i = 0; i < r; i++) {
    f->datagrams += cars_in(&messages[i]);
    f->bytes += messages[i].msg_len;
  }
  return r > 0;
}

static int receive_all(int mode) {
  struct figures f = {0};
  struct timeval silence = {0, SILENCE_US};
  socklen_t len = sizeof(struct sockaddr_in);
  struct sockaddr_in own = bench_address("127.0.0.1", 0);
  int on = 1, fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&own, len) < 0 ||
      getsockname(fd, (struct sockaddr *)&own, &len) < 0)
    bench_die("bind", errno);
  if (mode == GSO && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0)
    bench_die("UDP_GRO", errno);
  printf("port %d\n", ntohs(own.sin_port));
  fflush(stdout);
  if (!receive_some(fd, mode, &f)) bench_die("receive", errno);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
  f.begin = now();
  while (receive_some(fd, mode, &f)) f.end = now();
  return print(&f);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "receive") == 0) return receive_all(mode_of(argv[2]));
  if (argc == 6 && strcmp(argv[1], "send") == 0)
    return send_all(mode_of(argv[2]), atoi(argv[3]), atof(argv[4]),
                    (size_t)atol(argv[5]));
  fprintf(stderr, "udp_pair receive MODE | udp_pair send MODE PORT SECONDS SIZE\n");
  return 2;
}
