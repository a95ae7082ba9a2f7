/* The scheduler's heart: spawn, park, resume, interrupt. */
#include "api/task.h"

#include <assert.h>
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "api/anchor.h"
#include "api/error.h"
#include "api/join_set.h"
#include "api/report.h"
#include "api/socket.h"
#include "base/status.h"

#ifndef SOQUETE_STRESS
#define SOQUETE_STRESS 0 /* debug builds: a full collection at every park */
#endif

enum {
  SHARE_OPS = 64,           /* operations in a row before a task steps aside */
  SHARE_BYTES = 256 * 1024, /* bytes in a row */
  LARGE_BYTES =
      16 * 1024,         /* from here on asking the clock costs little beside the move */
  TURN_NS = 1000 * 1000, /* what large moves may take in a row */
  REAP_SHARE = 20,       /* the reaper takes at most a twentieth of the time */
};

/* Yielded by a wait; every resume of a script's coroutine hands it outward. */
static char parked_sentinel;
static char sched_key; /* registry key */

struct sched *sched_get(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &sched_key);
  struct sched *s = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return s;
}

void task_push(lua_State *L, const struct task *t) {
  anchor_push(L, t->sched, t->anchor);
}

void sched_functions(lua_State *L, const luaL_Reg *functions) {
  lua_pushlightuserdata(L, sched_get(L));
  luaL_setfuncs(L, functions, 1);
}

/* Collects garbage once, so that failed tasks whose handle nobody holds are told now and
 * not some day, in the order of their ends. Costs at most a REAP_SHARE of the time. */
static void reap(struct waiter *w) {
  struct sched *s = list_entry(w, struct sched, reaper);
  int64_t begin = loop_now(&s->loop);
  s->reaping = true;
  lua_gc(s->main, LUA_GCCOLLECT);
  s->reaping = false;
  report_unheld(s);
  int64_t end = loop_now(&s->loop);
  s->reap_ns = end + (end - begin) * REAP_SHARE;
}

void task_told(lua_State *L, struct task *t) {
  if (t->state != TASK_FAILED) return;
  list_remove(&t->all);
  if (!t->unheld) return;
  t->unheld = false;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, t);
}

/* --- the end ------------------------------------------------------------------------ */

/* Hands on the gates that it holds: also those that an operation keeps which is never
 * resumed, in a coroutine that yielded. */
static void leave_gates(struct task *t) {
  gate_leave(t);
  while (t->side && !list_empty(&t->side->kept))
    gate_let_go(list_entry(t->side->kept.next, struct gate_keep, link));
}

/* Readies all that wait for its end. */
static void ready_joiners(struct task *t) {
  struct list *node;
  while (t->side && (node = list_shift(&t->side->joiners)))
    loop_ready(&t->sched->loop, &list_entry(node, struct task, queued)->waiter);
}

static void failed(struct task *t) {
  struct sched *s = t->sched;
  if (t == s->first) {
    s->status = 1;
    report_failure(t);
    interrupt_all(s);
    return;
  }
  if (t->side && !list_empty(&t->side->joiners)) return;
  list_append(&s->untold, &t->all);
  if ((t->side && t->side->set) || waiter_busy(&s->reaper))
    return; /* a set holds its tasks */
  int64_t now = loop_now(&s->loop);
  /* without memory for a timer it is told by a later collection or at the end */
  (void)loop_wait(&s->loop, &s->reaper, -1, 0, now > s->reap_ns ? now : s->reap_ns);
}

static void finish(struct task *t, int status, int results) {
  struct sched *s = t->sched;
  int place = t->anchor;
  results -= TASK_BASE;   /* they lie above that */
  if (status != LUA_OK) { /* an error outside the body: there was no memory for it */
    t->state = TASK_FAILED;
    results = 1;
  } else if (t->state == TASK_ALIVE) {
    t->state = TASK_DONE;
  }
  t->results = results;
  leave_gates(t);
  loop_cancel(&s->loop, &t->waiter);
  list_remove(&t->all);
  s->alive--;
  if (t->state == TASK_FAILED) failed(t);
  join_set_ended(t);
  if (t == s->first) s->first = NULL;
  if (t == s->statement) s->statement = NULL;
  ready_joiners(t);
  anchor_give_back(s, place);
}

/* --- running ------------------------------------------------------------------------ */

static bool is_cancel(lua_State *L, const struct task *t) {
  const void *raised = t->cancelled && t->side ? t->side->cancel_error : NULL;
  return raised && lua_topointer(L, -1) == raised;
}

