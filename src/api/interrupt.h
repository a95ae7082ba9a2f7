/* Interruptions: deadline, cancel and signals are one mechanism. A wait in an interrupted
 * scope raises, and every later wait raises again, so that a protected call cannot swallow
 * it. While it unwinds, the waits are those of <close> variables: they may go on for one
 * second in all. */
#ifndef API_INTERRUPT_H
#define API_INTERRUPT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched;
struct socket;
struct task;

/* A deadline's range: net.deadline pushes one, and it is popped when its function ends. */
struct scope {
  struct scope *outer; /* borrowed: it lives on the stack below */
  lua_State *L;        /* the thread that runs the function */
  int64_t deadline_ns;
  int64_t grace_ns; /* until when <close> variables may wait, once it has fired */
  bool fired;
  const void *error; /* identity of the error that was raised for it last */
};

/* The depth of protected calls in a thread, kept in the thread itself. A task's own thread
 * begins at TASK_DEPTH, which tells it from a script's coroutine. */
enum { TASK_DEPTH = 1 << 20 };
static inline intptr_t *interrupt_depth(lua_State *L) {
  return lua_getextraspace(L);
}

/* A protected call of depth `depth` in L has caught an error, which is on top: ends the
 * unwinding if it was meant for it. True when the error is an interruption that has been
 * caught often enough and has to go on.                                     [-0, +0, -] */
bool interrupt_caught(lua_State *L, struct sched *s, intptr_t depth);

/* Raises the interruption on top again, from here.                          [-1, +0, v] */
int interrupt_again(lua_State *L, struct sched *s);

/* Raises when the task, which is cancelled or in a scope, is interrupted. `sent`: what the
 * operation had handed over, which the error then tells; NULL: it hands over nothing.
 *                                                                           [-0, +0, v] */
void interrupt_look(lua_State *L, struct task *t, const char *op, const struct socket *on,
                    const size_t *sent);

/* The earliest of a wait's own deadline, those of the scopes, and the grace while an
 * interruption unwinds. */
int64_t interrupt_limit(const struct task *t, int64_t deadline_ns);

/* Cancels a task: its waits raise from now on. False when it had ended. */
bool interrupt_task(struct task *t);
void interrupt_all(struct sched *s);

/* Cancels the prompt's statement; where there is none, or it is cancelled and still there,
 * every task. */
void interrupt_statement(struct sched *s);

/* Does what the signal that has come asks for: SIGINT at a prompt cancels its statement, all
 * else every task. */
void interrupt_signal(struct sched *s);

/* The hook that a signal sets: raises in the running task.                  [-0, +0, v] */
void interrupt_hook(lua_State *L, lua_Debug *ar);

#endif
