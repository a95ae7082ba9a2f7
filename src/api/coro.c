/* A wait yields a sentinel. The functions here hand it outward, coroutine by coroutine, to
 * the scheduler; when the wait is over they resume inward again. A weak table remembers
 * which coroutine is parked in which wait. Upvalues of all functions: the
 * scheduler, that table, and Lua's own coroutine.close; of a wrap: also the coroutine. */
#include "api/coro.h"

#include <lauxlib.h>

#include "api/report.h"
#include "api/task.h"

enum { UP_SCHED = 1, UP_WAITING, UP_CLOSE, UP_COROUTINE };

static lua_State *check_thread(lua_State *L, int idx) {
  lua_State *co = lua_tothread(L, idx);
  luaL_argexpected(L, co, idx, "thread");
  return co;
}

/* Marks that the coroutine at `idx` is parked in the running task's wait, or no longer. The
 * first mark takes memory; the others must not, for then the task waits already. */
static void mark_waiting(lua_State *L, int idx, bool waits) {
  lua_pushvalue(L, idx);
  if (waits)
    lua_pushinteger(L, (lua_Integer)task_wait_number(sched_of(L)->current));
  else
    lua_pushboolean(L, false);
  lua_rawset(L, lua_upvalueindex(UP_WAITING));
}

/* The mark of the coroutine at `idx`: which wait it was parked in; 0: none. */
static uint64_t mark_of(lua_State *L, int idx) {
  lua_pushvalue(L, idx);
  lua_rawget(L, lua_upvalueindex(UP_WAITING));
  uint64_t number = (uint64_t)lua_tointeger(L, -1);
  lua_pop(L, 1);
  return number;
}

/* The task that is parked in the coroutine at `idx`, or NULL. A mark may outlive its wait:
 * when an outer coroutine was closed, the task went on without the inner ones. */
static struct task *waiting_task(lua_State *L, int idx) {
  struct sched *s = sched_of(L);
  uint64_t number = mark_of(L, idx);
  if (!number) return NULL;
  for (struct list *i = s->tasks.next; i != &s->tasks; i = i->next) {
    struct task *t = list_entry(i, struct task, all);
    if (t->parked && task_wait_number(t) == number) return t;
  }
  return NULL;
}

/* Moves `n` values between threads; false when there is no room for them. */
static bool move(lua_State *from, lua_State *to, int n) {
  if (!lua_checkstack(to, n + 1)) return false;
  lua_xmove(from, to, n);
  return true;
}

static int step(lua_State *L, lua_State *co, int slot, int nargs, lua_KFunction k);

/* --- resume ------------------------------------------------------------------------- */

/* Slots of a resume in progress: 1 the coroutine, 2 the scope at its begin. */
enum { SLOT_CO = 1, SLOT_SCOPE };

/* Scopes that were begun inside the coroutine are not in force outside it. */
static void restore_scope(lua_State *L) {
  struct task *t = sched_of(L)->current;
  if (t) t->scope = lua_touserdata(L, SLOT_SCOPE);
}

/* Ends one run of `co`: restores the scope, and gives the status and how many values it
 * left on L. On an error the value is on top. */
static int ended(lua_State *L, lua_State *co, int status, int results) {
  restore_scope(L);
  if (status == LUA_OK || status == LUA_YIELD) {
    if (move(co, L, results)) return results;
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, 1);
  return -1;
}

