/* Tasks: coroutines that the scheduler resumes. task.c is the only file that yields and
 * resumes. A task waits for one thing at a time, with its one waiter; a wait restarts its
 * operation from the top, so a spurious wake is harmless. Gates (gate.h) order the tasks
 * that want the same; interruptions (interrupt.h) end their waits. */
#ifndef API_TASK_H
#define API_TASK_H

#include <lauxlib.h>
#include <lua.h>
#include <signal.h>
#include <stdbool.h>

#include "api/gate.h"
#include "api/interrupt.h"
#include "net/loop.h"
#include "net/relay.h"

struct join_set;
struct socket;
struct task;

enum task_state { TASK_NEW, TASK_ALIVE, TASK_DONE, TASK_FAILED, TASK_CANCELLED };

/* What few tasks need: those that are joined, in a join set, interrupted or failed, or that
 * call back in the middle of an operation. */
struct task_side {
  struct list all;        /* in sched.sides */
  struct task *task;      /* borrowed: whose it is */
  struct list joiners;    /* of task.queued: who waits for the end of this one */
  struct list member;     /* in a join set's list while it is in one */
  struct list kept;       /* of gate_keep.link: gates that it keeps, see gate.h */
  struct join_set *set;   /* borrowed, or NULL */
  struct task_more *more; /* borrowed while it waits; NULL: none */
  char *trace;            /* owned; the traceback of the error it failed with, or NULL */
  const void *cause; /* identity of the error that a join raised here, see report.c */
  const void *cancel_error; /* identity of the error that was raised for the cancel */
  int64_t grace_ns;         /* as in struct scope, for the cancel */
  lua_State *unwind_L;   /* not NULL: an interruption unwinds to the protected call ... */
  intptr_t unwind_depth; /* ... of this depth in this thread; <close> handlers may wait */
  unsigned swallowed;    /* how often a protected call caught the interruption */
};

/* Each connection has one, so it is small; what every wait touches comes first. */
struct task {
  struct waiter waiter;
  struct sched *sched;      /* borrowed */
  lua_State *L;             /* its thread; user value 1 keeps it */
  lua_State *parked;        /* the innermost thread while it waits, else NULL */
  struct gate *gate;        /* the gate it holds or was handed, or NULL */
  struct task_first *first; /* borrowed while it waits; NULL: none */
  struct scope *scope;      /* the innermost deadline, or NULL */
  struct task_side *side;   /* owned; NULL while nothing in it is set */
  const char *op;           /* what it waits in, for reports */
  const struct socket *on;  /* borrowed while it waits; NULL: no socket */
  int64_t since_ns;
  uint32_t id;
  uint32_t waits; /* how often it has waited; may wrap */
  uint8_t state;  /* enum task_state */
  bool cancelled;
  bool named;  /* the watchdog has told that it computes for long */
  bool unheld; /* failed, and the reaper's collection found its handle: the registry holds
                  it until it is told, next */
  union {
    int anchor;  /* while it is alive: its place in the table sched.tasks_ref */
    int results; /* then: values on its stack; the error when it failed */
  };
  struct list queued; /* in a gate's queue or in another task's `joiners` */
  struct list all;    /* in sched.tasks while alive; in sched.untold when it failed */
  const char *site;   /* "file:line" of the spawn: the string at TASK_SITE */
};

struct sched {
  struct loop loop;
  lua_State *main; /* the state; runs no script itself */
  /* What spawning needs, in the registry (luaL_ref): the tasks that are alive, by anchor;
   * the classes of tasks and of sockets; the function `body`; its message handler; places (error.h); addresses (address.h). */
  int tasks_ref, class_ref, socket_ref, body_ref, handler_ref;
  int places_ref, addresses_ref;
  int free_anchor;      /* the first free place for a living task */
  struct task *current; /* the task that runs, or NULL */
  uint32_t ops, bytes; /* its operations since it waited last, and what they have moved */
  lua_State *volatile running; /* the innermost thread that runs, or NULL */
  lua_State *blocked;   /* not NULL: this thread is inside a C call that cannot yield */
  struct list tasks;    /* alive, oldest first */
  struct list untold;   /* failed, and nobody has joined them */
  struct list sides;    /* owned, as their tasks are not where finalizers fail */
  struct waiter reaper; /* looks for failed tasks that nobody can join any more */
  int64_t reap_ns;      /* not before this time */
  size_t alive;
  uint32_t last_id;
  struct task *first;                 /* the main script's, while it is alive */
  struct task *statement;             /* the prompt's, while it is alive, or NULL */
  bool prompts;                       /* SIGINT ends the prompt's statement only */
  bool reaping;                       /* the reaper's collection is under way */
  bool stopping;                      /* every task is cancelled, new ones are born so */
  volatile sig_atomic_t signal;       /* SIGINT or SIGTERM that came, else 0 */
  volatile sig_atomic_t signals_came; /* some of those that on_signal took */
  volatile sig_atomic_t asked;        /* a report of all tasks is wanted (SIGQUIT) */
  volatile sig_atomic_t computes;     /* the watchdog saw one run for too long */
  uint32_t resumes;                   /* how often a task was resumed */
  uint32_t resumes_seen;              /* by the watchdog, at its last tick */
  int64_t exhausted_ns; /* when accept last found descriptors run out; 0: never */
  int status;           /* the exit status so far: 1 after an untended failure */
  char *scratch; /* owned; where received bytes land before they become strings; for
                    sockets only through socket_scratch */
  struct incoming *incoming; /* owned; where many datagrams land; NULL until then */
  int8_t trains;             /* whether the kernel knows them; 0: not asked yet, -1: no */
  struct socket *owed; /* borrowed: the first bytes there are this stream's, see below; or
                          NULL */
  size_t owed_bytes;
  struct relay_pool relay_pool; /* the pipes of net.relay */
};

