/* The C module net.core, which lua/net.lua completes to `net`. */
#ifndef API_CORE_H
#define API_CORE_H

#include <lua.h>

/* Makes the classes and replaces the globals that have to know tasks.     [-0, +0, m] */
void core_open(lua_State *L);

/* Runs what core.at_end was given, once no task is left. It raises nothing; what fails in it
 * is told on stderr.                                                      [-0, +0, -] */
void core_ended(lua_State *L);

/* The loader of net.core: pushes the module's table.                      [-0, +1, m] */
int luaopen_net_core(lua_State *L);

#endif
