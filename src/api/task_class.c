/* Lua's face of tasks. */
#include "api/task_class.h"

#include <errno.h>
#include <lauxlib.h>

#include "api/args.h"
#include "api/error.h"
#include "api/names.h"
#include "api/protect.h"
#include "api/report.h"
#include "api/task.h"
#include "base/status.h"

static struct task *check_task(lua_State *L, int idx) {
  return luaL_checkudata(L, idx, "net.task");
}

/* --- functions ------------------------------------------------------------------------ */

/* net.spawn(fn, ...) -> task. Never switches: it runs later in this turn, in order.      */
static int spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  task_spawn(L, sched_of(L), lua_gettop(L) - 1);
  return 1;
}

static int sleep_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct sched *s = sched_of(L);
  if (task_late(s, deadline)) return 0;
  struct task_wait w = {"sleep", NULL, -1, 0, deadline, 0, NULL};
  return task_await(L, s, &w, sleep_k);
}

/* net.sleep(seconds): waits that long; 0 or less lets the others run once.           [y] */
static int sleep_for(lua_State *L) {
  struct sched *s = sched_of(L);
  luaL_checknumber(L, 1);
  int64_t deadline = args_deadline(L, 1, s);
  interrupt_check(L, s, "sleep", NULL);
  struct task_wait w = {"sleep", NULL, -1, 0, deadline, 0, NULL};
  return task_await(L, s, &w, sleep_k);
}

/* net.now() -> seconds on a clock that only goes forward                                 */
static int now(lua_State *L) {
  lua_pushnumber(L, (lua_Number)loop_now(&sched_of(L)->loop) / 1e9);
  return 1;
}

static int yield_k(lua_State *L, int status, lua_KContext context) {
  (void)L;
  (void)status;
  (void)context;
  return 0;
}

/* net.yield(): lets every other task and event have its turn                         [y] */
static int yield(lua_State *L) {
  struct task_wait w = {"yield", NULL, -1, 0, NET_NEVER, 0, NULL};
  return task_yield(L, sched_of(L), &w, yield_k);
}

/* core.check(op): raises when the task is interrupted, as an operation's beginning does    */
static int check(lua_State *L) {
  interrupt_check(L, sched_of(L), luaL_checkstring(L, 1), NULL);
  return 0;
}

/* core.prompts([task]): from now on SIGINT ends this task, the prompt's statement, alone; nil:
 * there is no prompt any more                                                              */
static int prompts(lua_State *L) {
  struct sched *s = sched_of(L);
  if (lua_isnoneornil(L, 1)) {
    s->prompts = false;
    if (s->signal) interrupt_signal(s);
    return 0;
  }
  struct task *t = check_task(L, 1);
  s->prompts = true;
  s->statement = t->state <= TASK_ALIVE ? t : NULL;
  return 0;
}

/* core.step(...) -> ...: the end of an operation that did not wait, see task_step        [y] */
static int step(lua_State *L) {
  return task_step(L, sched_of(L), lua_gettop(L), 0);
}

/* net.running() -> the task that runs now                                                */
static int running(lua_State *L) {
  struct task *t = sched_of(L)->current;
  if (t)
    task_push(L, t);
  else
    lua_pushnil(L);
  return 1;
}

/* net.tasks() -> list of {id, status, spawned, where, waits_in, seconds}                 */
static int tasks(lua_State *L) {
  report_push_tasks(L, sched_of(L));
  return 1;
}

/* --- methods -------------------------------------------------------------------------- */

static int push_results(lua_State *L, struct task *t) {
  luaL_checkstack(L, t->results, "too many results to join");
  if (!lua_checkstack(t->L, t->results))
    return luaL_error(L, "join: %s", status_text(-ENOMEM));
  int first = lua_gettop(t->L) - t->results + 1;
  for (int i = 0; i < t->results; i++) lua_pushvalue(t->L, first + i);
  lua_xmove(t->L, L, t->results);
  return t->results;
}

/* Pushes the error that ended the task, or nil.                           [-0, +1, -] */
static void push_end(lua_State *L, struct task *t) {
  lua_pushnil(L);
  if (t->results == 0 || !lua_checkstack(t->L, 1)) return; /* it had not begun */
  lua_pop(L, 1);
  lua_pushvalue(t->L, -1);
  lua_xmove(t->L, L, 1);
}

