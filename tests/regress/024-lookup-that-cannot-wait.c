/* The answer to a look-up comes by an event. When the wake could not be armed, the look-up
 * said "not yet" all the same, and its task waited for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/host_lookup.h"
#include "support/fault_net.h"

static int count_threads(void) {
  int threads = -2; /* less . and .. */
  DIR *tasks = opendir("/proc/self/task");
  assert_non_null(tasks);
  while (readdir(tasks)) threads++;
  closedir(tasks);
  return threads;
}

static void a_lookup_that_cannot_wait_fails(void **state) {
  (void)state;
  static const struct fault_rates none;
  int status, threads = count_threads();
  struct net *host = net_host(getenv("SOQUETE_BACKEND"), &status);
  assert_non_null(host);
  struct net *net = fault_net_new(host, 1, &none);
  struct resolver *resolver = NULL;
  struct net_lookup q = {.host = "localhost", .type = SOCK_STREAM, .ticket = -1};
  fault_net_fail(net, FAULT_RECV, 1, -ENOMEM); /* what epoll_ctl(2) said */
  int r = host_lookup(net, &resolver, &q);
  if (r != 0) assert_int_equal(r, -ENOMEM); /* 0: the thread was faster */
  assert_int_equal(q.ticket, -1);
  assert_int_equal(net->open, 0);
  free(q.addrs);
  resolver_free(resolver);
  net_free(net);
  /* A helper thread ends by itself once its resolver is free. What it has in hand before would
   * count as lost at the end of the program. A sanitizer's own thread stays. */
  for (int i = 0; i < 2000 && count_threads() > threads; i++) usleep(1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_lookup_that_cannot_wait_fails),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
