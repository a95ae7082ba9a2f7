/* The net tells the error of a queued send once, and EPIPE from then on. `send` tried twice
 * before it told anything; lack of memory, which no stream remembers, came out as EPIPE. */
#include <errno.h>
#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "api/loader.h"
#include "api/runtime.h"
#include "support/fake_net.h"

static int calls;

static ssize_t tell_once(struct net *net, net_h h, const void *bytes, size_t n) {
  (void)net;
  (void)h;
  (void)bytes;
  (void)n;
  return calls++ ? -EPIPE : -ENOMEM;
}

static const char script[] = "local net = require 'net'\n"
                             "local l <close> = assert(net.listen('127.0.0.1:0'))\n"
                             "local s <close> = assert(net.connect(l:getsockname()))\n"
                             "assert(select(3, s:send('x')) == 'ENOMEM')\n"
                             "assert(select(3, s:send('x')) == 'EPIPE')\n";

static void send_tells_the_first_error(void **state) {
  (void)state;
  struct net *net = fake_net_new();
  struct net_ops ops = *net->ops;
  ops.send = tell_once;
  net->ops = &ops;
  struct runtime *rt = runtime_new(net, ".");
  assert_non_null(rt);
  assert_int_equal(loader_text(rt->L, script, sizeof script - 1, "=script"), LUA_OK);
  assert_int_equal(runtime_run(rt, 0), 0);
  runtime_free(rt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(send_tells_the_first_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
