/* With io_uring, a receive that was armed looked for bytes and for its own error, but not for
 * that of a queued send: the event came, recv began again and slept for ever. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/host_uring.h"
#include "support/peers.h"

static ssize_t has_no_buffers(struct net *net, net_h h, const void *bytes, size_t n) {
  return -ENOBUFS;
}

static void recv_tells_the_error_of_a_queued_send(void **state) {
  int status;
  net_h a, b;
  char bytes[8];
  struct net *net = net_host(*state, &status);
  assert_non_null(net);
  peers_pair(net, &a, &b);
  for (int i = 0; i < 2; i++) assert_int_equal(net_recv(net, a, bytes, 8), -EAGAIN);
  assert_int_equal(net_send(net, a, "x", 1), 1);
  epoll_self(net)->outq.write = has_no_buffers;
  assert_int_equal(net_ready(net, NULL, 0), 0); /* which sends what is queued */
  assert_int_equal(peers_recv(net, a, bytes, 8), -ENOBUFS);
  assert_int_equal(net_recv(net, a, bytes, 8), -EAGAIN); /* told once */
  net_close(net, a);
  net_close(net, b);
  net_free(net);
}

int main(void) {
  char epoll[] = "epoll", uring[] = "uring";
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_prestate(recv_tells_the_error_of_a_queued_send, epoll),
      cmocka_unit_test_prestate(recv_tells_the_error_of_a_queued_send, uring),
  };
  alarm(20); /* a poll that sleeps for ever ends the program */
  size_t count = net_host_has_uring() < 0 ? 1 : 2;
  return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
