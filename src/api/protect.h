/* Protected calls: pcall and xpcall as Lua has them, which tell the task layer what they
 * catch, so that an interruption cannot be swallowed for good; and net.deadline. */
#ifndef API_PROTECT_H
#define API_PROTECT_H

#include <lua.h>

/* Replaces the globals pcall and xpcall.                                  [-0, +0, m] */
void protect_open(lua_State *L);

/* net.deadline(seconds, fn, ...) -> fn's results | nil, err, "timeout"            [y] */
int protect_deadline(lua_State *L);

#endif
