/* The C module net.core: constants, functions, classes. */
#include "api/core.h"

#include <lauxlib.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/address.h"
#include "api/buffer.h"
#include "api/bulk.h"
#include "api/condition.h"
#include "api/coro.h"
#include "api/error.h"
#include "api/file_class.h"
#include "api/join_set.h"
#include "api/lookup.h"
#include "api/names.h"
#include "api/on_signal.h"
#include "api/poll.h"
#include "api/protect.h"
#include "api/report.h"
#include "api/runtime.h"
#include "api/socket.h"
#include "api/task_class.h"
#include "api/text.h"
#include "base/status.h"

/* net.address(address) or net.address(host, port) -> address. Numeric ones only.         */
static int address(lua_State *L) {
  address_arg(L, 1, AF_UNSPEC, SOCK_STREAM, ADDRESS_PASSIVE);
  luaL_argcheck(L, address_at(L, 1), 1,
                "a numeric host is needed; getaddrinfo asks names");
  lua_settop(L, 1);
  return 1;
}

static char at_end_key; /* registry key: list of functions */

/* core.at_end(fn): fn() runs when the last task has ended; it cannot wait                 */
static int at_end(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &at_end_key) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &at_end_key);
    lua_replace(L, 2);
  }
  lua_pushvalue(L, 1);
  lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
  return 0;
}

bool core_ended(lua_State *L) {
  int top = lua_gettop(L);
  bool all = true;
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &at_end_key) == LUA_TTABLE) {
    for (lua_Integer i = 1; lua_rawgeti(L, top + 1, i) == LUA_TFUNCTION; i++) {
      bool ran = lua_pcall(L, 0, 0, 0) == LUA_OK;
      if (!ran) report_value(L, -1);
      all = all && ran;
      lua_settop(L, top + 1);
    }
  }
  lua_settop(L, top);
  return all;
}

/* flush(): hands queued sends to the kernel, before something blocks the process     */
static int flush(lua_State *L) {
  net_flush(sched_get(L)->loop.net, -1);
  return 0;
}

/* drain([status]): waits until everything that was sent is in the kernel, before os.exit, whose
 * argument it refuses as that does: a script that goes on after that must find all as it was */
static int drain(lua_State *L) {
  if (!lua_isboolean(L, 1)) luaL_optinteger(L, 1, EXIT_SUCCESS);
  runtime_drain(sched_get(L)->loop.net);
  return 0;
}

/* core.is_address(value) -> boolean                                                      */
static int is_address(lua_State *L) {
  lua_pushboolean(L, address_at(L, 1) != NULL);
  return 1;
}

/* core.is_socket(value) -> boolean                                                       */
static int is_socket(lua_State *L) {
  lua_pushboolean(L, luaL_testudata(L, 1, "net.socket") != NULL);
  return 1;
}

/* core.here() -> "file:line" of the script                                               */
static int here(lua_State *L) {
  error_where(L);
  return 1;
}

/* core.raise(message): raises it with the line of the script, whatever parts of the library
 * lie between                                                                            */
static int raise_here(lua_State *L) {
  return error_raise(L, "%s", luaL_checkstring(L, 1));
}

/* core.closed(op, where) -> nil, err, "closed": for what was closed at `where`           */
static int closed(lua_State *L) {
  const char *op = luaL_checkstring(L, 1), *where = luaL_checkstring(L, 2);
  error_values(L, &(struct failure){op, STATUS_CLOSED, NULL, NULL});
  lua_pushfstring(L, "closed at %s", where);
  lua_setfield(L, -3, "text");
  return task_fail(L, sched_get(L));
}

/* core.method(name, fn): a method of sockets that is written in Lua                      */
static int method(lua_State *L) {
  luaL_getmetatable(L, "net.socket");
  lua_getfield(L, -1, "__index");
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, luaL_checkstring(L, 1));
  return 0;
}

/* core.strict(table, whose) -> table, which raises for names that it does not have       */
static int strict(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  const char *whose = luaL_checkstring(L, 2);
  lua_pushvalue(L, 1);
  names_strict(L, whose);
  return 1;
}

/* core.terminal(fd) -> columns | nil where the descriptor is no terminal                 */
static int terminal(lua_State *L) {
  struct winsize size = {0};
  int fd = (int)luaL_checkinteger(L, 1);
  if (!isatty(fd)) return 0;
  lua_pushinteger(L, ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80);
  return 1;
}

#define CONSTANT(name) \
  { #name, name }

static const struct {
  const char *name;
  int value;
} constants[] = {
    CONSTANT(AF_INET),           CONSTANT(AF_INET6),          CONSTANT(AF_UNIX),
    CONSTANT(IPPROTO_IP),        CONSTANT(IPPROTO_IPV6),      CONSTANT(IPPROTO_TCP),
    CONSTANT(IPPROTO_UDP),       CONSTANT(IPTOS_LOWDELAY),    CONSTANT(IPTOS_MINCOST),
    CONSTANT(IPTOS_RELIABILITY), CONSTANT(IPTOS_THROUGHPUT),  CONSTANT(IP_PMTUDISC_DO),
    CONSTANT(IP_PMTUDISC_DONT),  CONSTANT(IP_PMTUDISC_PROBE), CONSTANT(IP_PMTUDISC_WANT),
    CONSTANT(MSG_CONFIRM),       CONSTANT(MSG_DONTROUTE),     CONSTANT(MSG_DONTWAIT),
    CONSTANT(MSG_MORE),          CONSTANT(MSG_NOSIGNAL),      CONSTANT(MSG_OOB),
    CONSTANT(MSG_PEEK),          CONSTANT(SHUT_RD),           CONSTANT(SHUT_RDWR),
    CONSTANT(SHUT_WR),           CONSTANT(SOCK_DGRAM),        CONSTANT(SOCK_SEQPACKET),
    CONSTANT(SOCK_STREAM),       CONSTANT(SOL_SOCKET),
};

static const luaL_Reg functions[] = {
    {"address",    address      },
    {"at_end",     at_end       },
    {"closed",     closed       },
    {"here",       here         },
    {"is_address", is_address   },
    {"is_socket",  is_socket    },
    {"method",     method       },
    {"raise",      raise_here   },
    {"strict",     strict       },
    {"terminal",   terminal     },
    {"traced",     report_traced},
    {NULL,         NULL         },
};

/* The classes of what only net.core makes. */
static void open_classes(lua_State *L) {
  address_open(L);
  bulk_open(L);
  lookup_open(L);
  condition_open(L);
  join_set_open(L);
  socket_open(L);
  socket_relay_open(L);
  buffer_open(L);
  file_class_open(L);
}

int luaopen_net_core(lua_State *L) {
  open_classes(L);
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  buffer_functions(L);
  lookup_functions(L);
  condition_functions(L);
  join_set_functions(L);
  on_signal_functions(L);
  poll_functions(L);
  socket_functions(L);
  socket_relay_functions(L);
  file_class_functions(L);
  task_class_functions(L);
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    lua_pushinteger(L, constants[i].value);
    lua_setfield(L, -2, constants[i].name);
  }
  return 1;
}

/* What lua/net/boot.lua needs before there is a net.core. */
static const luaL_Reg early[] = {
    {"core",  luaopen_net_core},
    {"drain", drain           },
    {"flush", flush           },
    {NULL,    NULL            },
};

void core_open(lua_State *L) {
  error_open(L);
  task_class_open(L);
  report_open(L, sched_get(L));
  protect_open(L);
  coro_open(L);
  text_open(L);
  luaL_newlib(L, early);
}
