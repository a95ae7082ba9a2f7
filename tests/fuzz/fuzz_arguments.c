/* Fuzz target: the argument checks of the bindings. arguments.lua turns the input into
 * calls of every function that a script can reach, over the net in memory or over real
 * sockets (the first byte says which). Nothing may crash, hang or be left over. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "api/runtime.h"
#include "base/status.h"
#include "support/fake_net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char script[] = "tests/fuzz/arguments.lua";

/* --- real sockets that reach no other machine ------------------------------------------- */

static const struct net_ops *host;

static bool is_near(const struct sockaddr *sa) {
  struct addr a = {.len = sizeof a.u};
  memcpy(&a.u, sa, sa->sa_family == AF_UNIX ? sizeof *sa : sizeof a.u.in6);
  if (sa->sa_family == AF_INET) return ntohl(a.u.in.sin_addr.s_addr) >> 24 == 127;
  return sa->sa_family == AF_UNIX || IN6_IS_ADDR_LOOPBACK(&a.u.in6.sin6_addr);
}

static int near_connect(struct net *net, net_h h, const struct addr *addr) {
  return is_near(&addr->u.sa) ? host->connect(net, h, addr) : -ENETUNREACH;
}

static ssize_t near_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                            int flags) {
  if (msg->msg_namelen && !is_near(msg->msg_name)) return -ENETUNREACH;
  return host->sendmsg(net, h, msg, flags);
}

static int near_sendmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n,
                         int flags) {
  for (unsigned i = 0; i < n; i++)
    if (all[i].msg_hdr.msg_namelen && !is_near(all[i].msg_hdr.msg_name))
      return -ENETUNREACH;
  return host->sendmany(net, h, all, n, flags);
}

static int no_lookup(struct net *net, struct net_lookup *q) {
  return status_from_eai(EAI_NONAME);
}

static struct net *near_net(void) {
  static struct net_ops near_ops;
  int status;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  assert(net);
  host = net->ops;
  near_ops = *host;
  near_ops.connect = near_connect;
  near_ops.sendmsg = near_sendmsg;
  near_ops.sendmany = near_sendmany;
  near_ops.lookup = no_lookup;
  net->ops = &near_ops;
  return net;
}

/* --- which functions are the runtime's -------------------------------------------------- */

enum { FOREIGN_MAX = 1024 };
static lua_CFunction foreign[FOREIGN_MAX]; /* the functions of a plain Lua */
static int foreign_count;

static void note_functions(lua_State *L, int depth) {
  luaL_checkstack(L, 4, NULL);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    lua_CFunction f = lua_tocfunction(L, -1);
    if (f && foreign_count < FOREIGN_MAX) foreign[foreign_count++] = f;
    if (lua_istable(L, -1) && depth > 0) note_functions(L, depth - 1);
  }
}

static void note_foreign(void) {
  if (foreign_count > 0) return;
  lua_State *L = luaL_newstate();
  assert(L);
  luaL_openlibs(L);
  lua_pushvalue(L, LUA_REGISTRYINDEX);
  note_functions(L, 2); /* the registry, its modules, their functions */
  assert(foreign_count < FOREIGN_MAX);
  lua_close(L);
}

static int is_ours(lua_State *L) {
  lua_CFunction f = lua_tocfunction(L, 1);
  bool known = false;
  for (int i = 0; i < foreign_count; i++) known |= f == foreign[i];
  lua_pushboolean(L, lua_isfunction(L, 1) && !known);
  return 1;
}

static bool was_done;

/* The script has come to its end: tasks that still wait would go on for ever. */
static int done(lua_State *L) {
  runtime_interrupt(lua_touserdata(L, lua_upvalueindex(1)), SIGTERM);
  was_done = true;
  return 0;
}

/* --- one input -------------------------------------------------------------------------- */

/* Descriptor 0 is what a call may close. */
static void open_input(void) {
  if (fcntl(0, F_GETFD) >= 0) return;
  int fd = open("/dev/null", O_RDONLY);
  assert(fd == 0);
}

static void run(struct runtime *rt, const uint8_t *data, size_t size, bool real) {
  if (luaL_loadfile(rt->L, script) != LUA_OK) {
    fprintf(stderr, "%s\n", lua_tostring(rt->L, -1));
    assert(!"the script loads");
  }
  lua_pushlstring(rt->L, (const char *)data, size);
  lua_pushcfunction(rt->L, is_ours);
  lua_pushlightuserdata(rt->L, rt);
  lua_pushcclosure(rt->L, done, 1);
  lua_pushboolean(rt->L, real);
  was_done = false;
  runtime_run(rt, 4); /* its status is 1 also when a task fails that was called */
  assert(was_done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  bool real = size > 0 && data[0] % 8 == 1; /* they are slow */
  note_foreign();
  open_input();
  struct runtime *rt = runtime_new(real ? near_net() : fake_net_new(), NULL);
  assert(rt);
  run(rt, data + (size > 0), size - (size > 0), real);
  struct leftovers left = runtime_leftovers(rt);
  assert(left.tasks == 0 && left.timers == 0 && left.handles == 0);
  runtime_free(rt);
  return 0;
}
