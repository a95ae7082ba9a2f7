/* The addresses of a look-up that was answered at once were freed when its object was
 * collected. That is late; and never, when a finalizer finds no memory to be called with. */
#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/loader.h"
#include "api/runtime.h"
#include "support/fake_net.h"

/* The question of the script; its object lives while nothing is collected. */
static struct net_lookup *asked;

static int answer_at_once(struct net *net, struct net_lookup *q) {
  (void)net;
  asked = q;
  q->addrs = calloc(1, sizeof *q->addrs);
  if (!q->addrs) abort();
  q->addrs[0].u.in = (struct sockaddr_in){.sin_family = AF_INET};
  q->addrs[0].len = sizeof q->addrs[0].u.in;
  q->count = 1;
  return 0;
}

static void run(const char *text) {
  struct net *net = fake_net_new();
  struct net_ops ops = *net->ops;
  ops.lookup = answer_at_once;
  net->ops = &ops;
  struct runtime *rt = runtime_new(net, ".");
  assert_non_null(rt);
  lua_gc(rt->L, LUA_GCSTOP);
  asked = NULL;
  assert_int_equal(loader_text(rt->L, text, strlen(text), "=script"), LUA_OK);
  assert_int_equal(runtime_run(rt, 0), 0);
  assert_non_null(asked);
  assert_null(asked->addrs);
  runtime_free(rt);
}

static void a_list_of_addresses_is_freed_when_it_is_told(void **state) {
  (void)state;
  run("local list = assert(require 'net'.getaddrinfo('a.test', 80))\n"
      "assert(#list == 1)\n");
}

static void an_address_is_freed_when_it_is_used(void **state) {
  (void)state;
  run("local net = require 'net'\n"
      "local s <close> = assert(net.socket())\n"
      "assert(s:bind('a.test', 0))\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_of_addresses_is_freed_when_it_is_told),
      cmocka_unit_test(an_address_is_freed_when_it_is_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
