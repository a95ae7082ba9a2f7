/* What the bench's C programs share. */
#include "bench/bench.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char bench_greeting[] = "welcome\n";

void bench_die(const char *what, int error) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(error < 0 ? -error : error));
  exit(2);
}

enum bench_mode bench_mode_of(const char *name) {
  static const char *const names[] = {"lines", "requests", "udp",
                                      "idle",  "http",     "greet"};
  for (int i = 0; i <= BENCH_GREET; i++)
    if (strcmp(names[i], name) == 0) return (enum bench_mode)i;
  fprintf(stderr, "bench: '%s' is none of lines, requests, udp, idle, http, greet\n",
          name);
  exit(2);
}

struct sockaddr_in bench_address(const char *host, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  if (inet_pton(AF_INET, host, &a.sin_addr) != 1) bench_die(host, EINVAL);
  return a;
}

int bench_serve(enum bench_mode mode, int port, int flags) {
  int type = mode == BENCH_UDP ? SOCK_DGRAM : SOCK_STREAM, on = 1;
  struct sockaddr_in a = bench_address("127.0.0.1", port);
  int fd = socket(AF_INET, type | flags | SOCK_CLOEXEC, 0);
  if (fd < 0) bench_die("socket", errno);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0) bench_die("bind", errno);
  if (type == SOCK_STREAM && listen(fd, 511) < 0) bench_die("listen", errno);
  return fd;
}

void bench_be_patient(void) {
  struct sched_param none = {0};
  if (sched_setscheduler(0, SCHED_BATCH, &none) < 0) bench_die("SCHED_BATCH", errno);
}

void bench_upper(char *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)bytes[i];
    bytes[i] = (char)(c - ((c >= 'a' && c <= 'z') ? 'a' - 'A' : 0));
  }
}

char *bench_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0) bench_die(path, errno);
  *len = (size_t)ftell(file);
  char *bytes = malloc(*len + 1);
  if (!bytes) bench_die("memory", ENOMEM);
  rewind(file);
  if (fread(bytes, 1, *len, file) != *len) bench_die(path, EIO);
  fclose(file);
  return bytes;
}

/* --- the ring ------------------------------------------------------------------------- */

static void provide(struct ring *ring, unsigned bid, int offset) {
  io_uring_buf_ring_add(ring->provided, ring->buffers + bid * ring->buffer_bytes,
                        (unsigned)ring->buffer_bytes, (unsigned short)bid,
                        io_uring_buf_ring_mask(ring->count), offset);
}

static void *pages(size_t bytes) {
  void *at =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (at == MAP_FAILED) bench_die("mmap", errno);
  return at;
}

void ring_open(struct ring *ring, unsigned entries, bool large) {
  struct io_uring_params params = {
      .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
               IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
      .cq_entries = entries * 8,
  };
  int r = io_uring_queue_init_params(entries, &ring->io, &params);
  if (r < 0) bench_die("io_uring", r);
  io_uring_register_ring_fd(&ring->io);
  /* liburing 2.3 has no io_uring_setup_buf_ring */
  ring->count = large ? RING_LARGE_BUFFERS : RING_BUFFERS;
  ring->buffer_bytes = large ? RING_LARGE_BYTES : RING_BUFFER_BYTES;
  ring->provided = pages(ring->count * sizeof(struct io_uring_buf));
  ring->buffers = pages(ring->count * ring->buffer_bytes);
  struct io_uring_buf_reg reg = {
      .ring_addr = (uintptr_t)ring->provided,
      .ring_entries = ring->count,
      .bgid = RING_GROUP,
  };
  r = io_uring_register_buf_ring(&ring->io, &reg, 0);
  if (r < 0) bench_die("io_uring buffer ring", r);
  io_uring_buf_ring_init(ring->provided);
  for (unsigned i = 0; i < ring->count; i++) provide(ring, i, (int)i);
  io_uring_buf_ring_advance(ring->provided, (int)ring->count);
}

struct io_uring_sqe *ring_entry(struct ring *ring) {
  struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);
  if (sqe) return sqe;
  io_uring_submit(&ring->io);
  sqe = io_uring_get_sqe(&ring->io);
  if (!sqe) bench_die("io_uring submission queue", EBUSY);
  return sqe;
}

void ring_receive(struct ring *ring, int fd, uint64_t tag) {
  struct io_uring_sqe *sqe = ring_entry(ring);
  io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = RING_GROUP;
  io_uring_sqe_set_data64(sqe, tag);
}

char *ring_buffer(struct ring *ring, const struct io_uring_cqe *cqe) {
  unsigned bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
  return ring->buffers + bid * ring->buffer_bytes;
}

void ring_give_back(struct ring *ring, const struct io_uring_cqe *cqe) {
  if (!(cqe->flags & IORING_CQE_F_BUFFER)) return;
  provide(ring, cqe->flags >> IORING_CQE_BUFFER_SHIFT, 0);
  io_uring_buf_ring_advance(ring->provided, 1);
}