/* Gives nil, err, "cancelled". The operation that was cut short has told how far it was.
 *                                                                       [-0, +3, v] [y] */
static int join_cancelled(lua_State *L, struct task *t) {
  static const char *const told[] = {"figures", "sent"};
  error_values(L, &(struct failure){"join", STATUS_CANCELLED, NULL, NULL});
  push_end(L, t);
  for (size_t i = 0; i < sizeof told / sizeof *told && error_is(L, -1); i++) {
    lua_pushstring(L, told[i]);
    lua_rawget(L, -2);
    lua_setfield(L, -4, told[i]);
  }
  lua_pop(L, 1);
  return task_fail(L, sched_of(L));
}

static int join_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct sched *s = sched_of(L);
  struct task *t = check_task(L, 1);
  if (t->state <= TASK_ALIVE) {
    if (t == s->current) return luaL_error(L, "join: a task cannot wait for its own end");
    struct task_wait w = {"join", NULL, -1, 0, NET_NEVER, 0, NULL};
    struct task_side *side = task_side(t);
    if (!side) return luaL_error(L, "join: %s", status_text(-ENOMEM));
    return task_wait_in(L, s, &side->joiners, &w, join_k);
  }
  task_told(L, t);
  switch (t->state) {
  case TASK_DONE: return push_results(L, t);
  case TASK_FAILED:
    push_results(L, t);
    if (s->current) report_joined(L, s->current, t);
    return lua_error(L);
  default: return join_cancelled(L, t);
  }
}

/* task:join() -> fn's results | nil, err, "cancelled"; raises fn's error             [y] */
static int join(lua_State *L) {
  struct task *t = check_task(L, 1);
  lua_settop(L, 1);
  if (t->state <= TASK_ALIVE) interrupt_check(L, sched_of(L), "join", NULL);
  return join_k(L, LUA_OK, 0);
}

/* task:cancel() -> was it alive                                                          */
static int cancel(lua_State *L) {
  lua_pushboolean(L, interrupt_task(check_task(L, 1)));
  return 1;
}

static const char *state_name(const struct task *t) {
  static const char *const names[] = {"ready", "waiting", "done", "failed", "cancelled"};
  if (t == t->sched->current) return "running";
  return names[t->state];
}

/* task:status() -> "ready" "running" "waiting" "done" "failed" "cancelled"               */
static int get_status(lua_State *L) {
  lua_pushstring(L, state_name(check_task(L, 1)));
  return 1;
}

static int to_string(lua_State *L) {
  struct task *t = check_task(L, 1);
  lua_pushfstring(L, "task %d (%s, spawned at %s)", (int)t->id, state_name(t), t->site);
  return 1;
}

/* Lua collects the youngest first. So the reaper tells what it finds: the task lives on until
 * then, and comes here again. */
static int collect(lua_State *L) {
  struct task *t = check_task(L, 1);
  bool untold = t->state == TASK_FAILED && !list_empty(&t->all);
  if (untold && t->sched->reaping) {
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, t); /* where there is no memory, all are told */
    sched_push(L, t->sched->class_ref);
    lua_setmetatable(L, 1);
    t->unheld = true;
    return 0;
  }
  if (untold) report_untold(t);
  task_fini(t);
  return 0;
}

static const luaL_Reg functions[] = {
    {"check",    check           },
    {"deadline", protect_deadline},
    {"now",      now             },
    {"prompts",  prompts         },
    {"running",  running         },
    {"sleep",    sleep_for       },
    {"spawn",    spawn           },
    {"step",     step            },
    {"tasks",    tasks           },
    {"yield",    yield           },
    {NULL,       NULL            },
};

static const luaL_Reg methods[] = {
    {"cancel", cancel    },
    {"join",   join      },
    {"status", get_status},
    {NULL,     NULL      },
};

static const luaL_Reg metamethods[] = {
    {"__gc",       collect  },
    {"__tostring", to_string},
    {NULL,         NULL     },
};

void task_class_open(lua_State *L) {
  luaL_newmetatable(L, "net.task");
  sched_functions(L, metamethods);
  lua_newtable(L);
  sched_functions(L, methods);
  names_strict(L, "a task");
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, false);
  lua_setfield(L, -2, "__metatable"); /* a script must not collect a task that lives */
  sched_get(L)->class_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void task_class_functions(lua_State *L) {
  sched_functions(L, functions);
}
