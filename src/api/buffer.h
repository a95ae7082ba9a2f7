/* The class net.buffer: a fixed number of bytes that a script reads and writes in place, and
 * that sends and receives use without making strings of them.
 *
 * The bytes lie in the userdata. They never move and are never given back before it, so a
 * pointer to them holds as long as the buffer lies on a stack. While a task waits in a send
 * or a receive with it, whoever would change its bytes is refused: the buffer is busy. */
#ifndef API_BUFFER_H
#define API_BUFFER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "api/task.h"

enum { BUFFER_MAX = 1 << 30 }; /* bytes */

struct buffer {
  const void *class;         /* identity of this struct: &buffer_class */
  size_t size;               /* bytes */
  unsigned senders;          /* sends that wait with it */
  bool receives;             /* a receive waits with it */
  struct task_more receiver; /* holds it for that receive */
  char *bytes;               /* behind this struct, at a line of the cache */
};

/* Makes the class.                                                        [-0, +0, m] */
void buffer_open(lua_State *L);

/* Adds buffer to the table on top.                                        [-0, +0, m] */
void buffer_functions(lua_State *L);

extern const char buffer_class;

/* The buffer at `idx`, or NULL when it is something else. */
static inline struct buffer *buffer_at(lua_State *L, int idx) {
  if (lua_type(L, idx) != LUA_TUSERDATA) return NULL;
  struct buffer *b = lua_touserdata(L, idx);
  return b->class == &buffer_class ? b : NULL;
}

/* The same; raises when it is something else.                             [-0, +0, v] */
struct buffer *buffer_check(lua_State *L, int idx);

/* Raises while a task waits with the buffer: `op` would change its bytes. [-0, +0, v] */
void buffer_need_idle(lua_State *L, const struct buffer *b, const char *op);

/* Raises while a receive may change its bytes.                            [-0, +0, v] */
void buffer_need_still(lua_State *L, const struct buffer *b, const char *op);

/* A run of bytes: their offset, and how many. */
struct run {
  size_t at, n;
};

/* The bytes i to j of `size`, for the arguments `idx` and `idx` + 1: counted from 1, or
 * from the end when negative; all unless told. Raises for what is outside. [-0, +0, v] */
struct run buffer_run(lua_State *L, int idx, size_t size);

/* The offset that the position at `idx` names, 0 unless told; it may lie just behind the
 * last byte. Raises for what is outside.                                  [-0, +0, v] */
size_t buffer_offset(lua_State *L, int idx, size_t size);

#endif
