/* Join sets. */
#include "api/join_set.h"

#include <errno.h>
#include <lauxlib.h>

#include "api/task.h"
#include "base/status.h"

static const char *const class = "net.join_set";

struct join_set {
  struct list alive, ended; /* of task.member; user value 1 keeps the tasks, and they keep
                               the set: their memory ends together, without a finalizer */
  struct list waiting;      /* of task.queued: who waits in next() */
  size_t count;             /* tasks that were added and not taken */
};

static struct join_set *check(lua_State *L) {
  return luaL_checkudata(L, 1, class);
}

/* core.join_set() -> set                                                                 */
static int make(lua_State *L) {
  struct join_set *set = lua_newuserdatauv(L, sizeof *set, 1);
  list_init(&set->alive);
  list_init(&set->ended);
  list_init(&set->waiting);
  set->count = 0;
  luaL_setmetatable(L, class);
  lua_newtable(L);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

void join_set_ended(struct task *t) {
  struct join_set *set = t->side ? t->side->set : NULL;
  if (!set) return;
  list_remove(&t->side->member);
  list_append(&set->ended, &t->side->member);
  struct list *node = list_shift(&set->waiting);
  if (node) loop_ready(&t->sched->loop, &list_entry(node, struct task, queued)->waiter);
}

/* set:spawn(fn, ...) -> task of the set                                                  */
static int spawn(lua_State *L) {
  struct join_set *set = check(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  struct task *t = task_spawn(L, sched_of(L), lua_gettop(L) - 2);
  lua_getiuservalue(L, 1, 1);
  lua_pushvalue(L, 2);
  lua_rawsetp(L, -2, t);
  lua_pop(L, 1);
  lua_pushvalue(L, 1);
  lua_xmove(L, t->L, 1);
  lua_replace(t->L, TASK_KEEPS);
  struct task_side *side = task_side(t);
  if (!side) return luaL_error(L, "spawn: %s", status_text(-ENOMEM));
  side->set = set;
  list_append(&set->alive, &side->member);
  set->count++;
  return 1;
}

/* Takes the task that ended first: pushes it and lets go of it. */
static int take(lua_State *L, struct join_set *set) {
  struct task_side *side = list_entry(list_shift(&set->ended), struct task_side, member);
  struct task *t = side->task;
  side->set = NULL;
  if (lua_checkstack(t->L, 1)) { /* else it keeps the set a little longer */
    lua_pushnil(t->L);
    lua_replace(t->L, TASK_KEEPS);
  }
  set->count--;
  lua_getiuservalue(L, 1, 1);
  lua_rawgetp(L, -1, side->task);
  lua_pushnil(L);
  lua_rawsetp(L, -3, side->task);
  return 1;
}

static int next_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct join_set *set = check(L);
  struct task_wait w = {lua_tostring(L, 2), NULL, -1, 0, NET_NEVER, 0, NULL};
  if (!list_empty(&set->ended)) return take(L, set);
  if (set->count > 0) return task_wait_in(L, sched_of(L), &set->waiting, &w, next_k);
  lua_pushnil(L);
  return 1;
}

/* set:next(op) -> the task that ended next | nil when the set is empty. `op` names the
 * wait in errors and reports; the text stays on this stack as long as the task waits. [y] */
static int next(lua_State *L) {
  check(L);
  luaL_checkstring(L, 2);
  lua_settop(L, 2);
  return next_k(L, LUA_OK, 0);
}

/* set:cancel(): every task of it                                                         */
static int cancel(lua_State *L) {
  struct join_set *set = check(L);
  for (struct list *i = set->alive.next; i != &set->alive; i = i->next)
    interrupt_task(list_entry(i, struct task_side, member)->task);
  return 0;
}

static const luaL_Reg functions[] = {
    {"join_set", make},
    {NULL,       NULL},
};

static const luaL_Reg methods[] = {
    {"cancel", cancel},
    {"next",   next  },
    {"spawn",  spawn },
    {NULL,     NULL  },
};

void join_set_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}

void join_set_open(lua_State *L) {
  luaL_newmetatable(L, class);
  lua_newtable(L);
  sched_functions(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