static int body_k(lua_State *L, int status, lua_KContext context) {
  (void)context;
  struct task *t = sched_of(L)->current;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 1;
  t->state = is_cancel(L, t) ? TASK_CANCELLED : TASK_FAILED;
  return 1;
}

/* A task's function and arguments, under a protected call: without that frame an error
 * would kill the thread before its <close> variables run. */
static int body(lua_State *L) {
  int nargs = lua_gettop(L) - 1;
  sched_push(L, sched_of(L)->handler_ref);
  lua_insert(L, 1);
  return body_k(L, lua_pcallk(L, nargs, LUA_MULTRET, 1, 0, body_k), 0);
}

/* The further waiters of a wait end with it. */
static void disarm(struct task *t) {
  struct task_more *more = t->side ? t->side->more : NULL;
  if (!more) return;
  more->disarm(more);
  t->side->more = NULL;
}

bool task_again(struct task *t, int64_t deadline_ns) {
  struct loop *loop = &t->sched->loop;
  t->since_ns = loop->turn_ns;
  return loop_wait(loop, &t->waiter, t->on->h, NET_RD, deadline_ns) == 0;
}

/* True when the task waits again. */
static bool was_dealt_with(struct task *t) {
  struct task_first *first = t->first;
  if (!first) return false;
  if (!t->cancelled && !t->scope && first->deal(first, t)) return true;
  t->first = NULL;
  return false;
}

static void run(struct waiter *w) {
  struct task *t = list_entry(w, struct task, waiter);
  struct sched *s = t->sched;
  int nargs = 0;
  if (was_dealt_with(t)) return;
  disarm(t);
  list_remove(&t->queued);
  if (t->state == TASK_NEW) {
    if (t->cancelled) {
      lua_settop(t->L, TASK_BASE);
      t->state = TASK_CANCELLED;
      finish(t, LUA_OK, TASK_BASE);
      return;
    }
    nargs = lua_gettop(t->L) - TASK_BASE - 1; /* all but the body */
    t->state = TASK_ALIVE;
  }
  t->parked = NULL;
  t->on = NULL;
  s->ops = 0;
  s->bytes = 0;
  s->resumes++;
  s->current = t;
  s->running = t->L;
  int results;
  int status = lua_resume(t->L, s->main, nargs, &results);
  s->current = NULL;
  s->running = NULL;
  if (status == LUA_YIELD)
    lua_pop(t->L, results);
  else
    finish(t, status, results);
}

struct task *task_spawn(lua_State *L, struct sched *s, int nargs) {
  int function = lua_gettop(L) - nargs;
  struct task *t = lua_newuserdatauv(L, sizeof *t, 1);
  memset(t, 0, sizeof *t);
  t->sched = s;
  waiter_init(&t->waiter, run);
  list_init(&t->all);
  list_init(&t->queued);
  sched_push(L, s->class_ref);
  lua_setmetatable(L, -2);
  t->L = lua_newthread(L);
  lua_setiuservalue(L, -2, 1);
  if (s->current)
    error_recent_place(L, s->places_ref);
  else
    lua_pushliteral(L, "program start");
  t->site = lua_tostring(L, -1);
  lua_xmove(L, t->L, 1);
  lua_pushnil(t->L);
  t->anchor = anchor_take(L, s);
  sched_push(L, s->body_ref);
  lua_insert(L, function);
  lua_insert(L, function); /* task, body, function, arguments */
  *interrupt_depth(t->L) = TASK_DEPTH;
  lua_xmove(L, t->L, nargs + 2);
  t->id = ++s->last_id;
  t->cancelled = s->stopping;
  list_append(&s->tasks, &t->all);
  s->alive++;
  loop_ready(&s->loop, &t->waiter);
  return t;
}

void task_unpark(struct task *t) {
  disarm(t);
  t->first = NULL;
  gate_leave(t);
  list_remove(&t->queued); /* or it would be handed a gate that it does not wait for */
  loop_ready(&t->sched->loop, &t->waiter);
}

/* --- waiting ------------------------------------------------------------------------ */

bool task_late(struct sched *s, int64_t deadline_ns) {
  return deadline_ns != NET_NEVER && loop_now(&s->loop) >= deadline_ns;
}

bool task_can_wait(lua_State *L, const struct sched *s) {
  return s->current && !s->blocked && lua_isyieldable(L);
}

