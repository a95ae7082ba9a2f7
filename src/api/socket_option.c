/* setsockopt and getsockopt by name or by number, info, join and leave. The rows are
 * net/option.c's, the values option_value.c's. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "api/args.h"
#include "api/option_value.h"
#include "api/socket.h"
#include "base/nearest.h"
#include "base/status.h"

enum { RAW_MAX = 4096 }; /* bytes of an option by number */

/* --- which option --------------------------------------------------------------------- */

/* Raises with the nearest name of the table. */
static int unknown(lua_State *L, const char *name) {
  size_t count, best = SIZE_MAX;
  const struct option *rows = option_table(&count);
  const char *nearest = NULL;
  for (size_t i = 0; i < count; i++) {
    size_t distance = nearest_distance(name, rows[i].name);
    if (distance >= best || !nearest_is_slip(distance, strlen(name))) continue;
    best = distance;
    nearest = rows[i].name;
  }
  if (!nearest) return luaL_error(L, "no socket option is named '%s'", name);
  return luaL_error(L, "no socket option is named '%s'; did you mean '%s'?", name,
                    nearest);
}

/* The field `i` of the pair at slot 2. */
static int number_of(lua_State *L, int i) {
  int is_integer;
  lua_geti(L, 2, i);
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  luaL_argcheck(L, is_integer && n >= 0 && n <= INT32_MAX, 2,
                "an option is a name, or a pair of numbers: {level, number}");
  lua_pop(L, 1);
  return (int)n;
}

/* The option at slot 2; one that is given by its numbers fills `*raw` and has no name. */
static const struct option *check_option(lua_State *L, struct option *raw) {
  if (lua_istable(L, 2)) {
    *raw = (struct option){.level = number_of(L, 1), .number = number_of(L, 2)};
    return raw;
  }
  luaL_argcheck(L, lua_type(L, 2) != LUA_TNUMBER, 2,
                "an option is a name, as in \"SO_REUSEADDR\", or {level, number}");
  const struct option *o = option_find(luaL_checkstring(L, 2));
  if (o && o->type != OPTION_LEFT) return o;
  if (o) luaL_error(L, "%s is not offered: %s", o->name, o->does);
  unknown(L, lua_tostring(L, 2));
  return NULL;
}

/* The type of a raw option's value at slot 3. */
static enum option_type raw_type(lua_State *L) {
  switch (lua_type(L, 3)) {
  case LUA_TBOOLEAN: return OPTION_BOOL;
  case LUA_TSTRING: return OPTION_BYTES;
  default: return OPTION_INT;
  }
}

/* Names the option in the error of the results nil, err, code. */
static int name_option(lua_State *L, int results, const struct option *o) {
  if (results != 3 || strcmp(lua_tostring(L, -1), "closed") == 0) return results;
  lua_getfield(L, -2, "text");
  const char *text = lua_tostring(L, -1);
  if (o->name)
    lua_pushfstring(L, "%s: %s", o->name, text);
  else
    lua_pushfstring(L, "option {%d, %d}: %s", o->level, o->number, text);
  lua_setfield(L, -4, "text");
  lua_pop(L, 1);
  return results;
}

/* --- methods ---------------------------------------------------------------------------- */

static int set(lua_State *L, struct socket *s, const char *op, const struct option *o,
               const union option_value *v, int len) {
  if (s->h < 0) return socket_fail(L, 1, op, STATUS_CLOSED);
  int r = len < 0 ? len
                  : net_setopt(s->sched->loop.net, s->h, o->level, o->number, v,
                               (socklen_t)len);
  if (r < 0) return socket_fail(L, 1, op, r);
  if (o->level == SOL_SOCKET && o->number == SO_REUSEADDR) s->reuse_chosen = true;
  if (o->level == IPPROTO_UDP && o->number == UDP_GRO) s->joined = true;
  lua_settop(L, 1);
  return 1;
}

/* sock:setsockopt(name, value) -> sock | nil, err, code. The option may also be a pair
 * {level, number}; its value is then a boolean, an integer (an int) or raw bytes.        */
