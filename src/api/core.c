/* The C module net.core: constants, functions, classes. */
#include "api/core.h"

#include <lauxlib.h>
#include <sys/socket.h>

#include "api/address.h"
#include "api/coro.h"
#include "api/error.h"
#include "api/lookup.h"
#include "api/names.h"
#include "api/protect.h"
#include "api/report.h"
#include "api/socket.h"
#include "api/task_class.h"
#include "api/text.h"

void core_open(lua_State *L) {
  error_open(L);
  address_open(L);
  lookup_open(L);
  socket_open(L);
  task_class_open(L);
  report_open(L, sched_get(L));
  protect_open(L);
  coro_open(L);
  text_open(L);
}

/* net.address(address) or net.address(host, port) -> address. Numeric ones only.         */
static int address(lua_State *L) {
  address_arg(L, 1, AF_UNSPEC, SOCK_STREAM, ADDRESS_PASSIVE);
  luaL_argcheck(L, address_at(L, 1), 1,
                "a numeric host is needed; getaddrinfo asks names");
  lua_settop(L, 1);
  return 1;
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

/* core.strict(table) -> table, which raises for names that it does not have              */
static int strict(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  names_strict(L, "net");
  return 1;
}

static const struct {
  const char *name;
  int value;
} constants[] = {
    {"AF_INET",     AF_INET    },
    {"AF_INET6",    AF_INET6   },
    {"AF_UNIX",     AF_UNIX    },
    {"SHUT_RD",     SHUT_RD    },
    {"SHUT_RDWR",   SHUT_RDWR  },
    {"SHUT_WR",     SHUT_WR    },
    {"SOCK_DGRAM",  SOCK_DGRAM },
    {"SOCK_STREAM", SOCK_STREAM},
};

static const luaL_Reg functions[] = {
    {"address",    address   },
    {"is_address", is_address},
    {"is_socket",  is_socket },
    {"strict",     strict    },
    {NULL,         NULL      },
};

int luaopen_net_core(lua_State *L) {
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  lookup_functions(L);
  socket_functions(L);
  task_class_functions(L);
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    lua_pushinteger(L, constants[i].value);
    lua_setfield(L, -2, constants[i].name);
  }
  return 1;
}
