/* The class net.buffer. */
#include "api/buffer.h"

#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

#include "api/args.h"
#include "api/names.h"
#include "api/text.h"

const char buffer_class;
static const char whose[] = "a buffer";

/* --- arguments ------------------------------------------------------------------------ */

struct buffer *buffer_check(lua_State *L, int idx) {
  struct buffer *b = buffer_at(L, idx);
  if (!b) luaL_typeerror(L, idx, "buffer");
  return b;
}

void buffer_need_still(lua_State *L, const struct buffer *b, const char *op) {
  if (b->receives)
    luaL_error(L, "%s: this buffer is busy: a recv_into waits with it", op);
}

void buffer_need_idle(lua_State *L, const struct buffer *b, const char *op) {
  buffer_need_still(L, b, op);
  if (b->senders) luaL_error(L, "%s: this buffer is busy: a send waits with it", op);
}

/* The position at `idx`, which has to be `min` to `max`. */
static size_t position(lua_State *L, int idx, size_t size, lua_Integer otherwise,
                       lua_Integer min, lua_Integer max) {
  lua_Integer given = luaL_optinteger(L, idx, otherwise);
  lua_Integer i = given < 0 ? given + (lua_Integer)size + 1 : given;
  if (i < min || i > max)
    luaL_argerror(L, idx,
                  lua_pushfstring(L, "%I is outside of %I bytes", (LUAI_UACINT)given,
                                  (LUAI_UACINT)size));
  return (size_t)i;
}

size_t buffer_offset(lua_State *L, int idx, size_t size) {
  return position(L, idx, size, 1, 1, (lua_Integer)size + 1) - 1;
}

struct run buffer_run(lua_State *L, int idx, size_t size) {
  size_t from = buffer_offset(L, idx, size);
  size_t to = position(L, idx + 1, size, (lua_Integer)size, 0, (lua_Integer)size);
  return (struct run){from, to > from ? to - from : 0};
}

/* --- holding -------------------------------------------------------------------------- */

static int hold(struct task_more *more) {
  list_entry(more, struct buffer, receiver)->receives = true;
  return 0;
}

static void let_go(struct task_more *more) {
  list_entry(more, struct buffer, receiver)->receives = false;
}

/* --- making --------------------------------------------------------------------------- */

/* A line of the cache: copies of the kernel to odd addresses were 6 % slower, and those to the
 * first bytes of a page took twice as long. */
enum { LINE_BYTES = 64 };

static struct buffer *new_buffer(lua_State *L, size_t size) {
  struct buffer *b = lua_newuserdatauv(L, sizeof *b + LINE_BYTES - 1 + size, 0);
  uintptr_t behind = (uintptr_t)(b + 1) + LINE_BYTES - 1;
  *b = (struct buffer){.class = &buffer_class, .size = size};
  b->bytes = (char *)(behind - behind % LINE_BYTES);
  b->receiver = (struct task_more){hold, let_go};
  luaL_setmetatable(L, "net.buffer");
  return b;
}

/* net.buffer(n) -> a buffer of n zero bytes; net.buffer(text) -> one of the text's bytes   */
static int make(lua_State *L) {
  size_t size;
  const char *text = NULL;
  if (lua_type(L, 1) == LUA_TSTRING) {
    text = lua_tolstring(L, 1, &size);
    luaL_argcheck(L, size <= BUFFER_MAX, 1, "the text is longer than 2^30 bytes");
  } else {
    size = args_size(L, 1, 0, BUFFER_MAX);
  }
  struct buffer *b = new_buffer(L, size);
  if (text)
    memcpy(b->bytes, text, size);
  else
    memset(b->bytes, 0, size);
  return 1;
}

/* --- bytes ---------------------------------------------------------------------------- */

static int byte_at(lua_State *L, int idx) {
  lua_Integer byte = luaL_optinteger(L, idx, 0);
  if (byte < 0 || byte > 255)
    luaL_argerror(L, idx,
                  lua_pushfstring(L, "%I is no byte: 0 to 255 are", (LUAI_UACINT)byte));
  return (int)byte;
}

/* The offset that the key at slot 2 names; raises for what is none. */
static size_t key_offset(lua_State *L, const struct buffer *b) {
  int is_integer;
  lua_Integer i = lua_tointegerx(L, 2, &is_integer);
  if (lua_type(L, 2) != LUA_TNUMBER || !is_integer)
    luaL_error(L, "a buffer has no field '%s'", luaL_tolstring(L, 2, NULL));
  if (i < 1 || i > (lua_Integer)b->size)
    luaL_error(L, "byte %I is outside of a buffer of %I bytes", (LUAI_UACINT)i,
               (LUAI_UACINT)b->size);
  return (size_t)i - 1;
}

/* buffer[i] -> byte; buffer.name -> method. Upvalue 1: the methods                       */
static int get_index(lua_State *L) {
  const struct buffer *b = buffer_check(L, 1);
  if (lua_type(L, 2) != LUA_TSTRING) {
    lua_pushinteger(L, (unsigned char)b->bytes[key_offset(L, b)]);
    return 1;
  }
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
    return names_refuse(L, lua_upvalueindex(1), whose, lua_tostring(L, 2));
  return 1;
}

/* buffer[i] = byte                                                                       */
static int set_index(lua_State *L) {
  struct buffer *b = buffer_check(L, 1);
  size_t at = key_offset(L, b);
  int is_integer;
  lua_Integer byte = lua_tointegerx(L, 3, &is_integer);
  if (!is_integer || byte < 0 || byte > 255)
    return luaL_error(L, "byte %I becomes '%s', which is no byte: 0 to 255 are",
                      (LUAI_UACINT)at + 1, luaL_tolstring(L, 3, NULL));
  buffer_need_idle(L, b, "set");
  b->bytes[at] = (char)byte;
  return 0;
}

