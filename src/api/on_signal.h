/* net.on_signal: a function that runs as a task when a signal comes. Signals belong to the
 * process, so the last scheduler that asked gets them. */
#ifndef API_ON_SIGNAL_H
#define API_ON_SIGNAL_H

#include <lua.h>

struct sched;

/* Adds on_signal to the table on top.                                     [-0, +0, m] */
void on_signal_functions(lua_State *L);

/* Starts the tasks of the signals that have come since the last call.     [-0, +0, -] */
void on_signal_dispatch(struct sched *s);

/* Gives the signals back to whom they belonged; the state is about to close. */
void on_signal_close(struct sched *s);

#endif
