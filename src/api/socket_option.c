/* setsockopt and getsockopt by name. The rows are net/option.c's; here each type becomes a
 * Lua value and back. */
#include <limits.h>
#include <netinet/in.h>
#include <string.h>

#include "api/names.h"
#include "api/socket.h"
#include "base/nearest.h"
#include "base/status.h"
#include "net/option.h"

enum { STRING_BYTES = 64 };

union value {
  int number;
  struct linger linger;
  char text[STRING_BYTES];
};

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

static const struct option *check_option(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  const struct option *o = option_find(name);
  if (!o) unknown(L, name);
  return o;
}

/* --- from Lua --------------------------------------------------------------------------- */

static socklen_t read_bool(lua_State *L, union value *v) {
  luaL_argexpected(L, lua_isboolean(L, 3), 3, "boolean");
  v->number = lua_toboolean(L, 3);
  return sizeof v->number;
}

static socklen_t read_int(lua_State *L, union value *v) {
  lua_Integer n = luaL_checkinteger(L, 3);
  luaL_argcheck(L, n >= INT_MIN && n <= INT_MAX, 3, "the number does not fit an int");
  v->number = (int)n;
  return sizeof v->number;
}

/* Seconds, or false for off. */
static socklen_t read_linger(lua_State *L, union value *v) {
  v->linger = (struct linger){0};
  if (lua_isboolean(L, 3) && !lua_toboolean(L, 3)) return sizeof v->linger;
  lua_Integer seconds = luaL_checkinteger(L, 3);
  luaL_argcheck(L, seconds >= 0 && seconds <= INT_MAX, 3, "seconds from 0, or false");
  v->linger = (struct linger){1, (int)seconds};
  return sizeof v->linger;
}

static socklen_t read_string(lua_State *L, union value *v) {
  size_t len;
  const char *text = luaL_checklstring(L, 3, &len);
  luaL_argcheck(L, len < sizeof v->text, 3, "the text is too long");
  memcpy(v->text, text, len + 1);
  return (socklen_t)len;
}

/* --- to Lua ----------------------------------------------------------------------------- */

static void push_bool(lua_State *L, const union value *v, socklen_t len) {
  (void)len;
  lua_pushboolean(L, v->number != 0);
}

static void push_int(lua_State *L, const union value *v, socklen_t len) {
  (void)len;
  lua_pushinteger(L, v->number);
}

static void push_linger(lua_State *L, const union value *v, socklen_t len) {
  (void)len;
  if (v->linger.l_onoff)
    lua_pushinteger(L, v->linger.l_linger);
  else
    lua_pushboolean(L, 0);
}

static void push_string(lua_State *L, const union value *v, socklen_t len) {
  lua_pushlstring(L, v->text, strnlen(v->text, len));
}

/* The code of a pending error ("ECONNREFUSED"), or nil. */
static void push_error(lua_State *L, const union value *v, socklen_t len) {
  (void)len;
  if (v->number)
    lua_pushstring(L, status_name(-v->number));
  else
    lua_pushnil(L);
}

static const struct {
  socklen_t (*read)(lua_State *, union value *);
  void (*push)(lua_State *, const union value *, socklen_t);
} types[] = {
    [OPTION_BOOL] = {read_bool,   push_bool  },
    [OPTION_INT] = {read_int,    push_int   },
    [OPTION_LINGER] = {read_linger, push_linger},
    [OPTION_STRING] = {read_string, push_string},
    [OPTION_ERROR] = {read_int,    push_error },
};

/* --- methods ---------------------------------------------------------------------------- */

/* sock:setsockopt(name, value) -> sock | nil, err, code                                  */
static int setsockopt_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  const struct option *o = check_option(L);
  union value v;
  if (o->readonly) return luaL_error(L, "%s can only be read", o->name);
  socklen_t len = types[o->type].read(L, &v);
  if (s->h < 0) return socket_fail(L, 1, "setsockopt", STATUS_CLOSED);
  int r = net_setopt(s->sched->loop.net, s->h, o->level, o->number, &v, len);
  if (r < 0) return socket_fail(L, 1, "setsockopt", r);
  if (o->level == SOL_SOCKET && o->number == SO_REUSEADDR) s->reuse_chosen = true;
  lua_settop(L, 1);
  return 1;
}

/* sock:getsockopt(name) -> value | nil, err, code                                        */
static int getsockopt_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  const struct option *o = check_option(L);
  union value v;
  memset(&v, 0, sizeof v);
  socklen_t len = sizeof v;
  if (s->h < 0) return socket_fail(L, 1, "getsockopt", STATUS_CLOSED);
  int r = net_getopt(s->sched->loop.net, s->h, o->level, o->number, &v, &len);
  if (r < 0) return socket_fail(L, 1, "getsockopt", r);
  types[o->type].push(L, &v, len);
  return 1;
}

static const luaL_Reg methods[] = {
    {"getsockopt", getsockopt_method},
    {"setsockopt", setsockopt_method},
    {NULL,         NULL             },
};

void socket_option_methods(lua_State *L) {
  lua_pushlightuserdata(L, sched_get(L));
  luaL_setfuncs(L, methods, 1);
}
