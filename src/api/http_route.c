/* What a router asks of each request: the way to a route whose path is fixed, in one look. */
#include "api/http.h"

/* One space is between the two (RFC 9112 section 3). */
static void push_line(lua_State *L, const struct http_message *m) {
  const struct http1_head *h = &m->head;
  lua_pushlstring(L, m->bytes + h->method.at, h->path.at + h->path.len - h->method.at);
}

/* Pushes "METHOD /path", the path as it came; or, in a router below another, what that has
 * left of it. False, with nothing pushed, for a target that is no path. [-0, +(0|1), m] */
static bool push_key(lua_State *L, const struct http_message *m, int message) {
  const struct http1_head *h = &m->head;
  int top = lua_gettop(L);
  if (lua_getiuservalue(L, message, HTTP_EXTRA) == LUA_TTABLE &&
      lua_getfield(L, -1, "rest") == LUA_TSTRING) {
    lua_pushlstring(L, m->bytes + h->method.at, h->method.len);
    lua_pushliteral(L, " /");
    lua_pushvalue(L, -3);
    lua_concat(L, 3);
    return true;
  }
  lua_settop(L, top);
  if (h->form != HTTP1_ORIGIN) return false;
  push_line(L, m);
  return true;
}

/* core.find_route(routes, req) -> routes["METHOD /path"]                                 */
static int find_route(lua_State *L) {
  const struct http_message *m = http_message_check(L, 2);
  if (!push_key(L, m, 2)) return 0;
  lua_rawget(L, 1);
  return 1;
}

bool http_route_find(lua_State *L, int routes, int message) {
  const struct http_message *m = lua_touserdata(L, message);
  if (m->head.form != HTTP1_ORIGIN) return false;
  push_line(L, m);
  if (lua_rawget(L, routes) == LUA_TTABLE) return true;
  lua_pop(L, 1);
  return false;
}

void http_route_functions(lua_State *L) {
  lua_pushcfunction(L, find_route);
  lua_setfield(L, -2, "find_route");
}
