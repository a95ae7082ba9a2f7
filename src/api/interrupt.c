/* Interruptions. */
#include "api/interrupt.h"

#include <errno.h>
#include <lauxlib.h>
#include <signal.h>

#include "api/error.h"
#include "api/report.h"
#include "api/socket.h"
#include "api/task.h"
#include "base/status.h"

enum {
  SWALLOW_MAX = 16,              /* protected calls that may catch one interruption */
  GRACE_NS = 1000 * 1000 * 1000, /* what <close> variables may wait in all */
};

/* The outermost scope whose deadline has passed, or NULL. */
static struct scope *expired_scope(struct task *t, int64_t now) {
  struct scope *found = NULL;
  for (struct scope *c = t->scope; c; c = c->outer)
    if (c->fired || (uint64_t)c->deadline_ns <= (uint64_t)now) found = c;
  return found;
}

static void raise_interruption(lua_State *L, struct task *t, struct scope *scope,
                               const char *op, const struct socket *on,
                               const size_t *sent) {
  char address[SOCKET_TEXT] = "";
  if (on) socket_whom(on, address);
  gate_leave(t);
  list_remove(&t->queued);
  struct task_side *side = task_side(t);
  if (!side) luaL_error(L, "%s: %s", op, status_text(-ENOMEM));
  int status = t->cancelled ? STATUS_CANCELLED : STATUS_TIMEOUT;
  error_push(L, &(struct failure){op, status, *address ? address : NULL, NULL});
  if (sent) {
    lua_pushinteger(L, (lua_Integer)*sent);
    lua_setfield(L, -2, "sent");
  }
  const void *identity = lua_topointer(L, -1);
  int64_t grace = loop_now(&t->sched->loop) + GRACE_NS;
  if (t->cancelled) {
    if (!side->cancel_error) side->grace_ns = grace;
    side->cancel_error = identity;
  } else {
    if (!scope->fired) scope->grace_ns = grace;
    scope->fired = true;
    scope->error = identity;
  }
  interrupt_again(L, t->sched);
}

/* Until when a cancelled task's <close> variables may wait; 0: it was not raised yet. */
static int64_t cancel_grace(const struct task *t) {
  return t->side ? t->side->grace_ns : 0;
}

/* Raises when `t` is interrupted. While an interruption unwinds, the waits are those of
 * <close> variables: they may go on until the grace is over. */
void interrupt_look(lua_State *L, struct task *t, const char *op, const struct socket *on,
                    const size_t *sent) {
  int64_t now = loop_now(&t->sched->loop);
  struct scope *scope = expired_scope(t, now);
  if (!t->cancelled && !scope) return;
  int64_t grace = t->cancelled ? cancel_grace(t) : scope->grace_ns;
  if (t->side && t->side->unwind_L && now < grace) return;
  raise_interruption(L, t, scope, op, on, sent);
}

int64_t interrupt_limit(const struct task *t, int64_t deadline_ns) {
  uint64_t first = (uint64_t)deadline_ns; /* NET_NEVER is the largest */
  for (const struct scope *c = t->scope; c; c = c->outer) {
    uint64_t limit = (uint64_t)(c->fired ? c->grace_ns : c->deadline_ns);
    if (limit < first) first = limit;
  }
  if (t->cancelled && (uint64_t)cancel_grace(t) < first)
    first = (uint64_t)cancel_grace(t);
  return (int64_t)first;
}

bool interrupt_task(struct task *t) {
  if (t->state > TASK_ALIVE) return false;
  if (t->cancelled) return true;
  t->cancelled = true;
  if (t->side) t->side->swallowed = 0;
  if (t->state == TASK_ALIVE && t->parked) loop_ready(&t->sched->loop, &t->waiter);
  return true;
}

void interrupt_all(struct sched *s) {
  s->stopping = true;
  for (struct list *i = s->tasks.next; i != &s->tasks; i = i->next)
    interrupt_task(list_entry(i, struct task, all));
}

void interrupt_statement(struct sched *s) {
  struct task *t = s->statement;
  if (t && !t->cancelled)
    interrupt_task(t);
  else
    interrupt_all(s);
}

/* Between two statements Ctrl-C is kept for the next one; a second one ends the process. */
void interrupt_signal(struct sched *s) {
  const struct task *t = s->statement;
  bool all = !s->prompts || s->stopping || s->signal != SIGINT || (t && t->cancelled);
  sig_atomic_t ctrl_c = SIGINT;
  if (all)
    interrupt_all(s);
  else if (t && __atomic_compare_exchange_n(&s->signal, &ctrl_c, 0, false,
                                            __ATOMIC_RELAXED, __ATOMIC_RELAXED))
    interrupt_statement(s);
}

void interrupt_hook(lua_State *L, lua_Debug *ar) {
  (void)ar;
  enum { AGAIN = 1000 }; /* instructions: a protected call may swallow the first */
  struct sched *s = sched_get(L);
  report_asked(s);
  if (s->signal) interrupt_signal(s);
  if (!interrupt_lasts(s)) {
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_sethook(L, interrupt_hook, LUA_MASKCOUNT, AGAIN);
  if (s->current) interrupt_check(L, s, "signal", NULL);
}

bool interrupt_caught(lua_State *L, struct sched *s, intptr_t depth) {
  struct task *t = s->current;
  if (!t || !task_unwinds(t, L) || t->side->unwind_depth != depth) return false;
  t->side->unwind_L = NULL;
  return ++t->side->swallowed > SWALLOW_MAX;
}

int interrupt_again(lua_State *L, struct sched *s) {
  struct task_side *side = s->current ? s->current->side : NULL;
  if (side) { /* it is there since the interruption was raised first */
    side->unwind_L = L;
    side->unwind_depth = *interrupt_depth(L);
  }
  return lua_error(L);
}
