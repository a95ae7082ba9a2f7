/* The deadlines of an HTTP connection were counted from when the turn began. A handler that
 * computed for longer than them, before it waited, found its connection too late: the next
 * request was not read, a body was refused, and the answer was destroyed by a reset. */
#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/loader.h"
#include "api/runtime.h"
#include "support/fake_net.h"

static struct net *net;

/* compute(seconds): time passes, and no turn begins. */
static int compute(lua_State *L) {
  fake_net_advance(net, (int64_t)(luaL_checknumber(L, 1) * 1e9));
  return 0;
}

static void run(const char *body) {
  static const char begin[] =
      "local net, core = require 'net', require 'net.http.core'\n"
      "local l = assert(net.listen '127.0.0.1:0')\n"
      "local peer = assert(net.connect(l:getsockname()))\n"
      "local shared = core.shared { idle_timeout = 5, head_timeout = 5, body_timeout = 5 "
      "}\n"
      "local sock = assert(l:accept())\n"
      "local conn <close> = core.connection(sock, shared)\n"
      "l:close()\n"
      "local function request()\n"
      "  local found\n"
      "  assert(conn:exchanges(function(req) found = req end, nil, true))\n"
      "  return found\n"
      "end\n"
      "local function later(fn) net.spawn(function() net.sleep(1); fn() end) end\n";
  net = fake_net_new();
  struct runtime *rt = runtime_new(net, ".");
  assert_non_null(rt);
  lua_register(rt->L, "compute", compute);
  lua_pushfstring(rt->L, "%s%s", begin, body);
  size_t len;
  const char *text = lua_tolstring(rt->L, -1, &len);
  assert_int_equal(loader_text(rt->L, text, len, "=script"), LUA_OK);
  lua_remove(rt->L, -2);
  assert_int_equal(runtime_run(rt, 0), 0);
  runtime_free(rt);
}

static void the_next_request_has_its_time(void **state) {
  (void)state;
  run("later(function() peer:send 'GET / HTTP/1.1\\r\\n' end)\n"
      "compute(10)\n"
      "local task = net.spawn(request)\n"
      "net.sleep(3)\n"
      "peer:send 'Host: a\\r\\n\\r\\n'\n"
      "assert(task:join().path == '/')\n");
}

static void a_body_has_its_time(void **state) {
  (void)state;
  run("peer:send 'POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\n'\n"
      "local req = request()\n"
      "later(function() peer:send 'body' end)\n"
      "compute(10)\n"
      "assert(assert(req:body()) == 'body')\n");
}

static void a_peer_that_has_not_read_the_answer_is_waited_for(void **state) {
  (void)state;
  run("peer:send 'POST / HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\n'\n"
      "local req = request()\n"
      "local ended\n"
      "later(function() ended = true; peer:close() end)\n"
      "compute(10)\n"
      "conn:linger()\n"
      "assert(ended)\n");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_next_request_has_its_time),
      cmocka_unit_test(a_body_has_its_time),
      cmocka_unit_test(a_peer_that_has_not_read_the_answer_is_waited_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
