/* URLs for net.http's client. */
#include "api/http.h"

#include <lauxlib.h>
#include <string.h>

#include "proto/uri.h"

static void set_slice(lua_State *L, const char *name, const char *text, struct slice s) {
  lua_pushlstring(L, text + s.at, s.len);
  lua_setfield(L, -2, name);
}

/* core.url(text) -> {https, host, port, target} | nil, what is wrong. The target begins
 * with '/'; without the fragment.                                                        */
static int url(lua_State *L) {
  size_t len;
  struct uri u;
  const char *text = luaL_checklstring(L, 1, &len), *why;
  if (uri_parse(text, len, &u, &why) < 0) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
  }
  lua_createtable(L, 0, 4);
  lua_pushboolean(L, u.https);
  lua_setfield(L, -2, "https");
  set_slice(L, "host", text, u.host);
  lua_pushinteger(L, u.port);
  lua_setfield(L, -2, "port");
  lua_pushstring(L, u.path.len ? "" : "/");
  lua_pushlstring(L, text + u.target.at, u.target.len);
  lua_concat(L, 2);
  lua_setfield(L, -2, "target");
  return 1;
}

/* core.resolve(base, reference) -> the URL that it means | nil when the base is none      */
static int resolve(lua_State *L) {
  size_t base_len, len;
  const char *base = luaL_checklstring(L, 1, &base_len);
  const char *text = luaL_checklstring(L, 2, &len);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, base_len + len + 2);
  ssize_t n = uri_resolve(base, base_len, text, len, out);
  luaL_pushresultsize(&b, n < 0 ? 0 : (size_t)n);
  if (n < 0) lua_pushnil(L);
  return 1;
}

static const luaL_Reg functions[] = {
    {"resolve", resolve},
    {"url",     url    },
    {NULL,      NULL   },
};

void http_url_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
