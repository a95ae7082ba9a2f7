/* The error object: a table, so that scripts can add to it, with a lazy hint. */
#include "api/error.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <string.h>

#include "api/task.h"
#include "api/text.h"
#include "base/status.h"

static const char *const class = "net.error";

enum { PLACES = 64 }; /* that error_recent_place keeps */

/* Writes "file:line". Each connection has a place or two: by hand it takes a third of
 * lua_pushfstring's time. How long it is. */
static size_t write_place(char *text, const char *file, int line) {
  char digits[12];
  size_t len = strlen(file), n = 0;
  memcpy(text, file, len);
  text[len++] = ':';
  do digits[n++] = (char)('0' + line % 10);
  while (line /= 10);
  while (n > 0) text[len++] = digits[--n];
  return len;
}

/* The innermost script line from `level` of the stack on: as error_place, with the line. */
static size_t place(lua_State *in, int level, char out[ERROR_PLACE], int *line) {
  lua_Debug ar;
  for (; lua_getstack(in, level, &ar); level++) {
    lua_getinfo(in, "l", &ar); /* C has no line; a name costs ten times as much */
    if (ar.currentline <= 0) continue;
    lua_getinfo(in, "S", &ar);
    if (strncmp(ar.short_src, "[soquete", 8) == 0) continue;
    *line = ar.currentline;
    return write_place(out, ar.short_src, ar.currentline);
  }
  return 0;
}

size_t error_place(lua_State *in, char out[ERROR_PLACE]) {
  int line;
  return place(in, 0, out, &line);
}

void error_where(lua_State *L) {
  char text[ERROR_PLACE];
  size_t n = error_place(L, text);
  struct sched *s = n ? NULL : sched_get(L);
  if (n)
    lua_pushlstring(L, text, n);
  else
    lua_pushstring(L, s && s->current ? s->current->site : "?");
}

int error_raise(lua_State *L, const char *format, ...) {
  va_list arguments;
  luaL_checkstack(L, 4, NULL);
  error_where(L);
  lua_pushliteral(L, ": ");
  va_start(arguments, format);
  lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  lua_concat(L, 3);
  return lua_error(L);
}

void error_recent_place(lua_State *L, int places) {
  char text[ERROR_PLACE];
  size_t held_len = 0;
  int line, len = (int)place(L, 1, text, &line);
  if (len == 0) {
    error_where(L);
    return;
  }
  lua_rawgeti(L, LUA_REGISTRYINDEX, places);
  lua_rawgeti(L, -1, 1 + line % PLACES);
  const char *held = lua_tolstring(L, -1, &held_len);
  if (held_len != (size_t)len || memcmp(held, text, held_len) != 0) {
    lua_pop(L, 1);
    lua_pushlstring(L, text, (size_t)len);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, 1 + line % PLACES);
  }
  lua_remove(L, -2);
}

static void set_text(lua_State *L, const char *field, const char *text) {
  if (!text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

void error_push(lua_State *L, const struct failure *f) {
  luaL_checkstack(L, 4, NULL);
  lua_createtable(L, 0, 8);
  luaL_setmetatable(L, class);
  set_text(L, "op", f->op);
  set_text(L, "code", status_name(f->status));
  set_text(L, "text", status_text(f->status));
  set_text(L, "address", f->address);
  set_text(L, "transport", f->transport);
  if (status_errno(f->status)) {
    lua_pushinteger(L, status_errno(f->status));
    lua_setfield(L, -2, "errno");
  }
  error_where(L);
  lua_setfield(L, -2, "where");
}

void error_values(lua_State *L, const struct failure *f) {
  luaL_checkstack(L, 3, NULL);
  lua_pushnil(L);
  error_push(L, f);
  lua_pushstring(L, status_name(f->status));
}

int error_return(lua_State *L, const struct failure *f) {
  error_values(L, f);
  return task_fail(L, sched_get(L));
}

int error_is(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TTABLE || !lua_getmetatable(L, idx)) return 0;
  luaL_getmetatable(L, class);
  int same = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return same;
}

/* A field of the error at index 1 as text, "" where it has none; pushes one value. */
static const char *field(lua_State *L, const char *name) {
  lua_pushstring(L, name);
  lua_rawget(L, 1);
  const char *text = lua_tostring(L, -1);
  return text ? text : "";
}

/* tostring(err) -> "connect 127.0.0.1:12000: connection refused (ECONNREFUSED)" */
static int to_string(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  const char *op = field(L, "op"), *address = field(L, "address");
  const char *text = field(L, "text"), *code = field(L, "code");
  lua_pushfstring(L, "%s%s%s: %s (%s)", op, *address ? " " : "", address, text, code);
  return 1;
}

/* err .. "text", "text" .. err -> string */
int error_concat(lua_State *L) {
  luaL_tolstring(L, 1, NULL);
  luaL_tolstring(L, 2, NULL);
  lua_concat(L, 2);
  return 1;
}

/* What an error may have, so that reading it gives nil where this one has it not. */
static const char *const fields[] = {
    "address",   "code",      "direction", "errno",   "figures", "hint", "index",
    "intervals", "op",        "option",    "partial", "sent",    "rule", "status",
    "text",      "transport", "url",       "where",   NULL};

static bool may_have(const char *name) {
  for (int i = 0; fields[i]; i++)
    if (strcmp(fields[i], name) == 0) return true;
  return false;
}

static int refuse_field(lua_State *L, const char *name) {
  text_push_method(L, name);
  if (lua_isfunction(L, -1))
    return luaL_error(L,
                      "an error is an object, not a text, and has no '%s': compare "
                      "err.code, or take tostring(err)",
                      name);
  return luaL_error(L, "an error has no '%s': see op, code, text, address, hint, where",
                    name);
}

/* err.hint is computed at its first reading: it may have to look through /proc. */
static int get_field(lua_State *L) {
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  if (!may_have(name)) return refuse_field(L, name);
  if (strcmp(name, "hint") != 0) return 0;
  lua_settop(L, 2);
  const char *op = field(L, "op"), *code = field(L, "code");
  const char *address = field(L, "address"), *transport = field(L, "transport");
  hint_push(L, op, code, address, transport);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -2);
  if (!lua_isnil(L, -1))
    lua_rawset(L, 1);
  else
    lua_pop(L, 2);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__concat",   error_concat},
    {"__index",    get_field   },
    {"__tostring", to_string   },
    {NULL,         NULL        },
};

void error_open(lua_State *L) {
  luaL_newmetatable(L, class);
  luaL_setfuncs(L, metamethods, 0);
  lua_pop(L, 1);
}
