/* What sendfile sends: a file of net.open, or one of Lua's (io.open, io.popen). Nothing is
 * kept of it over a wait but its place on the stack: a script may close it meanwhile. */
#ifndef API_SOURCE_H
#define API_SOURCE_H

#include <lua.h>
#include <stdint.h>
#include <stdio.h>

struct source {
  int fd;     /* borrowed; -1: closed */
  FILE *pipe; /* borrowed: it has no places, and is read through Lua's buffer; or NULL */
};

/* The source at `idx`; raises when it is none.                            [-0, +0, v] */
struct source source_check(lua_State *L, int idx);

/* How many bytes it has: one of net.open those that it had when it was opened. 0 or a status.
 * INT64_MAX: it tells no number, as pipes, devices and the files of /proc do. What a script
 * has written to it is in the file then. */
int source_size(lua_State *L, int idx, int64_t *size);

#endif
