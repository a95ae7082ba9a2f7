/* What people read on stderr when something went wrong: tracebacks through tasks, errors
 * of tasks that nobody joined, the deadlock report. Nothing here raises into the loop. */
#ifndef API_REPORT_H
#define API_REPORT_H

#include <lua.h>
#include <stdbool.h>

struct sched;
struct task;

/* Makes the message handler that keeps an error's traceback with the running task. Lua's
 * globals are still Lua's. */
void report_open(lua_State *L, struct sched *s);
/* A join raises the error on top of L, which `from` failed with: the traceback of `from`
 * will follow that of the joining task.                                   [-0, +0, m] */
void report_joined(lua_State *L, struct task *joiner, struct task *from);

/* core.traced(message) -> the message and, where lines of the script lead there, their
 * traceback: for message handlers. */
int report_traced(lua_State *L);

/* Raises "cannot wait inside table.sort (file:line)": L, or the thread that resumed it,
 * is inside a C function that cannot yield. */
int report_cannot_wait(lua_State *L, const struct sched *s, const char *op);

/* Writes "a.lua:3: message" with hint and traceback of a failed task; for others than the
 * main script also who it was and where it was spawned. */
void report_failure(struct task *t);

/* The same of one that nobody can join any more: it makes the exit status 1. */
void report_untold(struct task *t);

/* Tells those failed tasks that are unheld, in the order of their ends. */
void report_unheld(struct sched *s);

/* Writes every task that is alive: where it was spawned, where it waits, since when. */
void report_tasks(struct sched *s, const char *headline);

/* What signals have asked for: all tasks (SIGQUIT), a task that computes (the watchdog). */
void report_asked(struct sched *s);

/* Pushes a list of all tasks that are alive, for net.tasks.               [-0, +1, m] */
void report_push_tasks(lua_State *L, struct sched *s);

/* Writes "soquete: " and the value at `idx` as text, with its hint.       [-0, +0, -] */
void report_value(lua_State *L, int idx);

/* Pushes "recv 127.0.0.1:5012": what a parked task waits in.              [-0, +1, m] */
void report_push_wait(lua_State *L, const struct task *t);

#endif
