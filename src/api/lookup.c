/* gethostbyname, getaddrinfo, getnameinfo, and names where addresses are expected. */
#include "api/lookup.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/task.h"
#include "base/status.h"

static const char *const class = "net.lookup";

struct lookup {
  struct net *net; /* borrowed */
  struct net_lookup q;
  struct addr of;
  char host[256], service[64];
  bool guarded; /* it is closed when its slot is left */
};

/* --- lookup objects ------------------------------------------------------------------- */

/* Pushes an empty lookup: all its memory is there before it can hold an answer. */
static struct lookup *new_lookup(lua_State *L) {
  struct lookup *l = lua_newuserdatauv(L, sizeof *l, 0);
  memset(l, 0, sizeof *l);
  l->net = sched_get(L)->loop.net;
  l->q.ticket = -1;
  luaL_setmetatable(L, class);
  return l;
}

static int collect(lua_State *L) {
  struct lookup *l = luaL_checkudata(L, 1, class);
  net_lookup_fini(l->net, &l->q);
  return 0;
}

void lookup_push(lua_State *L, const char *host, int port, int family, int type,
                 int passive) {
  struct lookup *l = new_lookup(L);
  strncpy(l->host, host, sizeof l->host - 1);
  l->q.host = l->host;
  l->q.family = family;
  l->q.type = type;
  l->q.passive = passive;
  if (port < 0) return;
  lua_pushfstring(L, "%d", port);
  strncpy(l->service, lua_tostring(L, -1), sizeof l->service - 1);
  l->q.service = l->service;
  lua_pop(L, 1);
}

void lookup_widen(lua_State *L, int idx) {
  struct lookup *l = luaL_checkudata(L, idx, class);
  l->q.family = AF_UNSPEC;
}

int lookup_resolve(lua_State *L, int idx, struct failure *f) {
  if (address_at(L, idx)) return 0;
  idx = lua_absindex(L, idx);
  struct lookup *l = luaL_checkudata(L, idx, class);
  int r = net_lookup(l->net, &l->q);
  f->address = l->host;
  if (r < 0) return r;
  address_push(L, sched_get(L),
               &l->q.addrs[0]); /* getaddrinfo(3) sorts: the first is the best */
  net_lookup_fini(l->net, &l->q);
  if (l->guarded) lua_closeslot(L, idx);
  lua_replace(L, idx);
  return 0;
}

int lookup_await_more(lua_State *L, int idx, const struct task_wait *w,
                      struct task_more *more, lua_KFunction k) {
  struct lookup *l = luaL_checkudata(L, idx, class);
  /* However this function is left, its ticket is given back at once. */
  if (!l->guarded) lua_toclose(L, idx);
  l->guarded = true;
  struct task_wait answer = {.op = w->op,
                             .h = l->q.ticket,
                             .what = NET_RD,
                             .deadline_ns = w->deadline_ns,
                             .sent = w->sent};
  return task_await_more(L, sched_get(L), &answer, more, k);
}

int lookup_await(lua_State *L, int idx, const char *op, int64_t deadline_ns,
                 lua_KFunction k) {
  return lookup_await_more(
      L, idx, &(struct task_wait){.op = op, .deadline_ns = deadline_ns}, NULL, k);
}

/* Pushes whom `l` is about, for people. */
static void push_whom(lua_State *L, const struct lookup *l) {
  char text[ADDR_TEXT];
  if (l->q.of) addr_format(l->q.of, text);
  lua_pushstring(L, l->q.of ? text : l->q.host ? l->host : l->service);
}

bool lookup_push_whom(lua_State *L, lua_State *in) {
  for (int slot = 1; slot <= lua_gettop(in); slot++) {
    lua_pushvalue(in, slot);
    lua_xmove(in, L, 1);
    const struct lookup *l = luaL_testudata(L, -1, class);
    if (l && l->q.ticket >= 0) {
      push_whom(L, l);
      lua_remove(L, -2);
      return true;
    }
    lua_pop(L, 1);
  }
  return false;
}