static int park(lua_State *L, struct task *t, const char *op, const struct socket *on,
                lua_KContext context, lua_KFunction k) {
  t->parked = L;
  t->waits++;
  t->op = op;
  t->on = on;
  t->since_ns = t->sched->loop.turn_ns;
  if (SOQUETE_STRESS) lua_gc(L, LUA_GCCOLLECT);
  lua_pushlightuserdata(L, &parked_sentinel);
  return lua_yieldk(L, 1, context, k);
}

/* Raises because L is where nothing can yield. */
static int refuse(lua_State *L, struct sched *s, const char *op) {
  if (s->current) gate_leave(s->current);
  return report_cannot_wait(L, s, op);
}

static int await(lua_State *L, struct sched *s, const struct task_wait *w,
                 struct task_more *more, struct task_first *first, lua_KFunction k) {
  if (!task_can_wait(L, s)) return refuse(L, s, w->op);
  struct task *t = s->current;
  interrupt_check_sent(L, s, w->op, w->on, w->sent);
  int64_t until = interrupt_limit(t, w->deadline_ns);
  if (w->wake_ns && (uint64_t)w->wake_ns < (uint64_t)until) until = w->wake_ns;
  int r = -ENOMEM; /* the queue is left whatever there was no memory for */
  if (lua_checkstack(L, 1)) r = loop_wait(&s->loop, &t->waiter, w->h, w->what, until);
  if (r == 0 && more) r = task_side(t) ? more->arm(more) : -ENOMEM;
  if (r < 0) {
    loop_cancel(&s->loop, &t->waiter);
    gate_leave(t);
    list_remove(&t->queued);
    return luaL_error(L, "%s: %s", w->op,
                      r == -EBUSY ? "another task waits for this already"
                                  : status_text(r));
  }
  if (more) t->side->more = more;
  t->first = first;
  return park(L, t, w->op, w->on, w->deadline_ns, k);
}

int task_await_more(lua_State *L, struct sched *s, const struct task_wait *w,
                    struct task_more *more, lua_KFunction k) {
  return await(L, s, w, more, NULL, k);
}

int task_await_first(lua_State *L, struct sched *s, const struct task_wait *w,
                     struct task_first *first, lua_KFunction k) {
  return await(L, s, w, NULL, first, k);
}

int task_await(lua_State *L, struct sched *s, const struct task_wait *w,
               lua_KFunction k) {
  return await(L, s, w, NULL, NULL, k);
}

int task_wait_in(lua_State *L, struct sched *s, struct list *queue,
                 const struct task_wait *w, lua_KFunction k) {
  if (!task_can_wait(L, s)) return refuse(L, s, w->op);
  list_append(queue, &s->current->queued);
  return task_await(L, s, w, k);
}

int task_queue_more(lua_State *L, struct sched *s, struct gate *gate,
                    const struct task_wait *w, struct task_more *more, lua_KFunction k) {
  if (!task_can_wait(L, s)) return refuse(L, s, w->op);
  list_append(&gate->queue, &s->current->queued);
  return task_await_more(L, s, w, more, k);
}

int task_queue(lua_State *L, struct sched *s, struct gate *gate,
               const struct task_wait *w, lua_KFunction k) {
  return task_queue_more(L, s, gate, w, NULL, k);
}

int task_yield_more(lua_State *L, struct sched *s, const struct task_wait *w,
                    struct task_more *more, lua_KFunction k) {
  if (!task_can_wait(L, s)) return refuse(L, s, w->op);
  struct task *t = s->current;
  interrupt_check_sent(L, s, w->op, w->on, w->sent);
  bool room = lua_checkstack(L, 1);
  if (!room || (more && (!task_side(t) || more->arm(more) < 0))) {
    gate_leave(t);
    return luaL_error(L, "%s: %s", w->op, status_text(-ENOMEM));
  }
  if (more) t->side->more = more;
  loop_later(&s->loop, &t->waiter);
  return park(L, t, w->op, w->on, w->deadline_ns, k);
}

int task_yield(lua_State *L, struct sched *s, const struct task_wait *w,
               lua_KFunction k) {
  return task_yield_more(L, s, w, NULL, k);
}

bool task_spent(lua_State *L, struct sched *s, size_t bytes) {
  if (!s->current) return false;
  s->bytes += bytes < SHARE_BYTES ? (uint32_t)bytes : SHARE_BYTES;
  if (++s->ops < SHARE_OPS && s->bytes < SHARE_BYTES) return false;
  return task_can_wait(L, s);
}

static int step_k(lua_State *L, int status, lua_KContext results) {
  (void)L;
  (void)status;
  return (int)results;
}

