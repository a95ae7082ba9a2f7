/* Error objects: what the world did, as a table with the metatable net.error. It is made
 * only when something failed. `tostring` is one line; `hint` is computed when it is read.
 *
 *   op       string   the operation: "connect"
 *   code     string   "timeout" "eof" "closed" "cancelled" "oversized", "ECONNREFUSED",
 *                     "EAI_NONAME" ...
 *   errno    integer  where the kernel gave one
 *   address  string   whom it was about, where there is one
 *   where    string   "file:line" of the call
 *   hint     string   what to do about it, where we know
 *   partial  integer  bytes that a failed read left for the next call
 *   sent     integer  bytes that a failed send had handed over
 *   direction  string  of net.relay: which way failed
 *   figures  table    how far a move of many bytes came, see bulk.h
 */
#ifndef API_ERROR_H
#define API_ERROR_H

#include <lua.h>
#include <stdbool.h>

struct failure {
  const char *op;
  int status;
  const char *address;   /* NULL: none */
  const char *transport; /* "tcp" "udp" "unix", for the hint; NULL: none */
};

/* Makes the metatable.                                                    [-0, +0, m] */
void error_open(lua_State *L);

/* Pushes the error object.                                                [-0, +1, m] */
void error_push(lua_State *L, const struct failure *f);

/* Pushes nil, the error object and its code.                              [-0, +3, m] */
void error_values(lua_State *L, const struct failure *f);

/* The same as the end of an operation, see task_fail; gives 3.        [-0, +3, v] [y] */
int error_return(lua_State *L, const struct failure *f);

/* The metamethod __concat of error objects and addresses: both sides as texts. */
int error_concat(lua_State *L);

/* True when the value at `idx` is an error object.                        [-0, +0, m] */
int error_is(lua_State *L, int idx);

/* Writes "file:line", without an end, of the innermost script line of the thread `in` that
 * is not part of the embedded library. How long it is; 0 when there is none. Nothing is
 * pushed on `in`: an error that is raised in a thread that does not run ends it. */
enum { ERROR_PLACE = LUA_IDSIZE + 16 };
size_t error_place(lua_State *in, char out[ERROR_PLACE]);

/* Pushes that of the thread that runs; where it runs no script line, the place where its
 * task was spawned; "?" outside of tasks.                                 [-0, +1, m] */
void error_where(lua_State *L);

/* luaL_error at that place: for functions that parts of the library written in Lua call.
 *                                                                         [-0, +0, v] */
int error_raise(lua_State *L, const char *format, ...);

/* error_where for the caller of the C function that runs, of places that are asked for once a
 * connection: looks first among those it has pushed lately, which the table of luaL_ref
 * `places` keeps.                                                         [-0, +1, m] */
void error_recent_place(lua_State *L, int places);

/* Pushes the hint for a failure, or nil (hint.c).                         [-0, +1, m] */
void hint_push(lua_State *L, const char *op, const char *code, const char *address,
               const char *transport);

#endif
