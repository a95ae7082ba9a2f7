/* core.multipart: a reader of multipart/form-data that is fed with the pieces of a body. */
#include "api/http.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/status.h"
#include "proto/http_value.h"
#include "proto/multipart.h"

static const char *const class = "net.http.multipart";

enum { HEAD_MAX = 8192, FIELDS_MAX = 32 };

struct reader {
  struct multipart state;
  struct buf in; /* what was fed and not given yet */
};

static struct reader *check(lua_State *L) {
  return luaL_checkudata(L, 1, class);
}

/* core.multipart(content_type) -> reader | nil when the type is not multipart/form-data or
 * has no good boundary                                                                   */
static int make(lua_State *L) {
  size_t len;
  const char *type = luaL_checklstring(L, 1, &len);
  char boundary[HTTP_BOUNDARY_MAX];
  int n = http_value_boundary(type, len, boundary);
  if (n <= 0) return 0;
  struct reader *r = lua_newuserdatauv(L, sizeof *r, 0);
  buf_init(&r->in);
  multipart_init(&r->state, boundary, (size_t)n, HEAD_MAX);
  luaL_setmetatable(L, class);
  return 1;
}

/* reader:feed(piece)                                                                     */
static int feed(lua_State *L) {
  struct reader *r = check(L);
  size_t len;
  const char *piece = luaL_checklstring(L, 2, &len);
  if (buf_append(&r->in, piece, len) < 0)
    return error_raise(L, "%s", status_text(-ENOMEM));
  return 0;
}

/* Pushes the fields of a part's head: lower-case name -> value. False when it is bad. */
static bool push_head(lua_State *L, const char *bytes, size_t len) {
  static const struct http1_limits limits = HTTP1_LIMITS;
  struct http1_field fields[FIELDS_MAX];
  struct http1_head h;
  http1_head_init(&h, fields, FIELDS_MAX);
  if (http1_trailers(&h, &limits, bytes, len) <= 0) return false;
  lua_createtable(L, 0, (int)h.field_count);
  for (uint32_t i = 0; i < h.field_count; i++) {
    const struct http1_field *f = &fields[i];
    lua_pushlstring(L, bytes + f->name.at, f->name.len);
    const char *known = http1_field_name(f->id);
    if (known) {
      lua_pop(L, 1);
      lua_pushstring(L, known);
    }
    lua_pushlstring(L, bytes + f->value.at, f->value.len);
    lua_rawset(L, -3);
  }
  return true;
}

/* reader:next() -> "part", head | "data", bytes | "part_end" | "end" | "bad", why
 * | nil: it wants to be fed                                                              */
static int next(lua_State *L) {
  static const char *const bad[] = {"a boundary is missing or bad",
                                    "a part's head is too long"};
  struct reader *r = check(L);
  size_t used, held = buf_len(&r->in);
  struct slice piece;
  const char *bytes = held ? buf_bytes(&r->in) : "";
  int event = multipart_next(&r->state, bytes, held, &used, &piece);
  int results = 1;
  switch (event) {
  case MULTIPART_MORE: lua_pushnil(L); break;
  case MULTIPART_PART_END: lua_pushliteral(L, "part_end"); break;
  case MULTIPART_END: lua_pushliteral(L, "end"); break;
  case MULTIPART_DATA:
    lua_pushliteral(L, "data");
    lua_pushlstring(L, bytes + piece.at, piece.len);
    results = 2;
    break;
  case MULTIPART_PART:
    lua_pushliteral(L, "part");
    results = 2;
    if (push_head(L, bytes + piece.at, piece.len)) break;
    lua_pushliteral(L, "bad");
    lua_pushliteral(L, "a part's head is bad");
    break;
  default:
    lua_pushliteral(L, "bad");
    lua_pushstring(L, bad[-event - 1]);
    results = 2;
  }
  if (used) buf_consume(&r->in, used);
  return results;
}

static int collect(lua_State *L) {
  buf_fini(&check(L)->in);
  return 0;
}

static const luaL_Reg methods[] = {
    {"feed", feed},
    {"next", next},
    {NULL,   NULL},
};

void http_multipart_open(lua_State *L) {
  luaL_newmetatable(L, class);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  lua_pushcfunction(L, make);
  lua_setfield(L, -2, "multipart");
}
