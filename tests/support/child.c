/* A runtime for tests of the Lua API. */
#include "support/child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/loader.h"
#include "base/status.h"
#include "support/fake_net.h"
#include "support/fault_alloc.h"
#include "support/fault_net.h"

void (*child_begins)(struct runtime *);

static const char harness_folder[] =
    "tests/support"; /* suites run at the project's top */

/* --- what the harness may ask of the process -------------------------------------------- */

/* testing.limit_files(n): the process may open descriptors below n only */
static int limit_files(lua_State *L) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) return luaL_error(L, "%s", strerror(errno));
  return 0;
}

/* True for the ring, which the backend makes when a stream first waits. */
static bool is_ring(int fd) {
  char path[32], what[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(path, what, sizeof what);
  return n > 0 && memmem(what, (size_t)n, "io_uring", 8);
}

/* testing.open_files() -> how many descriptors are open */
static int open_files(lua_State *L) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0 && !is_ring(fd);
  lua_pushinteger(L, count);
  return 1;
}

/* testing.descriptor_flags(fd) -> close-on-exec, non-blocking | nil */
static int descriptor_flags(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1), flags = fcntl(fd, F_GETFD);
  if (flags < 0) return 0;
  lua_pushboolean(L, flags & FD_CLOEXEC);
  lua_pushboolean(L, fcntl(fd, F_GETFL) & O_NONBLOCK);
  return 2;
}

/* testing.faults() -> how many faults the net has injected; not for "epoll" and "fake" */
static int count_faults(lua_State *L) {
  struct runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushinteger(L, fault_net_count(rt->net));
  return 1;
}

/* testing.open_handles() -> how many handles of the net are open */
static int open_handles(lua_State *L) {
  struct runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushinteger(L, rt->net->open);
  return 1;
}

/* testing.drop_privileges(): this process is nobody's from now on */
static int drop_privileges(lua_State *L) {
  enum { NOBODY = 65534 };
  if (geteuid() == 0 && setuid(NOBODY) < 0) return luaL_error(L, "%s", strerror(errno));
  return 0;
}

/* testing.interrupt(signal): as if that signal had come */
static int interrupt(lua_State *L) {
  runtime_interrupt(lua_touserdata(L, lua_upvalueindex(1)), (int)luaL_checkinteger(L, 1));
  return 0;
}

/* testing.begin(): the test proper begins now */
static int begin(lua_State *L) {
  if (child_begins) child_begins(lua_touserdata(L, lua_upvalueindex(1)));
  return 0;
}

/* testing.fail(n): the n-th allocation from now on fails, however often it is asked for;
 * testing.fail() -> was it reached: none fails any more */
static int fail(lua_State *L) {
  struct fault_alloc *f = fault_alloc;
  bool reached = f->mode != FAULT_OFF && f->requests >= f->at;
  f->mode = FAULT_OFF;
  unsigned at = (unsigned)luaL_optinteger(L, 1, 0);
  fault_alloc_plan(at ? FAULT_REAL : FAULT_OFF, at);
  lua_pushboolean(L, reached);
  return 1;
}

/* testing.fault() -> operation, code | nothing: the failure that the campaign injected */
static int fault(lua_State *L) {
  struct runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  int status;
  const char *op = fault_net_struck(rt->net, &status);
  if (!op) return 0;
  unsigned told = fault_alloc->told;
  lua_pushstring(L, op);
  lua_pushstring(L, status_name(status));
  fault_alloc->told = told; /* a test that asks has not been told */
  return 2;
}

/* testing.strikes() -> how many faults the campaign has injected so far */
static int strikes(lua_State *L) {
  struct runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  int status;
  bool struck = fault_net_struck(rt->net, &status);
  lua_pushinteger(L, (lua_Integer)fault_alloc->refused + struck);
  return 1;
}

static const luaL_Reg functions[] = {
    {"begin",            begin           },
    {"descriptor_flags", descriptor_flags},
    {"drop_privileges",  drop_privileges },
    {"fail",             fail            },
    {"fault",            fault           },
    {"faults",           count_faults    },
    {"interrupt",        interrupt       },
    {"limit_files",      limit_files     },
    {"open_files",       open_files      },
    {"open_handles",     open_handles    },
    {"strikes",          strikes         },
    {NULL,               NULL            },
};

static int open_testing(lua_State *L) {
  luaL_checkversion(L);
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, lua_upvalueindex(1));
  luaL_setfuncs(L, functions, 1);
  return 1;
}

/* --- runtimes --------------------------------------------------------------------------- */

struct net *child_net(const char *kind, uint64_t seed) {
  static const struct fault_rates full = {.no_descriptor = 1000};
  int status = 0;
  if (strcmp(kind, "fake") == 0) return fake_net_new();
  if (strcmp(kind, "full") == 0) return fault_net_new(fake_net_new(), seed, &full);
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  if (!net || strcmp(kind, "epoll") == 0) return net;
  struct fault_rates rates = strcmp(kind, "hard") == 0 ? fault_hard : fault_soft;
  return fault_net_new(net, seed, &rates);
}

struct runtime *child_runtime(struct net *net) {
  struct runtime *rt = net ? runtime_new(net, harness_folder) : NULL;
  if (!rt) abort();
  lua_getglobal(rt->L, "package");
  lua_getfield(rt->L, -1, "preload");
  lua_pushlightuserdata(rt->L, rt);
  lua_pushcclosure(rt->L, open_testing, 1);
  lua_setfield(rt->L, -2, "testing");
  lua_pop(rt->L, 2);
  return rt;
}

int child_run(struct runtime *rt, const char *file, int test, uint64_t seed) {
  static const char code[] = "return require('harness').main(...)";
  if (loader_text(rt->L, code, sizeof code - 1, "=luatest") != LUA_OK) abort();
  lua_pushstring(rt->L, file);
  lua_pushinteger(rt->L, test);
  lua_pushinteger(rt->L, (lua_Integer)seed);
  return runtime_run(rt, 3);
}

int child_leftovers(struct runtime *rt, int status) {
  struct leftovers left = runtime_leftovers(rt);
  if (!left.tasks && !left.timers && !left.handles) return status;
  fprintf(stderr, "left over: %zu tasks, %zu timers, %d handles\n", left.tasks,
          left.timers, left.handles);
  return CHILD_LEFT_OVER;
}
