/* An address object of Lua's holds as many bytes as its address has. The trace copied the
 * whole struct, and so read beyond the object's end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/trace.h"
#include "support/fake_net.h"
#include "support/guard.h"
#include "support/peers.h"

static void place(void *arg, char out[TRACE_PLACE]) {
  (void)arg;
  strcpy(out, "x.lua:1");
}

static void the_trace_reads_an_address_to_its_end_only(void **state) {
  struct net *net = fake_net_new();
  struct addr to = {.len = sizeof to.u.in};
  struct trace trace;
  struct guard guard;
  int ends[2];
  char text[256] = "";
  (void)state;
  to.u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(9)};
  guard_init(&guard, sizeof to);
  const void *cut = guard_before(&guard, &to, offsetof(struct addr, u) + to.len);
  net_h h = net_socket(net, AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(pipe(ends), 0);
  trace_open(&trace, net, ends[1], place, NULL);
  net_sendto(net, h, "hello", 5, cut, 0);
  assert_true(read(ends[0], text, sizeof text - 1) > 0);
  assert_non_null(strstr(text, "sendto #"));
  net_close(net, h);
  net_free(net);
  trace_fini(&trace);
  guard_fini(&guard);
  close(ends[0]);
  close(ends[1]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_trace_reads_an_address_to_its_end_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
