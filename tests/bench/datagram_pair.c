/* The limits of UDP one way on one machine, in datagrams of 1,472 bytes: two blocking ends,
 * and nothing around their loops.
 *
 *   datagram_pair receive MODE PORT WARMUP SECONDS
 *   datagram_pair send MODE PORT SECONDS                      to 127.0.0.1
 *
 * Modes: plain (a sendto and a recvfrom for each), offload (sendmmsg and recvmmsg of large
 * buffers that the kernel cuts and joins: UDP_SEGMENT and UDP_GRO, udp(7)), and, of a receiver,
 * events (the same, but asleep in epoll_wait, as who waits for more than one socket). The receiver
 * begins to count WARMUP seconds after the first datagram, and says "begin" then; SECONDS
 * later it prints what came as one JSON object, and ends. */
#include <errno.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/figures.h"

enum {
  PAYLOAD_BYTES = 1472, /* fills an Ethernet frame */
  SEGMENTS = 44,        /* as many as one datagram of 65,507 bytes has room for */
  LARGE_BYTES = 65536,
  BATCH = 8,
  QUEUE_BYTES = 4 << 20,
};

struct count {
  uint64_t bytes, datagrams;
};

struct batch {
  struct mmsghdr messages[BATCH];
  struct iovec parts[BATCH];
  char controls[BATCH][CMSG_SPACE(sizeof(int))];
};

static char buffers[BATCH]
                   [LARGE_BYTES]; /* written to: pages that never were are one page */

static void batch_init(struct batch *batch, size_t size, size_t control) {
  for (int i = 0; i < BATCH; i++) {
    batch->parts[i] = (struct iovec){buffers[i], size};
    batch->messages[i].msg_hdr = (struct msghdr){
        .msg_iov = &batch->parts[i],
        .msg_iovlen = 1,
        .msg_control = control ? batch->controls[i] : NULL,
        .msg_controllen = control,
    };
  }
}

/* --- receiving ------------------------------------------------------------------------ */

/* How many datagrams the kernel has joined in a message. */
static unsigned joined(struct mmsghdr *message) {
  struct cmsghdr *c = CMSG_FIRSTHDR(&message->msg_hdr);
  int each = 0;
  if (c && c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
    memcpy(&each, CMSG_DATA(c), sizeof each);
  if (each <= 0) return 1;
  return (message->msg_len + (unsigned)each - 1) / (unsigned)each;
}

static void receive_plain(int fd, struct count *count) {
  struct sockaddr_in from;
  socklen_t len = sizeof from;
  ssize_t n = recvfrom(fd, buffers[0], LARGE_BYTES, 0, (struct sockaddr *)&from, &len);
  if (n < 0) bench_die("recvfrom", errno);
  count->bytes += (uint64_t)n;
  count->datagrams++;
}

static void take_joined(int fd, struct count *count, int flags) {
  static struct batch batch;
  batch_init(&batch, LARGE_BYTES, sizeof batch.controls[0]);
  int n = recvmmsg(fd, batch.messages, BATCH, flags, NULL);
  if (n < 0 && errno != EAGAIN) bench_die("recvmmsg", errno);
  for (int i = 0; i < n; i++) {
    count->bytes += batch.messages[i].msg_len;
    count->datagrams += joined(&batch.messages[i]);
  }
}

static void receive_joined(int fd, struct count *count) {
  take_joined(fd, count, MSG_WAITFORONE);
}

static void receive_on_events(int fd, struct count *count) {
  static int set = -1;
  struct epoll_event event = {.events = EPOLLIN | EPOLLET};
  uint64_t before = count->datagrams;
  if (set < 0) {
    set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) < 0)
      bench_die("epoll", errno);
  }
  take_joined(fd, count, MSG_DONTWAIT);
  if (count->datagrams == before && epoll_wait(set, &event, 1, -1) < 0)
    bench_die("epoll_wait", errno);
}

static void (*taker_of(const char *mode))(int, struct count *) {
  if (strcmp(mode, "plain") == 0) return receive_plain;
  if (strcmp(mode, "offload") == 0) return receive_joined;
  return strcmp(mode, "events") == 0 ? receive_on_events : NULL;
}

static void receive(int fd, void (*take)(int, struct count *), double warmup,
                    double seconds) {
  struct count count = {0}, before;
  int on = 1;
  if (take != receive_plain && setsockopt(fd, SOL_UDP, UDP_GRO, &on, sizeof on) < 0)
    bench_die("UDP_GRO", errno);
  while (count.datagrams == 0) take(fd, &count);
  int64_t begin = figures_now() + (int64_t)(warmup * 1e9), now;
  while (figures_now() < begin) take(fd, &count);
  puts("begin");
  fflush(stdout);
  before = count;
  begin = figures_now();
  do {
    take(fd, &count);
    now = figures_now();
  } while (now < begin + (int64_t)(seconds * 1e9));
  printf("{\"bytes\": %lu, \"datagrams\": %lu, \"seconds\": %.6f}\n",
         count.bytes - before.bytes, count.datagrams - before.datagrams,
         (double)(now - begin) / 1e9);
}

/* --- sending -------------------------------------------------------------------------- */

static void send_plain(int fd, const struct sockaddr_in *to) {
  if (sendto(fd, buffers[0], PAYLOAD_BYTES, 0, (const struct sockaddr *)to, sizeof *to) <
      0)
    bench_die("sendto", errno);
}

static void send_segments(int fd, const struct sockaddr_in *to) {
  static struct batch batch;
  batch_init(&batch, (size_t)SEGMENTS * PAYLOAD_BYTES, 0);
  if (sendmmsg(fd, batch.messages, BATCH, 0) < 0) bench_die("sendmmsg", errno);
}

static void send_for(int port, bool offload, double seconds) {
  struct sockaddr_in to = bench_address("127.0.0.1", port);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), payload = PAYLOAD_BYTES;
  if (fd < 0) bench_die("socket", errno);
  if (offload && (connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ||
                  setsockopt(fd, SOL_UDP, UDP_SEGMENT, &payload, sizeof payload) < 0))
    bench_die("UDP_SEGMENT", errno);
  memset(buffers, 'x', sizeof buffers);
  int64_t stop = figures_now() + (int64_t)(seconds * 1e9);
  while (figures_now() < stop) (offload ? send_segments : send_plain)(fd, &to);
}

static int usage(void) {
  fputs("usage: datagram_pair receive plain|offload|events PORT WARMUP SECONDS\n"
        "       datagram_pair send plain|offload PORT SECONDS\n",
        stderr);
  return 2;
}

int main(int argc, char *argv[]) {
  if (argc < 5) return usage();
  int port = atoi(argv[3]);
  if (strcmp(argv[1], "send") == 0) {
    bool offload = strcmp(argv[2], "offload") == 0;
    if (argc != 5 || (!offload && strcmp(argv[2], "plain") != 0)) return usage();
    send_for(port, offload, atof(argv[4]));
    return 0;
  }
  void (*take)(int, struct count *) = taker_of(argv[2]);
  if (strcmp(argv[1], "receive") != 0 || argc != 6 || !take) return usage();
  int fd = bench_serve(BENCH_UDP, port, 0), queue = QUEUE_BYTES;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof queue);
  receive(fd, take, atof(argv[4]), atof(argv[5]));
  return 0;
}
