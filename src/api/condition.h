/* Conditions: what the Lua library builds channels and groups from. A task waits on one
 * until another wakes it; a wake that finds nobody is lost, so the waiting side looks again
 * at what it waits for. Not part of `net`. */
#ifndef API_CONDITION_H
#define API_CONDITION_H

#include <lua.h>

/* Makes the class.                                                        [-0, +0, m] */
void condition_open(lua_State *L);

/* Adds condition to the table on top.                                     [-0, +0, m] */
void condition_functions(lua_State *L);

#endif
