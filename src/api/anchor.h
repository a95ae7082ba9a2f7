/* What keeps living tasks from being collected: places in tables of the registry. */
#ifndef API_ANCHOR_H
#define API_ANCHOR_H

#include <lua.h>

struct sched;

enum { ANCHOR_NONE = -1 }; /* no place is free */

/* Gives the task on top of the stack a place.                             [-0, +0, m] */
int anchor_take(lua_State *L, struct sched *s);

/* Gives the place back: its task may be collected from now on. */
void anchor_give_back(struct sched *s, int place);

/* Pushes the task that has the place.                                     [-0, +1, -] */
void anchor_push(lua_State *L, const struct sched *s, int place);

#endif
