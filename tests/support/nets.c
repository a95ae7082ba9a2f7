#include "support/nets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/host_epoll.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/seed.h"

enum nets_kind nets_kind;

bool nets_have_ring(void) {
  int status;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  bool takes = net && epoll_self(net)->takes_ring;
  net_free(net);
  return takes && net_host_has_uring() == 0;
}

struct net *nets_new(void) {
  int status;
  if (nets_kind == NETS_FAKE) return fake_net_new();
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  assert_non_null(net);
  return nets_kind == NETS_HOST ? net : fault_net_new(net, seed_get(), &fault_soft);
}

int nets_set_up(void **state) {
  *state = nets_new();
  return 0;
}

int nets_tear_down(void **state) {
  struct net *net = *state;
  int left = net->open;
  net_free(net);
  return left;
}

int nets_use_fake(void **state) {
  (void)state;
  nets_kind = NETS_FAKE;
  return 0;
}

int nets_use_host(void **state) {
  (void)state;
  nets_kind = NETS_HOST;
  return 0;
}

int nets_use_faulty(void **state) {
  (void)state;
  nets_kind = NETS_FAULTY;
  return 0;
}

int nets_run(const struct CMUnitTest *tests, size_t count) {
  int failed = _cmocka_run_group_tests("in memory", tests, count, nets_use_fake, NULL);
  failed += _cmocka_run_group_tests("host", tests, count, nets_use_host, NULL);
  return failed + _cmocka_run_group_tests("host under faults", tests, count,
                                          nets_use_faulty, NULL);
}
