/* Conditions. */
#include "api/condition.h"

#include <lauxlib.h>

#include "api/task.h"

static const char *const class = "net.condition";

struct condition {
  struct list queue; /* of task.queued; a waiting task keeps the condition on its stack */
};

static struct condition *check(lua_State *L) {
  return luaL_checkudata(L, 1, class);
}

/* core.condition() -> condition                                                          */
static int make(lua_State *L) {
  struct condition *c = lua_newuserdatauv(L, sizeof *c, 0);
  list_init(&c->queue);
  luaL_setmetatable(L, class);
  return 1;
}

static int wait_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  if (lua_toboolean(L, 3)) interrupt_check(L, sched_of(L), lua_tostring(L, 2), NULL);
  return 0;
}

/* condition:wait(op [, yields]): until somebody wakes it; `op` names the wait in reports.
 * An interruption that meets the wake raises in the next wait; with `yields` it raises in
 * this one, so that what there is can be left to another task.                        [y] */
static int wait(lua_State *L) {
  struct condition *c = check(L);
  /* the text stays on this stack as long as the task waits */
  struct task_wait w = {luaL_checkstring(L, 2), NULL, -1, 0, NET_NEVER, 0, NULL};
  return task_wait_in(L, sched_of(L), &c->queue, &w, wait_k);
}

/* condition:wake() -> was somebody waiting: the first one goes on                        */
static int wake(lua_State *L) {
  struct list *node = list_shift(&check(L)->queue);
  if (node)
    loop_ready(&sched_of(L)->loop, &list_entry(node, struct task, queued)->waiter);
  lua_pushboolean(L, node != NULL);
  return 1;
}

static const luaL_Reg functions[] = {
    {"condition", make},
    {NULL,        NULL},
};

static const luaL_Reg methods[] = {
    {"wait", wait},
    {"wake", wake},
    {NULL,   NULL},
};

void condition_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}

void condition_open(lua_State *L) {
  luaL_newmetatable(L, class);
  lua_newtable(L);
  sched_functions(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
