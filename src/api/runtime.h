/* A runtime: a Lua state, a scheduler and a net. No globals, so a process can have several.
 * It runs a main function as the first task and goes on until every task has ended. */
#ifndef API_RUNTIME_H
#define API_RUNTIME_H

#include <lua.h>

#include "api/alloc.h"
#include "api/task.h"
#include "net/net.h"
#include "net/trace.h"

struct runtime {
  struct alloc alloc;
  bool warns;      /* `warn("@on")` was called last */
  bool continues;  /* the warning so far is to be continued */
  int pause;       /* of the collector, as it was set last; -1: the script has set it */
  lua_State *L;    /* owned */
  struct net *net; /* owned */
  struct sched sched;
};

/* Opens a state over `net`, which it takes, also on failure. `script_dir`: see loader.h.
 * NULL with a message on stderr.                                                         */
struct runtime *runtime_new(struct net *net, const char *script_dir);

/* Runs the function with its `nargs` arguments, which lie on rt->L, as the first task.
 * The exit status: 0; 1 after an error or a deadlock; 128 + signal after a signal. */
int runtime_run(struct runtime *rt, int nargs);

/* Cancels every task as SIGINT does; safe in a signal handler. */
void runtime_interrupt(struct runtime *rt, int signal);

/* Has all tasks written to stderr; safe in a signal handler. */
void runtime_report(struct runtime *rt);

/* The watchdog's tick, once in 100 ms of processor time: a task that runs since the last
 * tick is named on stderr. Safe in a signal handler. */
void runtime_tick(struct runtime *rt);

/* Where the script is: "task 2  server.lua:9" (the trace asks; `arg` is the runtime). */
void runtime_place(void *arg, char out[TRACE_PLACE]);

/* What is left over after a run: tasks, handles and timers. Zero unless something leaks. */
struct leftovers {
  size_t tasks, timers;
  int handles;
};
struct leftovers runtime_leftovers(struct runtime *rt);

/* Waits, at most DRAIN_SECONDS, until everything that was sent is in the kernel. */
enum { DRAIN_SECONDS = 10 };
void runtime_drain(struct net *net);

/* Closes the state, then drains and closes the net. */
void runtime_free(struct runtime *rt);

#endif