static int step_aside(lua_State *L, struct sched *s, lua_KContext context,
                      lua_KFunction k) {
  luaL_checkstack(L, 1, NULL);
  loop_later(&s->loop, &s->current->waiter);
  return park(L, s->current, "yield", NULL, context, k);
}

int task_step(lua_State *L, struct sched *s, int results, size_t bytes) {
  return task_spent(L, s, bytes) ? step_aside(L, s, results, step_k) : results;
}

bool task_spent_large(lua_State *L, struct sched *s, size_t bytes) {
  if (bytes >= LARGE_BYTES)
    bytes = loop_now(&s->loop) - s->loop.turn_ns < TURN_NS ? 0 : SHARE_BYTES;
  return task_spent(L, s, bytes);
}

int task_step_large(lua_State *L, struct sched *s, int results, size_t bytes) {
  return task_spent_large(L, s, bytes) ? step_aside(L, s, results, step_k) : results;
}

enum { FAIL_GIVES, FAIL_RAISES };

static int fail_end(lua_State *L, lua_KContext how) {
  if (how == FAIL_GIVES) return 3;
  lua_pop(L, 1);
  return lua_error(L);
}

/* A failure has nothing to lose, so an interruption raises here and not at the beginning of
 * the next operation: one on a closed handle fails before it asks. */
static int fail_k(lua_State *L, int status, lua_KContext how) {
  (void)status;
  luaL_checkstack(L, 1, NULL);
  lua_getfield(L, -2, "op");
  interrupt_check(L, sched_get(L), lua_tostring(L, -1), NULL);
  lua_pop(L, 1);
  return fail_end(L, how);
}

static int fail(lua_State *L, struct sched *s, lua_KContext how) {
  return task_spent(L, s, 0) ? step_aside(L, s, how, fail_k) : fail_end(L, how);
}

int task_fail(lua_State *L, struct sched *s) {
  return fail(L, s, FAIL_GIVES);
}

int task_fail_raising(lua_State *L, struct sched *s) {
  return fail(L, s, FAIL_RAISES);
}

/* --- scripts' own coroutines ---------------------------------------------------------- */

int task_resume(lua_State *L, struct sched *s, lua_State *co, int nargs, int *results) {
  lua_State *blocked = s->blocked, *running = s->running;
  if (!lua_isyieldable(L)) s->blocked = L;
  s->running = co;
  if (interrupt_lasts(s)) /* it came before `co` was known as the running one */
    lua_sethook(co, interrupt_hook, LUA_MASKCOUNT, 1);
  int status = lua_resume(co, L, nargs, results);
  s->running = running;
  s->blocked = blocked;
  if (interrupt_lasts(s))
    lua_sethook(L, interrupt_hook, LUA_MASKCOUNT, 1); /* it saw the inner one */
  if (status == LUA_YIELD && *results == 1 &&
      lua_touserdata(co, -1) == (void *)&parked_sentinel) {
    lua_pop(co, 1);
    return TASK_WAITS;
  }
  return status;
}

int task_pass(lua_State *L, lua_KContext context, lua_KFunction k) {
  luaL_checkstack(L, 1, NULL);
  lua_pushlightuserdata(L, &parked_sentinel);
  return lua_yieldk(L, 1, context, k);
}

int task_yield_values(lua_State *L, int results) {
  return lua_yieldk(L, results, 0, NULL);
}

/* --- the scheduler -------------------------------------------------------------------- */

int sched_init(struct sched *s, lua_State *L, struct net *net) {
  *s = (struct sched){.main = L, .free_anchor = ANCHOR_NONE};
  list_init(&s->tasks);
  list_init(&s->untold);
  list_init(&s->sides);
  waiter_init(&s->reaper, reap);
  loop_init(&s->loop, net);
  s->scratch = malloc(SCRATCH_BYTES);
  return s->scratch ? 0 : -ENOMEM;
}

void sched_open(lua_State *L, struct sched *s) {
  lua_pushlightuserdata(L, s);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &sched_key);
  lua_newtable(L);
  s->tasks_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  s->places_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_pushlightuserdata(L, s);
  lua_pushcclosure(L, body, 1);
  s->body_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void sched_fini(struct sched *s) {
  task_sides_fini(s);
  loop_fini(&s->loop);
  relay_pool_fini(&s->relay_pool);
  free(s->scratch);
  free(s->incoming);
  s->scratch = NULL;
  s->incoming = NULL;
}
