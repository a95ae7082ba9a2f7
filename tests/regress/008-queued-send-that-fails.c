/* A small send is queued, and meets its error when the turn is over: by then its task may
 * wait for the answer. Nothing woke it, and it waited for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "net/net.h"

static uint32_t polled(struct net *net, net_h h) {
  struct net_event events[8];
  int count = net_poll(net, events, 8, 0);
  for (int i = 0; i < count; i++)
    if (events[i].h == h) return events[i].what;
  return 0;
}

static void the_error_of_a_queued_send_wakes_the_reader(void **state) {
  (void)state;
  int status;
  char byte;
  net_h pair[2];
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  assert_non_null(net);
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  assert_int_equal(net_recv(net, pair[0], &byte, 1), -EAGAIN);
  while (polled(net, pair[0])) continue; /* that it can be written */
  assert_int_equal(net_send(net, pair[0], "x", 1), 1);
  shutdown(pair[0], SHUT_WR); /* send(2) gives EPIPE from now on */
  assert_int_equal(net_recv(net, pair[0], &byte, 1), -EAGAIN);
  assert_true(polled(net, pair[0]) & NET_RD);
  net_close(net, pair[0]);
  net_close(net, pair[1]);
  net_free(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_error_of_a_queued_send_wakes_the_reader),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
