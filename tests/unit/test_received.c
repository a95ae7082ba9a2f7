/* Descriptors that a message brings do not leak when memory runs out at any allocation
 * between the system call and the script. */
#include <fcntl.h>
#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "api/loader.h"
#include "api/runtime.h"

/* Allocations until they fail, all of them from then on, since Lua tries again after a
 * collection; < 0: none fails. */
static long left = -1;

static lua_Alloc runtimes_own;

static void *allocate(void *ud, void *old, size_t old_size, size_t size) {
  bool grows = size > 0 && (!old || size > old_size);
  if (grows && left > 0) left--;
  if (grows && left == 0) return NULL;
  return runtimes_own(ud, old, old_size, size);
}

static int fail_at(lua_State *L) {
  left = (long)luaL_checkinteger(L, 1);
  return 0;
}

static int has_failed(lua_State *L) {
  lua_pushboolean(L, left == 0);
  left = -1;
  return 1;
}

static int open_files(lua_State *L) {
  int count = 0;
  for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
  lua_pushinteger(L, count);
  return 1;
}

/* Counts how many allocations recvmsg makes, failing each in its turn. */
static const char script[] =
    "local net = require 'net'\n"
    "local a, b = assert(net.socketpair(net.AF_UNIX, net.SOCK_DGRAM))\n"
    "b:setsockopt('SO_PASSCRED', true)\n"
    "local function receive() return b:recvmsg() end\n"
    "collectgarbage('stop')\n"
    "local before = open_files()\n"
    "for n = 1, 1000 do\n"
    "  assert(a:sendmsg('a text of more than forty bytes, which is not interned', {fds = "
    "{a, b, 2}}))\n"
    "  fail_at(n)\n"
    "  local ok, data, m = pcall(receive)\n"
    "  if not has_failed() then\n"
    "    assert(ok and #m.fds == 3)\n"
    "    failures = n - 1\n"
    "    break\n"
    "  end\n"
    "  assert(not ok)\n"
    "  data, m = nil, nil\n"
    "  while b:recv(1, net.MSG_DONTWAIT) do end\n"
    "  collectgarbage() collectgarbage()\n"
    "  assert(open_files() == before, 'a leak at allocation ' .. n)\n"
    "end\n"
    "a:close() b:close()\n";

static void no_descriptor_leaks_when_memory_runs_out(void **state) {
  int status;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  assert_non_null(net);
  struct runtime *rt = runtime_new(net, ".");
  assert_non_null(rt);
  lua_register(rt->L, "fail_at", fail_at);
  lua_register(rt->L, "has_failed", has_failed);
  lua_register(rt->L, "open_files", open_files);
  void *ud;
  runtimes_own = lua_getallocf(rt->L, &ud);
  lua_setallocf(rt->L, allocate, ud);
  assert_int_equal(loader_text(rt->L, script, sizeof script - 1, "=script"), LUA_OK);
  assert_int_equal(runtime_run(rt, 0), 0);
  lua_getglobal(rt->L, "failures");
  assert_true(lua_tointeger(rt->L, -1) > 5);
  runtime_free(rt);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_descriptor_leaks_when_memory_runs_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
