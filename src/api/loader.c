/* Text-only loading, the search paths, and the embedded library. */
#include "api/loader.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/embedded.h"
#include "api/http.h"
#include "base/libm.h"

int luaopen_cjson_safe(lua_State *L); /* lua-cjson.h declares luaopen_cjson alone */

int loader_text(lua_State *L, const char *text, size_t len, const char *name) {
  return luaL_loadbufferx(L, text, len, name, "t");
}

int loader_script(lua_State *L, const char *path) {
  return luaL_loadfilex(L, strcmp(path, "-") == 0 ? NULL : path, "t");
}

/* --- load and loadfile ------------------------------------------------------------------ */

/* Calls Lua's own function (upvalue 1) with the mode at `idx` forced to "t". */
static int forced_text(lua_State *L, int idx) {
  const char *mode = luaL_optstring(L, idx, "t");
  if (!strchr(mode, 't')) {
    lua_pushnil(L);
    lua_pushliteral(L, "only text is loaded: bytecode can crash the interpreter");
    return 2;
  }
  if (lua_gettop(L) < idx) lua_settop(L, idx);
  lua_pushliteral(L, "t");
  lua_replace(L, idx);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* load(chunk [, name [, mode [, env]]]) -> function | nil, message                       */
static int load_text(lua_State *L) {
  return forced_text(L, 3);
}

/* loadfile([path [, mode [, env]]]) -> function | nil, message                           */
static int loadfile_text(lua_State *L) {
  return forced_text(L, 2);
}

static void replace_global(lua_State *L, const char *name, lua_CFunction f) {
  lua_getglobal(L, name);
  lua_pushcclosure(L, f, 1);
  lua_setglobal(L, name);
}

/* package.loadlib: modules may call libm without naming it, as Lua's own program has it. */
static int loadlib(lua_State *L) {
  libm_load();
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* --- the embedded library --------------------------------------------------------------- */

/* Registry key: the globals of the library. They are what Lua's were at the start, because a
 * script may name its own `type` or `table`. */
static char globals_key;

static void keep_globals(lua_State *L) {
  lua_newtable(L);
  lua_pushglobaltable(L);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_pushvalue(L, -2);
    lua_rawset(L, -6);
  }
  lua_pop(L, 1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
}

/* Gives the chunk on top the library's globals. */
static void set_globals(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
  lua_setupvalue(L, -2, 1);
}

static const struct embedded *find_embedded(const char *name) {
  for (const struct embedded *m = embedded_modules; m->name; m++)
    if (strcmp(m->name, name) == 0) return m;
  return NULL;
}

/* Pushes the chunk of an embedded module; false with nothing pushed when there is none. */
static int push_embedded(lua_State *L, const char *name) {
  const struct embedded *m = find_embedded(name);
  if (!m) return 0;
  if (luaL_loadbufferx(L, m->code, m->size, name, "b") != LUA_OK) lua_error(L);
  set_globals(L);
  return 1;
}

/* package.embedded(name) -> function | nil                                               */
static int embedded(lua_State *L) {
  if (!push_embedded(L, luaL_checkstring(L, 1))) lua_pushnil(L);
  return 1;
}

/* chunk(name) -> function: a module of the library, or the one that comes before it. Upvalues:
 * the table package, and its searchpath                                                     */
static int chunk(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushstring(L, name);
  lua_pushliteral(L, "overrides");
  lua_rawget(L, lua_upvalueindex(1));
  lua_call(L, 2, 1);
  if (lua_isstring(L, -1)) {
    if (luaL_loadfilex(L, lua_tostring(L, -1), "t") != LUA_OK) return lua_error(L);
    set_globals(L);
  } else if (!push_embedded(L, name)) {
    return luaL_error(L, "the library lacks %s", name);
  }
  return 1;
}

void loader_boot(lua_State *L, const char *name) {
  keep_globals(L);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchpath");
  lua_pushcclosure(L, chunk, 2);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "chunk");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}

/* C modules of ours that are opened when they are first asked for. */
static const luaL_Reg inner_modules[] = {
    {"net.http.core", luaopen_net_http_core},
    {"net.http.json", luaopen_cjson_safe   },
    {NULL,            NULL                 },
};

/* --- search paths ----------------------------------------------------------------------- */

/* Pushes "dir/?.lua;dir/?/init.lua". */
static void push_folder(lua_State *L, const char *dir, const char *sub) {
  lua_pushfstring(L, "%s%s/?.lua;%s%s/?/init.lua", dir, sub, dir, sub);
}

/* package.overrides: places that come before the embedded library. */
static void set_overrides(lua_State *L, const char *script_dir) {
  const char *path = getenv("SOQUETE_PATH");
  bool both = path && *path && script_dir;
  lua_pushstring(L, both ? ";" : "");
  if (path && *path) push_folder(L, path, "");
  if (both) lua_insert(L, -2); /* path, ";" */
  if (script_dir) push_folder(L, script_dir, "/lua");
  lua_concat(L, 1 + (path && *path) + (script_dir != NULL));
  lua_setfield(L, -2, "overrides");
}

/* The script's own folder comes before Lua's places, which are the distribution's. */
static void set_paths(lua_State *L, const char *script_dir) {
  if (!script_dir) return;
  push_folder(L, script_dir, "");
  lua_pushliteral(L, ";");
  lua_getfield(L, -3, "path");
  lua_concat(L, 3);
  lua_setfield(L, -2, "path");
  lua_pushfstring(L, "%s/?.so;", script_dir);
  lua_getfield(L, -2, "cpath");
  lua_concat(L, 2);
  lua_setfield(L, -2, "cpath");
}

void loader_open(lua_State *L, const char *script_dir) {
  replace_global(L, "load", load_text);
  replace_global(L, "loadfile", loadfile_text);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "loadlib");
  lua_pushcclosure(L, loadlib, 1);
  lua_setfield(L, -2, "loadlib");
  lua_pushcfunction(L, embedded);
  lua_setfield(L, -2, "embedded");
  lua_getfield(L, -1, "preload");
  luaL_setfuncs(L, inner_modules, 0);
  lua_pop(L, 1);
  set_overrides(L, script_dir);
  set_paths(L, script_dir);
  lua_pop(L, 1);
}
