/* bind allows a restart first, by SO_REUSEADDR. That this had failed was not told: only that
 * the address was in use, later, and where nobody could know why. */
#include <errno.h>
#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/loader.h"
#include "api/runtime.h"
#include "support/fake_net.h"
#include "support/fault_net.h"

static const char script[] = "local net = require 'net'\n"
                             "local s <close> = assert(net.socket())\n"
                             "assert(select(3, s:bind('127.0.0.1', 0)) == 'ENOMEM')\n"
                             "assert(s:bind('127.0.0.1', 0))\n";

static void bind_tells_that_it_cannot_allow_a_restart(void **state) {
  (void)state;
  static const struct fault_rates none;
  struct net *net = fault_net_new(fake_net_new(), 1, &none);
  struct runtime *rt = runtime_new(net, ".");
  assert_non_null(rt);
  fault_net_fail(net, FAULT_SETOPT, 1, -ENOMEM);
  assert_int_equal(loader_text(rt->L, script, sizeof script - 1, "=script"), LUA_OK);
  assert_int_equal(runtime_run(rt, 0), 0);
  runtime_free(rt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bind_tells_that_it_cannot_allow_a_restart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