enum { SCRATCH_BYTES = 256 * 1024 };

/* Pushes what `ref` stands for.                                           [-0, +1, -] */
static inline void sched_push(lua_State *L, int ref) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
}

/* Every function of ours has the scheduler as its first upvalue. */
static inline struct sched *sched_of(lua_State *L) {
  return lua_touserdata(L, lua_upvalueindex(1));
}

/* Raises when the running task is interrupted: every operation that may wait asks first.
 * `sent` as for interrupt_look.                                             [-0, +0, v] */
static inline void interrupt_check_sent(lua_State *L, struct sched *s, const char *op,
                                        const struct socket *on, const size_t *sent) {
  struct task *t = s->current;
  if (t && (t->cancelled || t->scope)) interrupt_look(L, t, op, on, sent);
}

static inline void interrupt_check(lua_State *L, struct sched *s, const char *op,
                                   const struct socket *on) {
  interrupt_check_sent(L, s, op, on, NULL);
}

/* True while the running thread has to be interrupted again, however often it catches it. */
static inline bool interrupt_lasts(const struct sched *s) {
  return s->signal ||
         (s->statement && s->statement == s->current && s->current->cancelled);
}

/* True when the running task holds the gate or could take it. While it goes to sleep in what
 * it holds the gate for, a finalizer may run. */
static inline bool gate_open(const struct gate *g, const struct sched *s) {
  return !g->holder || (g->holder == s->current && !g->holder->parked);
}

/* Leaves the gate that `t` holds, if any. */
static inline void gate_leave(struct task *t) {
  if (t->gate) gate_hand_on(t);
}

/* Prepares `s` over `net`; -ENOMEM when there is no memory. */
int sched_init(struct sched *s, lua_State *L, struct net *net);
/* Makes the scheduler known in its state.                                 [-0, +0, m] */
void sched_open(lua_State *L, struct sched *s);
void sched_fini(struct sched *s);

/* What lies below a task's function on its stack. */
enum {
  TASK_SITE = 1, /* where it was spawned */
  TASK_KEEPS,    /* what has to live as long as it, or nil */
  TASK_BASE = TASK_KEEPS
};

/* Makes a task of the function and its `nargs` arguments on top of the stack, to run later
 * in this turn, and leaves the task there instead.                  [-(nargs+1), +1, m] */
struct task *task_spawn(lua_State *L, struct sched *s, int nargs);

/* What a wait is about. */
struct task_wait {
  const char *op;          /* "recv": a string that lives for ever */
  const struct socket *on; /* NULL: no socket */
  net_h h;                 /* -1: waits for a wake or the time only */
  uint32_t what;           /* NET_RD or NET_WR */
  int64_t deadline_ns;     /* the operation's; NET_NEVER: none */
  int64_t wake_ns;         /* wakes then, if that is earlier; 0: no */
  const size_t *sent;      /* what the operation has handed over, for the error of an
                              interruption; NULL: it hands over nothing */
};

/* What else a wait needs while the task is parked, and only then: further waiters, each of
 * which wakes the task, or a buffer that nobody may change. Whoever embeds it lies on the
 * stack of the waiting function. No finalizer has to end it, for without memory none runs. */
struct task_more {
  int (*arm)(struct task_more *); /* 0, or a status and nothing is armed */
  void (*disarm)(struct task_more *);
};

/* Parks the running task until the handle is ready or the deadline, its own or that of a
 * scope, has passed; then calls `k` with the deadline as its context. Raises when the task
 * is interrupted or cannot wait here.                                   [-0, +0, v] [y] */
int task_await(lua_State *L, struct sched *s, const struct task_wait *w, lua_KFunction k);

/* As task_await, for what `more` waits for as well. */
int task_await_more(lua_State *L, struct sched *s, const struct task_wait *w,
                    struct task_more *more, lua_KFunction k);

/* What is asked first when a task is woken. True: it has dealt with what came, and the task
 * waits again, by task_again. False: the task is resumed. Not asked when the task is
 * cancelled or has a deadline. Whoever embeds it lives as long as the wait. */