static int resume_done(lua_State *L, lua_State *co, int results) {
  if (results >= 0) {
    lua_pushboolean(L, 1);
    lua_insert(L, -(results + 1));
    return results + 1;
  }
  struct sched *s = sched_of(L);
  if (s->current && task_unwinds(s->current, co)) {
    intptr_t depth = s->current->side->unwind_depth;
    if (interrupt_caught(co, s, depth)) return interrupt_again(L, s);
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int resume_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  lua_State *co = lua_tothread(L, SLOT_CO);
  if (!mark_of(L, SLOT_CO)) {
    restore_scope(L);
    lua_pushliteral(L, "the coroutine was closed while it waited");
    return resume_done(L, co, -1);
  }
  mark_waiting(L, SLOT_CO, false);
  return step(L, co, SLOT_CO, 0, resume_k);
}

/* --- wrap --------------------------------------------------------------------------- */

static int wrap_done(lua_State *L, lua_State *co, int results) {
  if (results >= 0) return results;
  struct sched *s = sched_of(L);
  if (lua_status(co) != LUA_OK && lua_status(co) != LUA_YIELD) {
    lua_State *blocked = s->blocked;
    s->blocked = L; /* its <close> variables run now, and cannot wait here */
    if (lua_resetthread(co) != LUA_OK) {
      lua_xmove(co, L, 1);
      lua_remove(L, -2);
    }
    s->blocked = blocked;
  }
  if (s->current && task_unwinds(s->current, co)) return interrupt_again(L, s);
  if (lua_type(L, -1) == LUA_TSTRING) { /* as Lua does: say where it was called */
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int wrap_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  lua_State *co = lua_tothread(L, SLOT_CO);
  if (!mark_of(L, SLOT_CO)) {
    restore_scope(L);
    return luaL_error(L, "the coroutine was closed while it waited");
  }
  mark_waiting(L, SLOT_CO, false);
  return step(L, co, SLOT_CO, 0, wrap_k);
}

/* Runs `co` with `nargs` values that lie on it already. */
static int step(lua_State *L, lua_State *co, int slot, int nargs, lua_KFunction k) {
  struct sched *s = sched_of(L);
  int results;
  mark_waiting(L, slot, false);
  int status = task_resume(L, s, co, nargs, &results);
  if (status == TASK_WAITS) {
    mark_waiting(L, slot, true);
    return task_pass(L, 0, k);
  }
  int n = ended(L, co, status, results);
  return k == wrap_k ? wrap_done(L, co, n) : resume_done(L, co, n);
}

/* The scheduler alone resumes a task's own thread, which coroutine.running has given away. */
static bool is_task(lua_State *co) {
  return *interrupt_depth(co) >= TASK_DEPTH;
}

/* Why `co` cannot be resumed, in Lua's words, or NULL. Lua says so by a string that it makes
 * in `co` itself, and would end the process when there is no memory for it. */
static const char *refusal_of(lua_State *co) {
  lua_Debug ar;
  int status = lua_status(co);
  if (is_task(co)) return "cannot resume non-suspended coroutine";
  if (status == LUA_YIELD) return NULL;
  if (status == LUA_OK && lua_getstack(co, 0, &ar))
    return "cannot resume non-suspended coroutine";
  return status == LUA_OK && lua_gettop(co) > 0 ? NULL : "cannot resume dead coroutine";
}

/* Begins a run: [co, arguments ...] -> [co, scope], the arguments on co. Gives how many,
 * or -1 with a message on top. */
static int begin(lua_State *L, lua_State *co) {
  struct sched *s = sched_of(L);
  int nargs = lua_gettop(L) - 1;
  struct task *t = waiting_task(L, SLOT_CO);
  if (t) {
    lua_settop(L, 1);
    report_push_wait(L, t);
    lua_pushfstring(L, "coroutine is waiting: %s", lua_tostring(L, -1));
    return -1;
  }
  const char *refusal = refusal_of(co);
  if (!refusal && !move(L, co, nargs)) refusal = "too many arguments to resume";
  if (refusal) {
    lua_settop(L, 1);
    lua_pushstring(L, refusal);
    return -1;
  }
  lua_pushlightuserdata(L, s->current ? s->current->scope : NULL);
  return nargs;
}

/* coroutine.resume(co, ...) -> true, values | false, error                          [y] */
static int resume(lua_State *L) {
  lua_State *co = check_thread(L, 1);
  int nargs = begin(L, co);
  if (nargs >= 0) return step(L, co, SLOT_CO, nargs, resume_k);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int call_wrapped(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(UP_COROUTINE));
  lua_insert(L, 1);
  lua_State *co = lua_tothread(L, 1);
  int nargs = begin(L, co);
  if (nargs >= 0) return step(L, co, SLOT_CO, nargs, wrap_k);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

/* coroutine.wrap(fn) -> function                                                        */
static int wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  for (int i = UP_SCHED; i <= UP_CLOSE; i++) lua_pushvalue(L, lua_upvalueindex(i));
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, UP_COROUTINE);
  return 1;
}

/* --- the others ----------------------------------------------------------------------- */

/* coroutine.close(co) -> true | false, error. A wait inside it is cancelled first.      */
static int close_coroutine(lua_State *L) {
  lua_State *co = check_thread(L, 1);
  if (is_task(co) && lua_status(co) == LUA_YIELD)
    return luaL_error(L, "cannot close a task; cancel it");
  lua_settop(L, 1);
  struct sched *s = sched_of(L);
  struct task *t = waiting_task(L, 1);
  if (t && t != s->current) {
    mark_waiting(L, 1, false);
    task_unpark(t);
  }
  lua_pushvalue(L, lua_upvalueindex(UP_CLOSE));
  lua_insert(L, 1);
  lua_State *blocked = s->blocked;
  s->blocked = L;
  int status = lua_pcall(L, 1, LUA_MULTRET, 0);
  s->blocked = blocked;
  if (status == LUA_OK) return lua_gettop(L);
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  return lua_error(L);
}

/* True when `co` is the running task's own thread, in which scripts cannot yield. */
static bool is_task_thread(lua_State *L, lua_State *co) {
  struct task *t = sched_of(L)->current;
  return t && t->L == co;
}

/* coroutine.yield(...) -> what the next resume passes                                   */
static int yield(lua_State *L) {
  struct sched *s = sched_of(L);
  if (is_task_thread(L, L))
    return luaL_error(L, "attempt to yield from outside a coroutine");
  if (s->current && s->current->scope && s->current->scope->L == L)
    return luaL_error(L, "attempt to yield out of net.deadline");
  return task_yield_values(L, lua_gettop(L));
}

/* coroutine.isyieldable() -> boolean                                                    */
static int is_yieldable(lua_State *L) {
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  lua_pushboolean(L, lua_isyieldable(co) && !is_task_thread(L, co));
  return 1;
}

/* coroutine.running() -> thread, is it the main one: a task's own thread is             */
static int running(lua_State *L) {
  int main = lua_pushthread(L);
  lua_pushboolean(L, main || is_task_thread(L, L));
  return 2;
}

static const luaL_Reg functions[] = {
    {"close",       close_coroutine},
    {"isyieldable", is_yieldable   },
    {"resume",      resume         },
    {"running",     running        },
    {"wrap",        wrap           },
    {"yield",       yield          },
    {NULL,          NULL           },
};

void coro_open(lua_State *L) {
  lua_getglobal(L, "coroutine");
  lua_pushlightuserdata(L, sched_get(L));
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "k");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_getfield(L, -3, "close");
  luaL_setfuncs(L, functions, UP_CLOSE);
  lua_pop(L, 1);
}
