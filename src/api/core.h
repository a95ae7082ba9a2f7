/* The C module net.core, which lua/net.lua completes to `net`. */
#ifndef API_CORE_H
#define API_CORE_H

#include <lua.h>
#include <stdbool.h>

/* Replaces the globals that have to know tasks, and pushes the table that the module
 * net.boot is run with: `core` makes net.core, `flush` and `drain` hand out what was sent.
 *                                                                         [-0, +1, m] */
void core_open(lua_State *L);

/* Runs what core.at_end was given, once no task is left. It raises nothing; what fails in it
 * is told on stderr, and then this is false.                              [-0, +0, -] */
bool core_ended(lua_State *L);

/* Makes the classes, and pushes the table of net.core. Called when something of it is first
 * used: many scripts never do.                                            [-0, +1, m] */
int luaopen_net_core(lua_State *L);

#endif
