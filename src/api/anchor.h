/* Anchors: what keeps living tasks from being collected. Each has a place, a number. */
#ifndef API_ANCHOR_H
#define API_ANCHOR_H

#include <lua.h>

struct sched;

enum { NO_ANCHOR = -1 }; /* no place is free */

/* Keeps the task on top of the stack; gives its place.                     [-0, +0, m] */
int anchor_keep(lua_State *L, struct sched *s);

/* Pushes the task at the place.                                           [-0, +1, -] */
void anchor_push(lua_State *L, const struct sched *s, int place);

/* Lets go of the task at the place, which is free then. */
void anchor_let_go(struct sched *s, int place);

#endif
