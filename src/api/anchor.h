/* Places where living tasks are kept from being collected. */
#ifndef API_ANCHOR_H
#define API_ANCHOR_H

#include "api/task.h"

enum { ANCHOR_NONE = -1 };

/* Keeps the task on top of the stack.                                     [-0, +0, m] */
void anchor_add(lua_State *L, struct sched *s, struct task *t);

/* Keeps what is at that place no longer. */
void anchor_drop(struct sched *s, int place);

#endif
