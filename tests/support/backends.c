#include "support/backends.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct net *net;
net_h a, b;
char bytes[64 * 1024];
static const char *backend;
static int buffers; /* of the ring */

bool backends_use(const char *name) {
  alarm(60); /* a poll that sleeps for ever ends the program */
  backend = name;
  return !on_ring() || net_host_has_uring() >= 0;
}

int backends_set_up(void **state) {
  int status;
  net = net_host(backend, &status);
  buffers = RING_BUFFERS;
  peers_pair(net, &a, &b);
  return 0;
}

int backends_tear_down(void **state) {
  if (a >= 0) net_close(net, a);
  if (b >= 0) net_close(net, b);
  net_flush(net, -1);
  const struct ring *ring = epoll_self(net)->ring;
  int held = ring ? buffers - ring_idle(ring) : 0;
  int open = net->open;
  net_free(net);
  return open + held;
}

bool on_ring(void) {
  return strcmp(backend, "uring") == 0;
}

void small_ring(unsigned entries, unsigned completions, unsigned of_buffers) {
  int status;
  if (!on_ring()) return;
  struct ring *ring = ring_open_sized(entries, completions, of_buffers, &status);
  assert_non_null(ring);
  uring_use(epoll_self(net), ring);
  buffers = (int)of_buffers;
}

int poll_now(struct net_event *events, int max) {
  int n = net_poll(net, events, max, 0);
  assert_true(n >= 0);
  return n;
}

void take_in(void) {
  struct net_event events[64];
  for (int quiet = 0; quiet < 3;) quiet = poll_now(events, 64) > 0 ? 0 : quiet + 1;
}

void put(net_h to, const void *data, size_t n) {
  assert_int_equal(send(to, data, n, MSG_NOSIGNAL | MSG_DONTWAIT), n);
}

void wait_on(net_h h) {
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), -EAGAIN);
}
