/* What sendfile sends. */
#include "api/source.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

#include "api/file_class.h"
#include "net/file.h"

/* Lua's file at `idx`, or NULL. */
static const luaL_Stream *lua_file(lua_State *L, int idx) {
  return luaL_testudata(L, idx, LUA_FILEHANDLE);
}

struct source source_check(lua_State *L, int idx) {
  const luaL_Stream *of_lua = lua_file(L, idx);
  if (!of_lua) return (struct source){file_class_check(L, idx)->fd, NULL};
  if (!of_lua->closef) return (struct source){-1, NULL};
  int fd = fileno(of_lua->f);
  return (struct source){fd, file_has_places(fd) ? NULL : of_lua->f};
}

int source_size(lua_State *L, int idx, int64_t *size) {
  const luaL_Stream *of_lua = lua_file(L, idx);
  struct source src = source_check(L, idx);
  *size = INT64_MAX;
  if (src.pipe || src.fd < 0) return 0;
  int r = of_lua ? file_flush(of_lua->f) : 0;
  if (r < 0) return r;
  int64_t now = file_size(src.fd),
          promised = of_lua ? now : file_class_check(L, idx)->size;
  if (now > 0 || promised > 0) *size = promised;
  return now < 0 ? (int)now : 0;
}
