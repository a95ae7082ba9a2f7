/* Misspelt names. */
#include "api/names.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/nearest.h"
#include "net/option.h"

void names_nearest(lua_State *L, int idx, const char *name) {
  idx = lua_absindex(L, idx);
  size_t best = SIZE_MAX;
  lua_pushnil(L); /* the answer */
  for (lua_pushnil(L); lua_next(L, idx); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue;
    const char *key = lua_tostring(L, -2);
    size_t distance = nearest_distance(name, key);
    if (!nearest_is_slip(distance, strlen(name)) || distance > best) continue;
    if (distance == best && strcmp(key, lua_tostring(L, -3)) > 0) continue;
    best = distance;
    lua_pushvalue(L, -2);
    lua_replace(L, -4);
  }
}

int names_refuse(lua_State *L, int idx, const char *whose, const char *name) {
  if (option_find(name)) /* as a constant, which other languages have */
    return luaL_error(L,
                      "%s has no '%s': options go by name, as in "
                      "sock:setsockopt(\"%s\", value)",
                      whose, name, name);
  names_nearest(L, idx, name);
  if (lua_isnil(L, -1)) return luaL_error(L, "%s has no '%s'", whose, name);
  return luaL_error(L, "%s has no '%s'; did you mean '%s'?", whose, name,
                    lua_tostring(L, -1));
}

/* __index of a strict table. Upvalue 1: whose names they are. */
static int missing(lua_State *L) {
  const char *whose = lua_tostring(L, lua_upvalueindex(1));
  luaL_checktype(L, 1, LUA_TTABLE); /* a script may call a metamethod itself */
  if (lua_type(L, 2) != LUA_TSTRING)
    return luaL_error(L, "%s has no field of type %s", whose, luaL_typename(L, 2));
  return names_refuse(L, 1, whose, lua_tostring(L, 2));
}

void names_strict(lua_State *L, const char *whose) {
  lua_createtable(L, 0, 1);
  lua_pushstring(L, whose);
  lua_pushcclosure(L, missing, 1);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
}