/* --- functions ------------------------------------------------------------------------ */

/* Runs the lookup at slot 1 to its end, then calls `give`. */
static int ask(lua_State *L, const char *op, lua_KFunction k,
               int (*give)(lua_State *, const struct lookup *)) {
  struct lookup *l = luaL_checkudata(L, 1, class);
  int r = net_lookup(l->net, &l->q);
  if (r == -EAGAIN) return lookup_await(L, 1, op, NET_NEVER, k);
  if (r == 0) {
    int results = give(L, l);
    net_lookup_fini(l->net, &l->q); /* a finalizer comes late, or without memory never */
    return task_step(L, sched_get(L), results, 0);
  }
  push_whom(L, l);
  const char *whom = lua_tostring(L, -1);
  if (r == status_from_eai(EAI_SERVICE)) whom = l->service;
  return error_return(L, &(struct failure){op, r, whom, NULL});
}

static void copy_name(lua_State *L, int idx, char *out, size_t size) {
  size_t len;
  const char *name = luaL_checklstring(L, idx, &len);
  luaL_argcheck(L, strlen(name) == len, idx, "a name holds no NUL byte");
  luaL_argcheck(L, len < size, idx, "the name is too long");
  memcpy(out, name, len + 1);
}

static int give_host(lua_State *L, const struct lookup *l) {
  char text[ADDR_TEXT];
  addr_host(&l->q.addrs[0], text);
  lua_pushstring(L, text);
  return 1;
}

static int gethostbyname_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return ask(L, "gethostbyname", gethostbyname_k, give_host);
}

/* net.gethostbyname(name) -> "1.2.3.4" | nil, err, code                              [y] */
static int host_by_name(lua_State *L) {
  luaL_checkstring(L, 1);
  struct lookup *l = new_lookup(L);
  copy_name(L, 1, l->host, sizeof l->host);
  lua_replace(L, 1);
  lua_settop(L, 1);
  l->q.host = l->host;
  l->q.family = AF_INET;
  l->q.type = SOCK_STREAM;
  interrupt_check(L, sched_of(L), "gethostbyname", NULL);
  return gethostbyname_k(L, LUA_OK, 0);
}

/* A port must be one: the C library takes "99999" for 34463, and "-1" for 65535. */
static void check_service(lua_State *L, int idx) {
  const char *service = lua_tostring(L, idx);
  size_t digits = strspn(service, "0123456789");
  bool is_name = digits == 0 && *service && !strchr("+- \t", *service);
  bool is_port = digits > 0 && digits <= 5 && !service[digits] && atoi(service) <= 65535;
  if (is_name || is_port) return;
  luaL_argerror(L, idx,
                lua_pushfstring(
                    L, "'%s' is no port from 0 to 65535 and no service's name", service));
}

