/* Arguments from Lua. */
#include "api/args.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "api/task.h"

int64_t args_seconds(lua_State *L, int idx) {
  if (lua_isnoneornil(L, idx)) return NET_NEVER;
  lua_Number seconds = luaL_checknumber(L, idx);
  luaL_argcheck(L, !isnan(seconds), idx, "seconds must be a number, not nan");
  if (seconds >= 9.2e9) return NET_NEVER; /* 2^63 ns are 292 years */
  return seconds <= 0 ? 0 : (int64_t)(seconds * 1e9);
}

int64_t args_deadline(lua_State *L, int idx, struct sched *s) {
  int64_t ns = args_seconds(L, idx);
  return loop_after(loop_now(&s->loop), ns);
}

size_t args_size(lua_State *L, int idx, lua_Integer min, lua_Integer max) {
  lua_Integer n = luaL_checkinteger(L, idx);
  if (n < min || n > max)
    luaL_argerror(L, idx,
                  lua_pushfstring(L, "%I is not between %I and %I", (LUAI_UACINT)n,
                                  (LUAI_UACINT)min, (LUAI_UACINT)max));
  return (size_t)n;
}

static bool is_one_of(const char *name, const char *const names[]) {
  while (*names && strcmp(name, *names) != 0) names++;
  return *names;
}

void args_fields(lua_State *L, int idx, const char *const names[]) {
  luaL_checktype(L, idx, LUA_TTABLE);
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
    if (is_one_of(name, names)) continue;
    lua_pushstring(L, names[0]);
    for (int i = 1; names[i]; i++)
      lua_pushfstring(L, "%s, %s", lua_tostring(L, -1), names[i]);
    luaL_argerror(L, idx,
                  lua_pushfstring(L, "no option is named '%s': it has %s", name,
                                  lua_tostring(L, -1)));
  }
}
