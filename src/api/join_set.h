/* Join sets: tasks whose ends are taken one by one, in the order in which they ended. The
 * Lua library builds groups, races and `all` from them. Not part of `net`. */
#ifndef API_JOIN_SET_H
#define API_JOIN_SET_H

#include <lua.h>

struct task;

/* Makes the class.                                                        [-0, +0, m] */
void join_set_open(lua_State *L);

/* Adds join_set to the table on top.                                      [-0, +0, m] */
void join_set_functions(lua_State *L);

/* A task of a set has ended: it can be taken now, and who waits for that is woken. */
void join_set_ended(struct task *t);

#endif
