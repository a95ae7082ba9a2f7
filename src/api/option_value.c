/* The values of socket options: one reader and one pusher a type. */
#include "api/option_value.h"

#include <arpa/inet.h>
#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/info.h"
#include "base/status.h"

typedef int reader(lua_State *, int idx, union option_value *);
typedef void pusher(lua_State *, const union option_value *, socklen_t);

/* --- numbers and texts ---------------------------------------------------------------- */

static int read_bool(lua_State *L, int idx, union option_value *v) {
  luaL_argexpected(L, lua_isboolean(L, idx), idx, "boolean");
  v->number = lua_toboolean(L, idx);
  return sizeof v->number;
}

static void push_bool(lua_State *L, const union option_value *v, socklen_t len) {
  lua_pushboolean(L, v->number != 0);
}

static int read_int(lua_State *L, int idx, union option_value *v) {
  lua_Integer n = luaL_checkinteger(L, idx);
  luaL_argcheck(L, n >= INT_MIN && n <= INT_MAX, idx, "the number does not fit an int");
  v->number = (int)n;
  return sizeof v->number;
}

static void push_int(lua_State *L, const union option_value *v, socklen_t len) {
  lua_pushinteger(L, v->number);
}

static int read_uint(lua_State *L, int idx, union option_value *v) {
  lua_Integer n = luaL_checkinteger(L, idx);
  luaL_argcheck(L, n >= 0 && n <= UINT_MAX, idx, "a number from 0 to 4294967295");
  v->count = (unsigned int)n;
  return sizeof v->count;
}

static void push_uint(lua_State *L, const union option_value *v, socklen_t len) {
  lua_pushinteger(L, v->count);
}

static int read_bytes(lua_State *L, int idx, union option_value *v) {
  size_t len;
  const char *text = luaL_checklstring(L, idx, &len);
  luaL_argcheck(L, len < sizeof v->bytes, idx, "the text is too long");
  memcpy(v->bytes, text, len + 1);
  return (int)len;
}

/* A text of C: the kernel would stop at its first zero byte, and take "reno\0x" for "reno". */
static int read_string(lua_State *L, int idx, union option_value *v) {
  int len = read_bytes(L, idx, v);
  luaL_argcheck(L, strlen(v->bytes) == (size_t)len, idx, "the text holds a zero byte");
  return len;
}

static void push_bytes(lua_State *L, const union option_value *v, socklen_t len) {
  lua_pushlstring(L, v->bytes, len);
}

static void push_string(lua_State *L, const union option_value *v, socklen_t len) {
  lua_pushlstring(L, v->bytes, strnlen(v->bytes, len));
}

/* The code of a pending error ("ECONNREFUSED"), or nil. */
static void push_error(lua_State *L, const union option_value *v, socklen_t len) {
  if (v->number)
    lua_pushstring(L, status_name(-v->number));
  else
    lua_pushnil(L);
}

/* --- structs -------------------------------------------------------------------------- */

/* Seconds, or false for off. */
static int read_linger(lua_State *L, int idx, union option_value *v) {
  v->linger = (struct linger){0};
  if (lua_isboolean(L, idx) && !lua_toboolean(L, idx)) return sizeof v->linger;
  lua_Integer seconds = luaL_checkinteger(L, idx);
  luaL_argcheck(L, seconds >= 0 && seconds <= INT_MAX, idx, "seconds from 0, or false");
  v->linger = (struct linger){1, (int)seconds};
  return sizeof v->linger;
}

static void push_linger(lua_State *L, const union option_value *v, socklen_t len) {
  if (v->linger.l_onoff)
    lua_pushinteger(L, v->linger.l_linger);
  else
    lua_pushboolean(L, 0);
}

static void push_timeval(lua_State *L, const union option_value *v, socklen_t len) {
  lua_pushnumber(L, (lua_Number)v->time.tv_sec + (lua_Number)v->time.tv_usec / 1e6);
}

static void set_integer(lua_State *L, const char *field, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, field);
}

static void push_cred(lua_State *L, const union option_value *v, socklen_t len) {
  lua_createtable(L, 0, 3);
  set_integer(L, "pid", v->cred.pid);
  set_integer(L, "uid", v->cred.uid);
  set_integer(L, "gid", v->cred.gid);
}

static void push_info(lua_State *L, const union option_value *v, socklen_t len) {
  info_push(L, v->bytes, len);
}

/* --- addresses and interfaces ------------------------------------------------------------ */

