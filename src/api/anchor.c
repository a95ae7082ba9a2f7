/* What keeps living tasks from being collected. They lie in tables of ANCHORS each: one large
 * table would grow by doubling, and need more memory for each of them. A free place holds the
 * number of the next free one. */
#include "api/anchor.h"

enum { ANCHORS = 256 };

static void push_anchors(lua_State *L, const struct sched *s, int place) {
  sched_push(L, s->tasks_ref);
  lua_rawgeti(L, -1, 1 + place / ANCHORS);
  lua_remove(L, -2);
}

/* Adds a table of free places.                                            [-0, +0, m] */
static void add_anchors(lua_State *L, struct sched *s) {
  sched_push(L, s->tasks_ref);
  int first = (int)lua_rawlen(L, -1) * ANCHORS;
  lua_createtable(L, ANCHORS, 0);
  for (int i = 1; i <= ANCHORS; i++) {
    lua_pushinteger(L, i < ANCHORS ? first + i : ANCHOR_NONE);
    lua_rawseti(L, -2, i);
  }
  lua_rawseti(L, -2, 1 + first / ANCHORS);
  lua_pop(L, 1);
  s->free_anchor = first;
}

void anchor_add(lua_State *L, struct sched *s, struct task *t) {
  if (s->free_anchor == ANCHOR_NONE) add_anchors(L, s);
  t->anchor = s->free_anchor;
  push_anchors(L, s, t->anchor);
  lua_rawgeti(L, -1, 1 + t->anchor % ANCHORS);
  s->free_anchor = (int)lua_tointeger(L, -1);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -3, 1 + t->anchor % ANCHORS);
  lua_pop(L, 2);
}

void anchor_drop(struct sched *s, int place) {
  push_anchors(s->main, s, place);
  lua_pushinteger(s->main, s->free_anchor);
  lua_rawseti(s->main, -2, 1 + place % ANCHORS);
  lua_pop(s->main, 1);
  s->free_anchor = place;
}

void task_push(lua_State *L, const struct task *t) {
  push_anchors(L, t->sched, t->anchor);
  lua_rawgeti(L, -1, 1 + t->anchor % ANCHORS);
  lua_remove(L, -2);
}
