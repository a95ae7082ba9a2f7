/* pcall, xpcall and net.deadline. Each counts the depth of protected calls in its thread:
 * an interruption notes the depth that will catch it, and until then the task unwinds. */
#include "api/protect.h"

#include <lauxlib.h>

#include "api/args.h"
#include "api/error.h"
#include "api/task.h"
#include "base/status.h"

/* The end of a protected call; `extra` values lie below its results. */
static int protected_k(lua_State *L, int status, lua_KContext extra) {
  intptr_t depth = (*interrupt_depth(L))--;
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
  if (interrupt_caught(L, sched_of(L), depth)) return interrupt_again(L, sched_of(L));
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

/* pcall(fn, ...) -> true, results | false, error                                     [y] */
static int protected_call(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1); /* the first result */
  lua_insert(L, 1);
  ++*interrupt_depth(L);
  int status = lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, protected_k);
  return protected_k(L, status, 0);
}

/* xpcall(fn, handler, ...) -> true, results | false, the handler's results           [y] */
static int protected_call_with_handler(lua_State *L) {
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2); /* fn, handler, true, fn, arguments */
  ++*interrupt_depth(L);
  int status = lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, protected_k);
  return protected_k(L, status, 2);
}

/* --- net.deadline --------------------------------------------------------------------- */

/* Slot 1 is the scope; above it lie the results, or the error that was raised. A scope
 * that has fired gives its error also when fn caught it and went on. */
static int deadline_k(lua_State *L, int status, lua_KContext context) {
  (void)context;
  struct sched *s = sched_of(L);
  struct task *t = s->current;
  struct scope *scope = lua_touserdata(L, 1);
  intptr_t depth = (*interrupt_depth(L))--;
  /* Not so in a coroutine that was abandoned in a wait and resumed by somebody else: its
   * outer scopes have gone, and this one was not in force any more. */
  if (t->scope == scope) t->scope = scope->outer;
  if (status != LUA_OK && status != LUA_YIELD) {
    bool unwinds = task_unwinds(t, L) && t->side->unwind_depth == depth;
    if (unwinds) t->side->unwind_L = NULL;
    bool own = scope->fired && lua_topointer(L, -1) == scope->error;
    if (!own) return unwinds ? interrupt_again(L, s) : lua_error(L);
  } else if (!scope->fired) {
    return lua_gettop(L) - 1;
  } else {
    error_push(L, &(struct failure){"deadline", STATUS_TIMEOUT, NULL, NULL});
  }
  if (t->side) t->side->swallowed = 0;
  lua_pushnil(L);
  lua_insert(L, -2);
  lua_pushstring(L, status_name(STATUS_TIMEOUT));
  return task_fail(L, s);
}

int protect_deadline(lua_State *L) {
  struct sched *s = sched_of(L);
  int64_t deadline = args_deadline(L, 1, s);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (!s->current) return luaL_error(L, "deadline: only a task can wait");
  int nargs = lua_gettop(L) - 2;
  struct scope *scope = lua_newuserdatauv(L, sizeof *scope, 0);
  lua_replace(L, 1);
  *scope = (struct scope){s->current->scope, L, deadline, NET_NEVER, false, NULL};
  s->current->scope = scope;
  ++*interrupt_depth(L);
  return deadline_k(L, lua_pcallk(L, nargs, LUA_MULTRET, 0, 0, deadline_k), 0);
}

static const luaL_Reg functions[] = {
    {"pcall",  protected_call             },
    {"xpcall", protected_call_with_handler},
    {NULL,     NULL                       },
};

void protect_open(lua_State *L) {
  lua_pushglobaltable(L);
  sched_functions(L, functions);
  lua_pop(L, 1);
}