static void fail_host(lua_State *L, int idx, const char *what) {
  luaL_argerror(L, idx, lua_pushfstring(L, "%s must be an IP address", what));
}

/* The numeric host at stack index `at`; false when it is something else. */
static bool parse_host(lua_State *L, int at, struct addr *a) {
  struct addr_text text = {.port = 0};
  size_t len;
  const char *host = lua_tolstring(L, at, &len);
  if (!host || len == 0 || len >= sizeof text.host || strlen(host) != len) return false;
  memcpy(text.host, host, len + 1);
  text.host_len = len;
  return addr_from_text(a, &text, AF_UNSPEC) == 0;
}

/* The IP address at stack index `at`, numeric text or an address object; errors name
 * argument `idx`. */
static void read_host(lua_State *L, int at, int idx, const char *what, struct addr *a) {
  if (address_at(L, at))
    address_get(L, at, AF_UNSPEC, a);
  else if (!parse_host(L, at, a))
    fail_host(L, idx, what);
  if (addr_family(a) != AF_INET && addr_family(a) != AF_INET6) fail_host(L, idx, what);
}

/* An interface at stack index `at`: its name, its index, or nil for any. Its index, or
 * -ENODEV. */
static int read_index(lua_State *L, int at, int idx) {
  if (lua_isnoneornil(L, at)) return 0;
  size_t len;
  const char *name = lua_type(L, at) == LUA_TSTRING ? lua_tolstring(L, at, &len) : NULL;
  if (name) return strlen(name) == len ? addr_interface(name) : -ENODEV;
  int is_integer;
  lua_Integer n = lua_tointegerx(L, at, &is_integer);
  luaL_argcheck(L, is_integer && n >= 0 && n <= INT_MAX, idx,
                "an interface is a name or an index");
  return (int)n;
}

/* As read_index, where one of the interface's IPv4 addresses may stand for it too. */
static int read_interface(lua_State *L, int at, int idx, struct ip_mreqn *m) {
  struct addr a;
  if (address_at(L, at)) {
    read_host(L, at, idx, "the interface", &a);
    m->imr_address = a.u.in.sin_addr;
    return 0;
  }
  if (lua_type(L, at) == LUA_TSTRING && parse_host(L, at, &a) &&
      addr_family(&a) == AF_INET) {
    m->imr_address = a.u.in.sin_addr;
    return 0;
  }
  int index = read_index(L, at, idx);
  m->imr_ifindex = index;
  return index;
}

static int read_device(lua_State *L, int idx, union option_value *v) {
  luaL_argexpected(L, lua_isstring(L, idx), idx, "interface (a name or an index)");
  v->number = read_index(L, idx, idx);
  return v->number < 0 ? v->number : (int)sizeof v->number;
}

static int read_outgoing(lua_State *L, int idx, union option_value *v) {
  luaL_argexpected(L, lua_isstring(L, idx) || address_at(L, idx), idx,
                   "interface (a name, an index or an address)");
  v->mreqn = (struct ip_mreqn){0};
  int r = read_interface(L, idx, idx, &v->mreqn);
  return r < 0 ? r : (int)sizeof v->mreqn;
}

static void push_in_addr(lua_State *L, const union option_value *v, socklen_t len) {
  char text[INET_ADDRSTRLEN];
  lua_pushstring(L, inet_ntop(AF_INET, &v->in, text, sizeof text));
}

/* --- memberships ------------------------------------------------------------------------- */

static void need_family(lua_State *L, int idx, const struct addr *a, int family) {
  if (addr_family(a) != family)
    luaL_argerror(L, idx,
                  family == AF_INET ? "an IPv4 address is needed"
                                    : "an IPv6 address is needed");
}

static int fill_member(lua_State *L, int at, int idx, const struct addr *group,
                       union option_value *v) {
  need_family(L, idx, group, AF_INET);
  v->mreqn = (struct ip_mreqn){.imr_multiaddr = group->u.in.sin_addr};
  int r = read_interface(L, at, idx, &v->mreqn);
  return r < 0 ? r : (int)sizeof v->mreqn;
}

static int fill_member6(lua_State *L, int at, int idx, const struct addr *group,
                        union option_value *v) {
  need_family(L, idx, group, AF_INET6);
  int index = read_index(L, at, idx);
  if (index == 0) index = (int)group->u.in6.sin6_scope_id; /* ff02::1%eth0 */
  v->mreq6 = (struct ipv6_mreq){group->u.in6.sin6_addr, (unsigned)index};
  return index < 0 ? index : (int)sizeof v->mreq6;
}

