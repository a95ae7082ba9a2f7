/* The class net.file. */
#include "api/file_class.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "api/args.h"
#include "api/error.h"
#include "api/names.h"
#include "api/task.h"
#include "base/status.h"
#include "net/file.h"

static const char file_class;

enum { FILE_PATH = 1 }; /* user value: the path, for messages */

/* --- making --------------------------------------------------------------------------- */

static struct file_object *object_at(lua_State *L, int idx) {
  struct file_object *f = lua_touserdata(L, idx);
  bool is = f && lua_type(L, idx) == LUA_TUSERDATA && f->class == &file_class;
  return is ? f : NULL;
}

struct file_object *file_class_check(lua_State *L, int idx) {
  struct file_object *f = object_at(L, idx);
  if (!f || f->folder) luaL_typeerror(L, idx, "file");
  return f;
}

struct file_object *file_class_folder(lua_State *L, int idx) {
  struct file_object *f = object_at(L, idx);
  luaL_argcheck(L, f && f->folder && f->fd >= 0, idx, "an open folder is needed");
  return f;
}

/* Pushes a closed one, to be filled: slot first, resource second. Its path is at `path`. */
static struct file_object *new_object(lua_State *L, int path, bool folder) {
  struct file_object *f = lua_newuserdatauv(L, sizeof *f, FILE_PATH);
  *f = (struct file_object){.class = &file_class, .fd = -1, .folder = folder};
  luaL_setmetatable(L, "net.file");
  lua_pushvalue(L, path);
  lua_setiuservalue(L, -2, FILE_PATH);
  return f;
}

static int open_failed(lua_State *L, int path, int status) {
  return error_return(L, &(struct failure){"open", status, lua_tostring(L, path), NULL});
}

/* core.folder(path) -> folder | nil, err, code. A root for open that is looked up once    */
static int open_folder(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  struct file_object *f = new_object(L, 1, true);
  f->fd = file_open_root(lua_tostring(L, 1));
  if (f->fd >= 0) return 1;
  int status = f->fd;
  f->fd = -1;
  return open_failed(L, 1, status);
}

/* The folder at slot 1 as a descriptor, or a status. One that is named by its path is
 * opened for the moment: `*own` is true. */
static int open_root(lua_State *L, bool *own) {
  struct file_object *f = object_at(L, 1);
  *own = f == NULL;
  return f ? f->fd : file_open_root(lua_tostring(L, 1));
}

static void check_root(lua_State *L) {
  struct file_object *f = object_at(L, 1);
  if (!f)
    luaL_checkstring(L, 1);
  else
    luaL_argcheck(L, f->folder && f->fd >= 0, 1, "an open folder is needed");
}

/* A path with a zero byte is no path: C would read it shorter than it is. */
static int open_file(lua_State *L, int root, struct file_info *info) {
  size_t len;
  const char *path = lua_tolstring(L, 2, &len);
  return strlen(path) == len ? file_open(root, path, info) : -EINVAL;
}

/* As a double, 2^63 ns would lose the last microseconds before it is divided. */
static void push_seconds(lua_State *L, int64_t ns) {
  enum { SECOND_NS = 1000000000 };
  lua_pushnumber(L, (lua_Number)(ns / SECOND_NS) + (lua_Number)(ns % SECOND_NS) / 1e9);
}

/* net.open(root, path) -> file, size, mtime | nil, err, code. A regular file beneath the
 * folder `root`; no `..`, link or absolute path leads out of it.                          */
static int open_method(lua_State *L) {
  struct file_info info;
  bool own;
  check_root(L);
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  interrupt_check(L, sched_get(L), "open", NULL);
  struct file_object *f = new_object(L, 2, false);
  int root = open_root(L, &own);
  if (root < 0) return open_failed(L, 1, root);
  int fd = open_file(L, root, &info);
  if (own) file_close(root);
  if (fd < 0) return open_failed(L, 2, fd);
  f->fd = fd;
  f->size = info.size;
  lua_pushinteger(L, info.size);
  push_seconds(L, info.mtime_ns);
  return task_step(L, sched_get(L), 3, 0);
}

/* --- using ---------------------------------------------------------------------------- */

static int file_failed(lua_State *L, const char *op, int status) {
  lua_getiuservalue(L, 1, FILE_PATH);
  return error_return(L, &(struct failure){op, status, lua_tostring(L, -1), NULL});
}

/* Reads n bytes, fewer only at the end, into the buffer: how many, or a status. Memory
 * grows with what is there, not with what was asked for. */
static int64_t read_into(luaL_Buffer *b, const struct file_object *f, size_t n) {
  enum { PIECE_BYTES = 256 * 1024 };
  size_t got = 0;
  while (got < n) {
    int64_t at = f->position + (int64_t)got;
    size_t piece = at < f->size ? (size_t)(f->size - at) : 4096;
    if (piece > PIECE_BYTES) piece = PIECE_BYTES;
    if (piece > n - got) piece = n - got;
    ssize_t r = file_read(f->fd, luaL_prepbuffsize(b, piece), piece, at);
    if (r < 0) return r;
    if (r == 0) break;
    luaL_addsize(b, (size_t)r);
    got += (size_t)r;
  }
  return (int64_t)got;
}