static int setsockopt_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  struct option raw;
  const struct option *o = check_option(L, &raw);
  union option_value v;
  if (o == &raw) {
    luaL_checkany(L, 3);
    raw.type = raw_type(L);
  }
  if (o->access == OPTION_READ_ONLY)
    return luaL_error(L, "%s can only be read: %s", o->name, o->does);
  int len = option_value_read(L, 3, o, &v);
  return name_option(L, set(L, s, "setsockopt", o, &v, len), o);
}

/* Pushes the value of a row's option, or gives nil, err, code. */
static int get(lua_State *L, struct socket *s, const char *op, const struct option *o) {
  union option_value v;
  memset(&v, 0, sizeof v);
  socklen_t len = sizeof v;
  if (s->h < 0) return socket_fail(L, 1, op, STATUS_CLOSED);
  int r = net_getopt(s->sched->loop.net, s->h, o->level, o->number, &v, &len);
  if (r < 0) return socket_fail(L, 1, op, r);
  option_value_push(L, o, &v, len);
  return 1;
}

/* An option by number: an integer, or with a size that many bytes at most. */
static int get_raw(lua_State *L, struct socket *s, const struct option *o) {
  char bytes[RAW_MAX];
  int number = 0;
  bool is_int = lua_isnoneornil(L, 3);
  socklen_t len = is_int ? sizeof number : (socklen_t)args_size(L, 3, 0, RAW_MAX);
  if (s->h < 0) return socket_fail(L, 1, "getsockopt", STATUS_CLOSED);
  int r = net_getopt(s->sched->loop.net, s->h, o->level, o->number,
                     is_int ? (void *)&number : bytes, &len);
  if (r < 0) return socket_fail(L, 1, "getsockopt", r);
  if (is_int)
    lua_pushinteger(L, number);
  else
    lua_pushlstring(L, bytes, len);
  return 1;
}

/* sock:getsockopt(name) -> value | nil, err, code;
 * sock:getsockopt({level, number} [, size]) -> integer, or with a size raw bytes         */
static int getsockopt_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  struct option raw;
  const struct option *o = check_option(L, &raw);
  if (o == &raw) return name_option(L, get_raw(L, s, o), o);
  if (o->access == OPTION_SET_ONLY)
    return luaL_error(L, "%s can only be set: %s", o->name, o->does);
  return name_option(L, get(L, s, "getsockopt", o), o);
}

/* sock:info() -> what the kernel knows of a TCP connection | nil, err, code              */
static int info_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  if (strcmp(socket_transport(s), "tcp") != 0)
    return luaL_error(L, "info: only a TCP socket has it; this is a %s socket",
                      socket_transport(s));
  return get(L, s, "info", option_find("TCP_INFO"));
}

static int membership(lua_State *L, const char *op, bool join) {
  struct socket *s = socket_check(L, 1);
  const struct option *o;
  union option_value v;
  lua_settop(L, 3);
  if (socket_is_stream(s) || s->family == AF_UNIX)
    return luaL_error(L, "%s: only a UDP socket has multicast groups", op);
  int len = option_value_group(L, 2, join, &o, &v);
  return set(L, s, op, o, &v, len);
}

/* sock:join(group [, interface]) -> sock | nil, err, code. The interface is a name, an
 * index, or for IPv4 one of its addresses.                                               */
static int join_method(lua_State *L) {
  return membership(L, "join", true);
}

/* sock:leave(group [, interface]) -> sock | nil, err, code                               */
static int leave_method(lua_State *L) {
  return membership(L, "leave", false);
}

static const luaL_Reg methods[] = {
    {"getsockopt", getsockopt_method},
    {"info",       info_method      },
    {"join",       join_method      },
    {"leave",      leave_method     },
    {"setsockopt", setsockopt_method},
    {NULL,         NULL             },
};

void socket_option_methods(lua_State *L) {
  sched_functions(L, methods);
}
