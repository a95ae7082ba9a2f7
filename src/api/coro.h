/* Lua's coroutine library, made fit for waits: a wait inside a script's coroutine reaches
 * the scheduler and not the script's `resume`. */
#ifndef API_CORO_H
#define API_CORO_H

#include <lua.h>

/* Replaces resume, wrap, close, yield, isyieldable and running in the table `coroutine`.
 *                                                                          [-0, +0, m] */
void coro_open(lua_State *L);

#endif
