/* Without memory at its start the runtime panicked, which ends the process by a signal. It
 * has to say so and to give everything back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <lauxlib.h>
#include <unistd.h>

#include "api/loader.h"
#include "api/runtime.h"
#include "support/fault_alloc.h"

static void run_a_script(struct runtime *rt) {
  static const char code[] = "assert(require('net').spawn(function() end))";
  fault_alloc->mode = FAULT_OFF;
  if (loader_text(rt->L, code, sizeof code - 1, "=test") != LUA_OK) fail();
  fault_alloc->mode = FAULT_REAL;
  runtime_run(rt, 0);
}

/* The n-th allocation fails; true when it was reached. */
static bool start(unsigned n) {
  int status;
  long live = fault_alloc->live;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  fault_alloc_plan(FAULT_REAL, n);
  struct runtime *rt = runtime_new(net, NULL);
  if (rt) run_a_script(rt);
  fault_alloc->mode = FAULT_OFF;
  bool reached = fault_alloc->requests >= n;
  runtime_free(rt);
  assert_int_equal(fault_alloc->live, live);
  return reached;
}

static void a_runtime_without_memory_says_so_and_leaves_nothing(void **state) {
  (void)state;
  int words = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
  dup2(null, STDERR_FILENO);
  unsigned n = 1;
  while (start(n)) n += 1 + n / 50;
  dup2(words, STDERR_FILENO);
  close(words);
  close(null);
  assert_true(n > 500); /* so many there are at least */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_runtime_without_memory_says_so_and_leaves_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
