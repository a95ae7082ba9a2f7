/* Anchors. Living tasks lie in tables of ANCHORS each: one large table would grow by
 * doubling, and need more memory for each of them. A free place holds the number of the next
 * free one. */
#include "api/anchor.h"

#include "api/task.h"

enum { ANCHORS = 256 };

/* Pushes the table that the place is in.                                   [-0, +1, -] */
static void push_table(lua_State *L, const struct sched *s, int place) {
  sched_push(L, s->tasks_ref);
  lua_rawgeti(L, -1, 1 + place / ANCHORS);
  lua_remove(L, -2);
}

/* Adds a table of free places.                                            [-0, +0, m] */
static void add_table(lua_State *L, struct sched *s) {
  sched_push(L, s->tasks_ref);
  int first = (int)lua_rawlen(L, -1) * ANCHORS;
  lua_createtable(L, ANCHORS, 0);
  for (int i = 1; i <= ANCHORS; i++) {
    lua_pushinteger(L, i < ANCHORS ? first + i : NO_ANCHOR);
    lua_rawseti(L, -2, i);
  }
  lua_rawseti(L, -2, 1 + first / ANCHORS);
  lua_pop(L, 1);
  s->free_anchor = first;
}

int anchor_keep(lua_State *L, struct sched *s) {
  if (s->free_anchor == NO_ANCHOR) add_table(L, s);
  int place = s->free_anchor;
  push_table(L, s, place);
  lua_rawgeti(L, -1, 1 + place % ANCHORS);
  s->free_anchor = (int)lua_tointeger(L, -1);
  lua_pushvalue(L, -3);
  lua_rawseti(L, -3, 1 + place % ANCHORS);
  lua_pop(L, 2);
  return place;
}

void anchor_push(lua_State *L, const struct sched *s, int place) {
  push_table(L, s, place);
  lua_rawgeti(L, -1, 1 + place % ANCHORS);
  lua_remove(L, -2);
}

void anchor_let_go(struct sched *s, int place) {
  push_table(s->main, s, place);
  lua_pushinteger(s->main, s->free_anchor);
  lua_rawseti(s->main, -2, 1 + place % ANCHORS);
  lua_pop(s->main, 1);
  s->free_anchor = place;
}
