/* The pure functions of net.http.core: bytes in, bytes out. */
#include "api/http_write.h"

#include <lauxlib.h>
#include <string.h>

#include "proto/char.h"
#include "proto/http_date.h"
#include "proto/http_value.h"
#include "proto/log_line.h"
#include "proto/uri.h"

/* core.encode(text [, keep_slashes]) -> text with %41 for what is not unreserved         */
static int encode(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  enum uri_keep keep = lua_toboolean(L, 2) ? URI_KEEP_SLASH : URI_KEEP_NONE;
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, 3 * len);
  luaL_pushresultsize(&b, uri_encode(text, len, keep, out));
  return 1;
}

/* core.decode(text [, form]) -> bytes | nil where a '%' has no two digits. `form`: '+' is
 * a space.                                                                               */
static int decode(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  enum uri_escapes escapes = lua_toboolean(L, 2) ? URI_FORM : URI_PERCENT;
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len);
  ssize_t n = uri_decode(text, len, escapes, out);
  luaL_pushresultsize(&b, n < 0 ? 0 : (size_t)n);
  if (n < 0) lua_pushnil(L);
  return 1;
}

static void push_decoded(lua_State *L, const char *text, struct slice s) {
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, s.len);
  ssize_t n = uri_decode(text + s.at, s.len, URI_FORM, out);
  if (n < 0) memcpy(out, text + s.at, s.len);
  luaL_pushresultsize(&b, n < 0 ? s.len : (size_t)n);
}

/* core.pairs(text) -> list of {name, value} of a query or a form                         */
static int pairs(lua_State *L) {
  size_t len, at = 0;
  const char *text = luaL_checklstring(L, 1, &len);
  struct slice name, value;
  lua_newtable(L);
  for (lua_Integer i = 1; uri_pair(text, len, &at, &name, &value); i++) {
    lua_createtable(L, 2, 0);
    push_decoded(L, text, name);
    lua_rawseti(L, -2, 1);
    push_decoded(L, text, value);
    lua_rawseti(L, -2, 2);
    lua_rawseti(L, -2, i);
  }
  return 1;
}

/* core.cookies(text) -> table name -> value of a Cookie field; the first of a name counts */
static int cookies(lua_State *L) {
  size_t len, at = 0;
  const char *text = luaL_checklstring(L, 1, &len);
  struct slice name, value;
  lua_newtable(L);
  while (http_value_cookie(text, len, &at, &name, &value)) {
    lua_pushlstring(L, text + name.at, name.len);
    lua_pushvalue(L, -1);
    bool known = lua_rawget(L, -3) != LUA_TNIL;
    lua_pop(L, 1);
    if (known) {
      lua_pop(L, 1);
      continue;
    }
    lua_pushlstring(L, text + value.at, value.len);
    lua_rawset(L, -3);
  }
  return 1;
}

/* core.date([seconds]) -> "Sun, 06 Nov 1994 08:49:37 GMT"                                */
static int date(lua_State *L) {
  char text[HTTP_DATE_LEN + 1];
  http_date_format(luaL_optinteger(L, 1, (lua_Integer)time(NULL)), text);
  lua_pushstring(L, text);
  return 1;
}

/* core.parse_date(text) -> seconds | nil                                                 */
static int parse_date(lua_State *L) {
  size_t len;
  int64_t seconds;
  const char *text = luaL_checklstring(L, 1, &len);
  if (http_date_parse(text, len, (int64_t)time(NULL), &seconds) < 0) return 0;
  lua_pushinteger(L, seconds);
  return 1;
}

/* core.media_type(value) -> "text/html" in lower case, of "Text/HTML; charset=x"          */
static int media_type(lua_State *L) {
  size_t len, at = 0;
  const char *text = luaL_checklstring(L, 1, &len);
  struct slice first = http_value_first(text, len, &at);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, first.len);
  for (uint32_t i = 0; i < first.len; i++) out[i] = char_lower(text[first.at + i]);
  luaL_pushresultsize(&b, first.len);
  return 1;
}

/* core.param(value, name) -> the parameter of that name, its quotes undone | nil          */
static int param(lua_State *L) {
  size_t len, at = 0;
  const char *text = luaL_checklstring(L, 1, &len), *name = luaL_checkstring(L, 2);
  luaL_Buffer b;
  http_value_first(text, len, &at);
  char *out = luaL_buffinitsize(L, &b, len);
  int n = http_value_find(text, len, at, name, out);
  luaL_pushresultsize(&b, n < 0 ? 0 : (size_t)n);
  if (n < 0) lua_pushnil(L);
  return 1;
}

/* core.is_token(text) -> boolean                                                         */
static int is_token(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  lua_pushboolean(L, len > 0 && char_run(text, len, CHAR_TOKEN) == len);
  return 1;
}

/* core.reason(status) -> "Not Found", "" for an unknown one                               */
static int reason(lua_State *L) {
  lua_pushstring(L, http_reason((int)luaL_checkinteger(L, 1)));
  return 1;
}

/* core.escape(text) -> text with \x22 for '"', '\' and what is not printable ASCII         */
static int escape(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, 4 * len);
  luaL_pushresultsize(&b, log_line_escape(text, len, out));
  return 1;
}

static const luaL_Reg functions[] = {
    {"cookies",    cookies   },
    {"date",       date      },
    {"decode",     decode    },
    {"encode",     encode    },
    {"escape",     escape    },
    {"is_token",   is_token  },
    {"media_type", media_type},
    {"pairs",      pairs     },
    {"param",      param     },
    {"parse_date", parse_date},
    {"reason",     reason    },
    {NULL,         NULL      },
};

void http_text_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}