static int give_list(lua_State *L, const struct lookup *l) {
  lua_createtable(L, l->q.count, 0);
  for (int i = 0; i < l->q.count; i++) {
    address_push(L, sched_get(L), &l->q.addrs[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* The field of the table at slot 3, a constant of C, or `otherwise`. */
static int want(lua_State *L, const char *field, int otherwise) {
  int is_integer = 1;
  lua_Integer n = otherwise;
  if (lua_getfield(L, 3, field) != LUA_TNIL) n = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || n < 0 || n > INT_MAX)
    luaL_argerror(L, 3, lua_pushfstring(L, "%s must be one of the constants", field));
  lua_pop(L, 1);
  return (int)n;
}

static int getaddrinfo_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return ask(L, "getaddrinfo", getaddrinfo_k, give_list);
}

/* net.getaddrinfo(name, service, {family=, type=}) -> list of addresses | nil, err, code
 * A nil name is this machine; the service is a name ("http"), a number or nil.       [y] */
static int address_info(lua_State *L) {
  lua_settop(L, 3);
  struct lookup *l = new_lookup(L);
  if (!lua_isnil(L, 1)) {
    copy_name(L, 1, l->host, sizeof l->host);
    l->q.host = l->host;
  }
  if (!lua_isnil(L, 2)) {
    copy_name(L, 2, l->service, sizeof l->service);
    check_service(L, 2);
    l->q.service = l->service;
  }
  luaL_argcheck(L, l->q.host || l->q.service, 1, "a name or a service is needed");
  l->q.type = SOCK_STREAM;
  if (!lua_isnil(L, 3)) {
    static const char *const wants[] = {"family", "type", NULL};
    args_fields(L, 3, wants);
    l->q.family = want(L, "family", AF_UNSPEC);
    l->q.type = want(L, "type", SOCK_STREAM);
  }
  lua_replace(L, 1);
  lua_settop(L, 1);
  interrupt_check(L, sched_of(L), "getaddrinfo", NULL);
  return getaddrinfo_k(L, LUA_OK, 0);
}

static int give_names(lua_State *L, const struct lookup *l) {
  lua_pushstring(L, l->q.name);
  lua_pushstring(L, l->q.port_name);
  return 2;
}

static int getnameinfo_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return ask(L, "getnameinfo", getnameinfo_k, give_names);
}

/* net.getnameinfo(address) -> name, service | nil, err, code. Without a name in the
 * system's tables the code is EAI_NONAME.                                            [y] */
static int name_info(lua_State *L) {
  address_arg(L, 1, AF_UNSPEC, SOCK_STREAM, ADDRESS_PORTLESS);
  luaL_argcheck(L, address_at(L, 1), 1, "a numeric address is needed, not a name");
  struct lookup *l = new_lookup(L);
  address_get(L, 1, AF_UNSPEC, &l->of);
  luaL_argcheck(L, addr_family(&l->of) != AF_UNIX, 1, "a Unix address has no name");
  l->q.of = &l->of;
  l->q.name_required = true;
  lua_replace(L, 1);
  lua_settop(L, 1);
  interrupt_check(L, sched_of(L), "getnameinfo", NULL);
  return getnameinfo_k(L, LUA_OK, 0);
}

static int resolve_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return ask(L, lua_tostring(L, 2), resolve_k, give_list);
}

/* core.resolve(address or host, port, operation, type, passive) -> list of addresses
 * | nil, err, code. For the short forms of lua/net.lua; an empty host that is to be bound
 * is the any-address of IPv6.                                                        [y] */
static int resolve(lua_State *L) {
  luaL_checkany(L, 5);
  int type = (int)luaL_checkinteger(L, 4);
  int flags = lua_toboolean(L, 5) ? ADDRESS_PASSIVE : 0;
  luaL_checkstring(L, 3);
  lua_settop(L, 3);
  lua_insert(L, 1); /* operation, address, port */
  const char *host = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
  bool any = *host == '\0' || *host == ':';
  address_arg(L, 2, any ? AF_INET6 : AF_UNSPEC, type, flags);
  lua_settop(L, 2);
  if (address_at(L, 2)) {
    interrupt_check(L, sched_of(L), lua_tostring(L, 1), NULL);
    lua_createtable(L, 1, 0);
    lua_insert(L, 2);
    lua_rawseti(L, 2, 1);
    return task_step(L, sched_of(L), 1, 0);
  }
  lookup_widen(L, 2);
  lua_insert(L, 1); /* lookup, operation */
  interrupt_check(L, sched_of(L), lua_tostring(L, 2), NULL);
  return resolve_k(L, LUA_OK, 0);
}

static const luaL_Reg functions[] = {
    {"getaddrinfo",   address_info},
    {"gethostbyname", host_by_name},
    {"getnameinfo",   name_info   },
    {"resolve",       resolve     },
    {NULL,            NULL        },
};

static const luaL_Reg metamethods[] = {
    {"__close", collect},
    {"__gc",    collect},
    {NULL,      NULL   },
};

void lookup_open(lua_State *L) {
  luaL_newmetatable(L, class);
  luaL_setfuncs(L, metamethods, 0);
  lua_pop(L, 1);
}

void lookup_functions(lua_State *L) {
  sched_functions(L, functions);
}