/* file:read(n | "a") -> string | nil, err, code. "a", the default: all that is left, ""
 * at the end                                                                         [y] */
static int read_method(lua_State *L) {
  struct file_object *f = file_class_check(L, 1);
  bool all = lua_type(L, 2) != LUA_TNUMBER;
  if (all && !lua_isnoneornil(L, 2)) {
    const char *format = luaL_checkstring(L, 2);
    luaL_argcheck(L, strcmp(format, "a") == 0, 2, "\"a\" or a number of bytes is needed");
  }
  size_t n = all ? SIZE_MAX : args_size(L, 2, 0, LUA_MAXINTEGER);
  if (f->fd < 0) return file_failed(L, "read", STATUS_CLOSED);
  interrupt_check(L, sched_get(L), "read", NULL);
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  int64_t r = read_into(&b, f, n);
  luaL_pushresult(&b);
  if (r < 0) return file_failed(L, "read", (int)r);
  if (r == 0 && n > 0 && !all) return file_failed(L, "read", STATUS_EOF);
  f->position += r;
  return task_step(L, sched_get(L), 1, (size_t)r);
}

/* file:seek([whence [, offset]]) -> position | nil, err, code, as in Lua's files         */
static int seek_method(lua_State *L) {
  static const char *const names[] = {"cur", "set", "end", NULL};
  struct file_object *f = file_class_check(L, 1);
  int whence = luaL_checkoption(L, 2, "cur", names);
  lua_Integer offset = luaL_optinteger(L, 3, 0);
  if (f->fd < 0) return file_failed(L, "seek", STATUS_CLOSED);
  int64_t base = whence == 0 ? f->position : whence == 1 ? 0 : file_size(f->fd);
  if (base < 0) return file_failed(L, "seek", (int)base);
  if (offset < -base || offset > INT64_MAX - base) return file_failed(L, "seek", -EINVAL);
  f->position = base + offset;
  lua_pushinteger(L, f->position);
  return 1;
}

/* file:size() -> bytes that the file has now | nil, err, code                            */
static int size_method(lua_State *L) {
  struct file_object *f = file_class_check(L, 1);
  int64_t size = f->fd < 0 ? STATUS_CLOSED : file_size(f->fd);
  if (size < 0) return file_failed(L, "size", (int)size);
  lua_pushinteger(L, size);
  return 1;
}

static void close_object(struct file_object *f) {
  if (f->fd >= 0) file_close(f->fd);
  f->fd = -1;
}

static struct file_object *check_any(lua_State *L) {
  struct file_object *f = object_at(L, 1);
  if (!f) luaL_typeerror(L, 1, "file");
  return f;
}

/* file:close() -> true. A second close does nothing                                      */
static int close_method(lua_State *L) {
  close_object(check_any(L));
  lua_pushboolean(L, 1);
  return 1;
}

/* tostring(file) -> "file (index.html, 512 bytes)"                                       */
static int to_string(lua_State *L) {
  struct file_object *f = check_any(L);
  const char *kind = f->folder ? "folder" : "file";
  lua_getiuservalue(L, 1, FILE_PATH);
  const char *path = lua_tostring(L, -1);
  if (f->fd < 0)
    lua_pushfstring(L, "%s (%s, closed)", kind, path);
  else if (f->folder)
    lua_pushfstring(L, "%s (%s)", kind, path);
  else
    lua_pushfstring(L, "%s (%s, %I bytes)", kind, path, (LUAI_UACINT)f->size);
  return 1;
}

/* A file that nobody closed; `warn("@on")` shows it. */
static int collect(lua_State *L) {
  struct file_object *f = check_any(L);
  if (f->fd < 0) return 0;
  close_object(f); /* first: whatever follows may find no memory */
  lua_getiuservalue(L, 1, FILE_PATH);
  lua_warning(L, f->folder ? "folder (" : "file (", 1);
  lua_warning(L, lua_tostring(L, -1), 1);
  lua_warning(L, ") was collected: nobody had closed it", 0);
  return 0;
}

static const luaL_Reg functions[] = {
    {"folder", open_folder},
    {"open",   open_method},
    {NULL,     NULL       },
};

static const luaL_Reg methods[] = {
    {"close", close_method},
    {"read",  read_method },
    {"seek",  seek_method },
    {"size",  size_method },
    {NULL,    NULL        },
};

static const luaL_Reg metamethods[] = {
    {"__close",    close_method},
    {"__gc",       collect     },
    {"__tostring", to_string   },
    {NULL,         NULL        },
};

void file_class_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}

void file_class_open(lua_State *L) {
  luaL_newmetatable(L, "net.file");
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  names_strict(L, "a file");
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
