/* What the bench's C programs share: sockets on loopback, upper-casing, and a ring with
 * provided buffers. Every function ends the program with a message when it fails: a bench
 * that limps on would give wrong figures. */
#ifndef BENCH_H
#define BENCH_H

#include <liburing.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_mode {
  BENCH_LINES,    /* kept-open connections, one line at a time */
  BENCH_REQUESTS, /* a connection for each line; the server closes */
  BENCH_UDP,      /* a datagram for a datagram */
  BENCH_IDLE,     /* connections that are only held (load generator) */
  BENCH_HTTP,     /* kept-open connections, one HTTP request at a time */
  BENCH_GREET,    /* a greeting for each connection; the server closes */
};

extern const char bench_greeting[];

_Noreturn void bench_die(const char *what, int error);

enum bench_mode bench_mode_of(const char *name);

struct sockaddr_in bench_address(const char *host, int port);

/* A socket that is bound to the loopback port, and listens if it is a stream. `flags` are
 * socket(2)'s SOCK_NONBLOCK or 0. */
int bench_serve(enum bench_mode mode, int port, int flags);

/* Never preempts another program from now on (SCHED_BATCH, sched(7)): on the same core what
 * wakes the bench's own end would else stop the measured one in the middle of its work, as
 * nobody on another machine can. */
void bench_be_patient(void);

/* ASCII upper case, in place. */
void bench_upper(char *bytes, size_t n);

/* A file's bytes, owned by the caller. */
char *bench_file(const char *path, size_t *len);

/* A ring set up for one thread, and buffers that multishot receives take from: small ones,
 * or few large ones for long answers, about as much memory, which the caches then hold. */
enum { RING_BUFFERS = 1024, RING_BUFFER_BYTES = 2048, RING_GROUP = 0 };
enum { RING_LARGE_BUFFERS = 64, RING_LARGE_BYTES = 65536 };

struct ring {
  struct io_uring io;
  struct io_uring_buf_ring *provided;
  unsigned count; /* of buffers, a power of two */
  size_t buffer_bytes;
  char *buffers;
};

void ring_open(struct ring *ring, unsigned entries, bool large);

/* A submission entry; submits first when the queue is full. */
struct io_uring_sqe *ring_entry(struct ring *ring);

/* Receives on `fd` again and again, each time into a provided buffer. */
void ring_receive(struct ring *ring, int fd, uint64_t tag);

/* The buffer that a completion has filled, and its way back. */
char *ring_buffer(struct ring *ring, const struct io_uring_cqe *cqe);
void ring_give_back(struct ring *ring, const struct io_uring_cqe *cqe);

#endif