/* #buffer -> bytes                                                                       */
static int get_length(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)buffer_check(L, 1)->size);
  return 1;
}

/* buffer:sub([i [, j]]) -> the bytes i to j as a string; all unless told                 */
static int sub_method(lua_State *L) {
  const struct buffer *b = buffer_check(L, 1);
  struct run run = buffer_run(L, 2, b->size);
  lua_pushlstring(L, b->bytes + run.at, run.n);
  return 1;
}

/* Copies n bytes into the buffer in slot 1, at the position in slot 2, and gives the
 * position behind them. */
static int put(lua_State *L, const char *op, const char *bytes, size_t n) {
  struct buffer *b = buffer_check(L, 1);
  size_t at = buffer_offset(L, 2, b->size);
  if (n > b->size - at)
    return luaL_error(L, "%s: %I bytes do not fit at %I of %I", op, (LUAI_UACINT)n,
                      (LUAI_UACINT)at + 1, (LUAI_UACINT)b->size);
  buffer_need_idle(L, b, op);
  memmove(b->bytes + at, bytes, n);
  lua_pushinteger(L, (lua_Integer)(at + n) + 1);
  return 1;
}

/* buffer:set(at, data [, i [, j]]) -> position behind them. The bytes i to j of a string
 * or a buffer, which may be this one                                                     */
static int set_method(lua_State *L) {
  buffer_check(L, 1);
  const struct buffer *from = buffer_at(L, 3);
  size_t size;
  const char *bytes = from ? from->bytes : luaL_checklstring(L, 3, &size);
  struct run run = buffer_run(L, 4, from ? from->size : size);
  return put(L, "set", bytes + run.at, run.n);
}

/* buffer:fill([byte [, i [, j]]]) -> buffer. 0, and all, unless told                     */
static int fill_method(lua_State *L) {
  struct buffer *b = buffer_check(L, 1);
  int byte = byte_at(L, 2);
  struct run run = buffer_run(L, 3, b->size);
  buffer_need_idle(L, b, "fill");
  memset(b->bytes + run.at, byte, run.n);
  lua_settop(L, 1);
  return 1;
}

/* --- numbers: upvalues are string.pack and string.unpack -------------------------------- */

/* Raises the error of string.pack or string.unpack on top, at the script's line. */
static int refuse(lua_State *L, const char *op) {
  return luaL_error(L, "%s: %s", op, lua_tostring(L, -1));
}

/* buffer:pack(at, format, ...) -> position behind them, as string.pack                   */
static int pack_method(lua_State *L) {
  size_t size;
  const struct buffer *b = buffer_check(L, 1);
  buffer_offset(L, 2, b->size);
  luaL_checkstring(L, 3);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 3);
  if (lua_pcall(L, lua_gettop(L) - 3, 1, 0) != LUA_OK) return refuse(L, "pack");
  const char *bytes = lua_tolstring(L, 3, &size);
  return put(L, "pack", bytes, size);
}

/* Tries string.unpack on the n bytes at `at`. */
static bool unpack(lua_State *L, const struct buffer *b, size_t at, size_t n) {
  lua_settop(L, 3);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, 2);
  lua_pushlstring(L, b->bytes + at, n);
  return lua_pcall(L, 2, LUA_MULTRET, 0) == LUA_OK;
}

/* buffer:unpack(format [, at]) -> values, position behind them, as string.unpack. How many
 * bytes a format takes shows when it is read: few are tried first, then more.            */
static int unpack_method(lua_State *L) {
  enum { FIRST_BYTES = 64, GROWTH = 16 };
  const struct buffer *b = buffer_check(L, 1);
  luaL_checkstring(L, 2);
  size_t at = buffer_offset(L, 3, b->size), left = b->size - at, n = FIRST_BYTES;
  while (!unpack(L, b, at, n < left ? n : left)) {
    if (n >= left) return refuse(L, "unpack");
    n *= GROWTH;
  }
  lua_Integer behind = lua_tointeger(L, -1) + (lua_Integer)at;
  lua_pop(L, 1);
  lua_pushinteger(L, behind);
  return lua_gettop(L) - 3;
}

/* tostring(buffer) -> "buffer (4096 bytes)"                                              */
static int to_string(lua_State *L) {
  const struct buffer *b = buffer_check(L, 1);
  bool busy = b->senders || b->receives;
  lua_pushfstring(L, "buffer (%I bytes%s)", (LUAI_UACINT)b->size, busy ? ", busy" : "");
  return 1;
}

static const luaL_Reg functions[] = {
    {"buffer", make},
    {NULL,     NULL},
};

static const luaL_Reg methods[] = {
    {"fill",   fill_method  },
    {"pack",   pack_method  },
    {"set",    set_method   },
    {"sub",    sub_method   },
    {"unpack", unpack_method},
    {NULL,     NULL         },
};

static const luaL_Reg metamethods[] = {
    {"__len",      get_length},
    {"__newindex", set_index },
    {"__tostring", to_string },
    {NULL,         NULL      },
};

void buffer_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}

/* The methods are also the field `methods` of the metatable, for those who list them. */
void buffer_open(lua_State *L) {
  luaL_newmetatable(L, "net.buffer");
  luaL_setfuncs(L, metamethods, 0);
  lua_newtable(L);
  text_push_method(L, "pack");
  text_push_method(L, "unpack");
  luaL_setfuncs(L, methods, 2);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushcclosure(L, get_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