/* Raises for a table with a field that a membership does not have: a misspelt interface
 * would join at another one. A plain value is the group. */
static void check_member(lua_State *L, int idx) {
  static const char *const names[] = {"group", "interface", NULL};
  if (lua_istable(L, idx)) args_fields(L, idx, names);
}

/* Pushes the field of the table at `idx`, or for a plain value: it for `group`, else nil. */
static int push_field(lua_State *L, int idx, const char *field) {
  if (lua_istable(L, idx))
    lua_getfield(L, idx, field);
  else if (strcmp(field, "group") == 0)
    lua_pushvalue(L, idx);
  else
    lua_pushnil(L);
  return lua_gettop(L);
}

static int read_member(lua_State *L, int idx, union option_value *v) {
  struct addr group;
  check_member(L, idx);
  read_host(L, push_field(L, idx, "group"), idx, "the group", &group);
  return fill_member(L, push_field(L, idx, "interface"), idx, &group, v);
}

static int read_member6(lua_State *L, int idx, union option_value *v) {
  struct addr group;
  check_member(L, idx);
  read_host(L, push_field(L, idx, "group"), idx, "the group", &group);
  return fill_member6(L, push_field(L, idx, "interface"), idx, &group, v);
}

/* ip(7), struct ip_mreq_source: the interface is one of its addresses. */
static int read_source(lua_State *L, int idx, union option_value *v) {
  static const char *const names[] = {"group", "interface", "source", NULL};
  struct addr group, source, interface = {0};
  args_fields(L, idx, names);
  read_host(L, push_field(L, idx, "group"), idx, "the group", &group);
  read_host(L, push_field(L, idx, "source"), idx, "the source", &source);
  need_family(L, idx, &group, AF_INET);
  need_family(L, idx, &source, AF_INET);
  int at = push_field(L, idx, "interface");
  if (!lua_isnil(L, at)) {
    read_host(L, at, idx, "the interface", &interface);
    need_family(L, idx, &interface, AF_INET);
  }
  v->source = (struct ip_mreq_source){.imr_multiaddr = group.u.in.sin_addr,
                                      .imr_interface = interface.u.in.sin_addr,
                                      .imr_sourceaddr = source.u.in.sin_addr};
  return sizeof v->source;
}

int option_value_group(lua_State *L, int idx, bool join, const struct option **o,
                       union option_value *v) {
  struct addr group;
  read_host(L, idx, idx, "the group", &group);
  bool six = addr_family(&group) == AF_INET6;
  if (six)
    *o = option_find(join ? "IPV6_ADD_MEMBERSHIP" : "IPV6_DROP_MEMBERSHIP");
  else
    *o = option_find(join ? "IP_ADD_MEMBERSHIP" : "IP_DROP_MEMBERSHIP");
  return six ? fill_member6(L, idx + 1, idx + 1, &group, v)
             : fill_member(L, idx + 1, idx + 1, &group, v);
}

/* --- types ------------------------------------------------------------------------------- */

static const struct {
  reader *read; /* NULL: such options are read only */
  pusher *push; /* NULL: such options are set only */
} types[] = {
    [OPTION_BOOL] = {read_bool,     push_bool   },
    [OPTION_BYTES] = {read_bytes,    push_bytes  },
    [OPTION_CRED] = {NULL,          push_cred   },
    [OPTION_DEVICE] = {read_device,   push_int    },
    [OPTION_ERROR] = {NULL,          push_error  },
    [OPTION_INFO] = {NULL,          push_info   },
    [OPTION_INT] = {read_int,      push_int    },
    [OPTION_LINGER] = {read_linger,   push_linger },
    [OPTION_MEMBER] = {read_member,   NULL        },
    [OPTION_MEMBERSIX] = {read_member6,  NULL        },
    [OPTION_OUTGOING] = {read_outgoing, push_in_addr},
    [OPTION_SOURCE] = {read_source,   NULL        },
    [OPTION_STRING] = {read_string,   push_string },
    [OPTION_TIMEVAL] = {NULL,          push_timeval},
    [OPTION_UINT] = {read_uint,     push_uint   },
};

int option_value_read(lua_State *L, int idx, const struct option *o,
                      union option_value *v) {
  return types[o->type].read(L, idx, v);
}

void option_value_push(lua_State *L, const struct option *o, const union option_value *v,
                       socklen_t len) {
  types[o->type].push(L, v, len);
}