struct task_first {
  bool (*deal)(struct task_first *, struct task *);
};

/* As task_await, with `first`. The wait is for a socket, to read. */
int task_await_first(lua_State *L, struct sched *s, const struct task_wait *w,
                     struct task_first *first, lua_KFunction k);

/* The wait goes on, until another deadline. False without memory. */
bool task_again(struct task *t, int64_t deadline_ns);

/* As task_await and task_await_more, in the queue of `gate`; the task holds the gate when it
 * is woken. */
int task_queue(lua_State *L, struct sched *s, struct gate *gate,
               const struct task_wait *w, lua_KFunction k);

int task_queue_more(lua_State *L, struct sched *s, struct gate *gate,
                    const struct task_wait *w, struct task_more *more, lua_KFunction k);

/* Ends an operation that did not wait and gives `results` values: counts it and its bytes,
 * and steps aside when the task has had its share.                      [-0, +0, -] [y] */
int task_step(lua_State *L, struct sched *s, int results, size_t bytes);

/* The same for an operation that may move much at once: large moves are counted by the time
 * that they take, so that few of them are followed by a poll.           [-0, +0, -] [y] */
int task_step_large(lua_State *L, struct sched *s, int results, size_t bytes);

/* Ends an operation that failed, whose nil, err, code lie on top, and gives 3: counts it as
 * task_step does; where the task steps aside, an interruption raises.   [-0, +0, v] [y] */
int task_fail(lua_State *L, struct sched *s);

/* The same for an operation that raises err. */
int task_fail_raising(lua_State *L, struct sched *s);

/* As task_await, in a queue of task.queued: whoever shifts the task out of it readies its
 * waiter. */
int task_wait_in(lua_State *L, struct sched *s, struct list *queue,
                 const struct task_wait *w, lua_KFunction k);

/* Steps aside until the next turn, then calls `k`; of `w` its operation, socket and
 * deadline count.                                                        [-0, +0, v] [y] */
int task_yield(lua_State *L, struct sched *s, const struct task_wait *w, lua_KFunction k);

/* The same, with what `more` holds until then. */
int task_yield_more(lua_State *L, struct sched *s, const struct task_wait *w,
                    struct task_more *more, lua_KFunction k);

/* Counts a part of an operation and its bytes: true when the task has had its share, and
 * can step aside here. */
bool task_spent(lua_State *L, struct sched *s, size_t bytes);

/* The same of a part that may move much at once, as task_step_large counts. */
bool task_spent_large(lua_State *L, struct sched *s, size_t bytes);

/* True when the running task can wait here. */
bool task_can_wait(lua_State *L, const struct sched *s);

/* True when the deadline of an operation has passed. */
bool task_late(struct sched *s, int64_t deadline_ns);

/* Ends the wait of a parked task whose coroutine is being closed by another task. */
void task_unpark(struct task *t);

/* --- scripts' coroutines -------------------------------------------------------------- */

/* Resumes a script's coroutine with `nargs` values of its stack. lua_resume's status, or
 * TASK_WAITS when it, or one inside it, waits: then task_pass has to follow. */
enum { TASK_WAITS = -1 };
int task_resume(lua_State *L, struct sched *s, lua_State *co, int nargs, int *results);

/* Hands a wait of an inner coroutine outward; `k` runs when it is over. [-0, +0, v] [y] */
int task_pass(lua_State *L, lua_KContext context, lua_KFunction k);

/* Yields `results` values from a script's coroutine.                        [-?, +?, -] */
int task_yield_values(lua_State *L, int results);

/* --- for the class and the reports ---------------------------------------------------- */

/* The scheduler of a state (for hooks and metamethods without the upvalue). */
struct sched *sched_get(lua_State *L);

/* Adds the functions, with the scheduler as their upvalue, to the table on top.
 *                                                                         [-0, +0, m] */
void sched_functions(lua_State *L, const luaL_Reg *functions);

/* Pushes the task, which must be alive.                                   [-0, +1, m] */
void task_push(lua_State *L, const struct task *t);

/* Forgets that a failure is untold: somebody has joined the task, and holds it.
 *                                                                         [-0, +0, -] */
void task_told(lua_State *L, struct task *t);

/* The side of a task, made if need be; NULL without memory. */
struct task_side *task_side(struct task *t);

/* Which wait this is, or was last: no other of any task has this number, which is not 0. */
static inline uint64_t task_wait_number(const struct task *t) {
  return (uint64_t)t->id << 32 | t->waits;
}

/* True while an interruption of `t` unwinds in `L`. */
static inline bool task_unwinds(const struct task *t, const lua_State *L) {
  return t->side && t->side->unwind_L == L;
}

/* Frees what a task owns; its userdata is being collected. */
void task_fini(struct task *t);

/* Frees the sides of tasks that were collected without that. */
void task_sides_fini(struct sched *s);

#endif
