/* Reports for people: which task, where, why, and what to do. */
#include "api/report.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/error.h"
#include "api/lookup.h"
#include "api/socket.h"
#include "api/task.h"

/* --- tracebacks --------------------------------------------------------------------- */

/* The level of the innermost script line, where a traceback begins: what lies above it is
 * the library's, or Lua's error and assert. 0 where there is none. */
static int script_level(lua_State *L) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline > 0 && strncmp(ar.short_src, "[soquete", 8) != 0) return level;
  }
  return 0;
}

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

/* Where the first line of a traceback, and each that stands for a level, ends. */
static const char *line_end(const char *line) {
  const char *end = strstr(line + 1, "\n\t");
  return end ? end : line + strlen(line);
}

/* Pushes a traceback without the levels of the library, and of C functions that it called. The
 * note of tail calls belongs to the level before it, that of a C function to the next one. */
static void push_script_lines(lua_State *L, const char *text) {
  luaL_Buffer b;
  const char *held = text, *next; /* from `held` on it is not known yet whose they are */
  bool ours = false;
  luaL_buffinit(L, &b);
  for (const char *line = text; *line; line = next) {
    next = line_end(line);
    bool tail = begins(line, "\n\t(...tail calls"), of_c = begins(line, "\n\t[C]");
    bool drop = begins(line, "\n\t[soquete") || (tail && ours);
    ours = drop && !tail;
    if (!drop && !tail && !of_c) luaL_addlstring(&b, held, (size_t)(next - held));
    if (drop || !(tail || of_c)) held = next;
  }
  luaL_addstring(&b, held);
  luaL_pushresult(&b);
}

enum { UP_ERROR = 2 }; /* of the message handler: Lua's error */

/* True for the text at index 1 where it was raised by error(text, 0): a word to the user, who
 * is not helped by lines of the script. */
static bool is_for_users(lua_State *L) {
  lua_Debug ar;
  size_t len;
  if (lua_type(L, 1) != LUA_TSTRING || !lua_getstack(L, 1, &ar)) return false;
  const char *text = lua_tolstring(L, 1, &len);
  for (const char *p = text; (p = strchr(p, ':')); p++) {
    size_t digits = strspn(p + 1, "0123456789");
    if (digits > 0 && p[1 + digits] == ':') return false;
  }
  lua_getinfo(L, "f", &ar);
  bool same = lua_rawequal(L, -1, lua_upvalueindex(UP_ERROR));
  lua_pop(L, 1);
  return same;
}

/* Pushes the traceback of the task that runs, without the C function that every task
 * begins with, and without what is the library's where something is the script's. */
static void push_traceback(lua_State *L) {
  static const char last[] = "\n\t[C]: in ?";
  enum { LAST = sizeof last - 1 };
  size_t len;
  int level = script_level(L);
  luaL_traceback(L, L, NULL, level ? level : 1);
  const char *text = lua_tolstring(L, -1, &len);
  if (len >= LAST && strcmp(text + len - LAST, last) == 0) {
    lua_pushlstring(L, text, len - LAST);
    lua_replace(L, -2);
  }
  if (!level) return;
  push_script_lines(L, lua_tostring(L, -1));
  lua_remove(L, -2);
}

/* Message handler: keeps the traceback with the running task and hands the error through
 * unchanged, because a join raises that very value. */
static int keep_traceback(lua_State *L) {
  struct task *t = sched_of(L)->current;
  if (!t || (t->cancelled && error_is(L, 1)) || is_for_users(L)) return 1;
  push_traceback(L);
  struct task_side *side = task_side(t);
  if (side && side->trace && side->cause == lua_topointer(L, 1)) {
    lua_pushfstring(L, "\n%s", side->trace);
    lua_concat(L, 2);
  }
  if (side) {
    free(side->trace);
    side->trace = strdup(lua_tostring(L, -1)); /* NULL: a report without it */
  }
  lua_settop(L, 1);
  return 1;
}

int report_traced(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  if (!script_level(L)) return 1;
  lua_pushliteral(L, "\n");
  push_traceback(L);
  lua_concat(L, 3);
  return 1;
}

void report_open(lua_State *L, struct sched *s) {
  lua_pushlightuserdata(L, s);
  lua_getglobal(L, "error");
  lua_pushcclosure(L, keep_traceback, UP_ERROR);
  s->handler_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void report_joined(lua_State *L, struct task *joiner, struct task *from) {
  char *text = NULL;
  struct task_side *side = task_side(joiner);
  const char *trace = from->side ? from->side->trace : NULL;
  if (!side || asprintf(&text, "in task %u, spawned at %s:\n%s", from->id, from->site,
                        trace ? trace : "") < 0)
    return;
  free(side->trace);
  side->trace = text;
  side->cause = lua_topointer(L, -1);
}

/* --- "cannot wait inside table.sort" -------------------------------------------------- */

/* Pushes "table.sort" for the function on top, replacing it; nil when no library has it. */
static void library_name(lua_State *L) {
  lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    if (!lua_istable(L, -1) || lua_type(L, -2) != LUA_TSTRING) continue;
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      if (lua_type(L, -2) != LUA_TSTRING || !lua_rawequal(L, -1, -6)) continue;
      const char *module = lua_tostring(L, -4), *name = lua_tostring(L, -2);
      if (strcmp(module, LUA_GNAME) == 0)
        lua_pushstring(L, name);
      else
        lua_pushfstring(L, "%s.%s", module, name);
      lua_replace(L, -7);
      lua_pop(L, 5);
      return;
    }
  }
  lua_pop(L, 2);
  lua_pushnil(L);
}

/* C functions of ours that a wait passes through. */
static bool lets_waits_through(const char *name) {
  static const char *const names[] = {"pcall", "xpcall", "coroutine.resume",
                                      "net.deadline", NULL};
  for (int i = 0; names[i]; i++)
    if (strcmp(name, names[i]) == 0) return true;
  return false;
}

/* Pushes "file:line" of the nearest Lua function from `level` on, or "". */
static void push_caller(lua_State *L, lua_State *in, int level) {
  lua_Debug ar;
  while (lua_getstack(in, level++, &ar)) {
    lua_getinfo(in, "Sl", &ar);
    if (ar.currentline <= 0) continue;
    lua_pushfstring(L, "%s:%d", ar.short_src, ar.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

/* Pushes the name of the nearest C function above level 0 that cannot yield, and where it
 * was called; false when L has none. */
static bool push_culprit(lua_State *L, lua_State *in, int level) {
  lua_Debug ar;
  for (; lua_getstack(in, level, &ar); level++) {
    lua_getinfo(in, "Snf", &ar);
    lua_xmove(in, L, 1);
    bool gc = ar.name && strcmp(ar.name, "__gc") == 0;
    if (*ar.what != 'C' && !gc) {
      lua_pop(L, 1);
      continue;
    }
    library_name(L);
    if (gc || (lua_isnil(L, -1) && ar.name)) {
      lua_pop(L, 1);
      lua_pushstring(L, gc ? "a __gc metamethod" : ar.name);
    }
    if (lua_isnil(L, -1) || lets_waits_through(lua_tostring(L, -1))) {
      lua_pop(L, 1);
      continue;
    }
    push_caller(L, in, level + 1);
    return true;
  }
  return false;
}

/* Pushes the message for what push_culprit has pushed: a name, and "file:line" or "". */
static void push_refusal(lua_State *L, const char *here, const char *op) {
  const char *where = lua_tostring(L, -1), *name = lua_tostring(L, -2);
  if (*where)
    lua_pushfstring(L, "%s: %s: cannot wait inside %s (%s)", here, op, name, where);
  else
    lua_pushfstring(L, "%s: %s: cannot wait inside %s", here, op, name);
}

int report_cannot_wait(lua_State *L, const struct sched *s, const char *op) {
  luaL_checkstack(L, 10, NULL);
  error_where(L);
  const char *here = lua_tostring(L, -1);
  if (!s->current)
    lua_pushfstring(L, "%s: %s: only a task can wait", here, op);
  else if (!push_culprit(L, L, 1) && !(s->blocked && push_culprit(L, s->blocked, 1)))
    lua_pushfstring(L, "%s: %s: cannot wait inside a C function", here, op);
  else
    push_refusal(L, here, op);
  return lua_error(L);
}

/* --- errors of tasks ------------------------------------------------------------------ */

/* Writes the text of the value on top, "\n", and its hint. Protected by the caller. */
static int write_value(lua_State *L) {
  size_t len;
  const char *text = luaL_tolstring(L, 1, &len);
  bool object = error_is(L, 1);
  if (object && lua_getfield(L, 1, "where") == LUA_TSTRING)
    fprintf(stderr, "soquete: %s: %.*s\n", lua_tostring(L, -1), (int)len, text);
  else
    fprintf(stderr, "soquete: %.*s\n", (int)len, text);
  if (object && lua_getfield(L, 1, "hint") == LUA_TSTRING)
    fprintf(stderr, "  hint: %s\n", lua_tostring(L, -1));
  return 0;
}

void report_value(lua_State *L, int idx) {
  idx = lua_absindex(L, idx);
  lua_pushcfunction(L, write_value);
  lua_pushvalue(L, idx);
  if (lua_pcall(L, 1, 0, 0) == LUA_OK) return;
  if (lua_type(L, idx) == LUA_TSTRING) /* without memory for the rest */
    fprintf(stderr, "soquete: %s\n", lua_tostring(L, idx));
  else
    fprintf(stderr, "soquete: an error whose text cannot be had (%s)\n",
            luaL_typename(L, idx));
  lua_pop(L, 1);
}

void report_failure(struct task *t) {
  lua_State *L = t->sched->main;
  fflush(stdout);
  luaL_checkstack(L, 4, NULL);
  lua_pushvalue(t->L, -1);
  lua_xmove(t->L, L, 1);
  report_value(L, -1);
  lua_pop(L, 1);
  if (t != t->sched->first)
    fprintf(stderr, "in task %u, spawned at %s\n", t->id, t->site);
  if (t->side && t->side->trace) fprintf(stderr, "%s\n", t->side->trace);
}

void report_untold(struct task *t) {
  lua_State *L = t->sched->main;
  bool unheld = t->unheld;
  t->unheld = false; /* what the error's __tostring joins stays until it is told */
  t->sched->status = 1;
  report_failure(t);
  if (!unheld) return;
  lua_pushnil(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, t);
}

/* Errors may be objects of the script, whose __tostring may do anything: so the list is not
 * walked while they are written. */
void report_unheld(struct sched *s) {
  struct list unheld, *next;
  list_init(&unheld);
  for (struct list *i = s->untold.next; i != &s->untold; i = next) {
    next = i->next;
    if (!list_entry(i, struct task, all)->unheld) continue;
    list_remove(i);
    list_append(&unheld, i);
  }
  while ((next = list_shift(&unheld))) report_untold(list_entry(next, struct task, all));
}

/* --- tasks that wait ------------------------------------------------------------------ */

/* The task whose end `t` waits for, or NULL: the first argument of the join that it is
 * parked in. */
static const struct task *joined_by(const struct task *t) {
  if (!t->parked || !t->op || strcmp(t->op, "join") != 0) return NULL;
  const void *argument = lua_touserdata(t->parked, 1);
  for (struct list *i = t->sched->tasks.next; i != &t->sched->tasks; i = i->next)
    if (list_entry(i, struct task, all) == argument) return argument;
  return NULL;
}

void report_push_wait(lua_State *L, const struct task *t) {
  char whom[SOCKET_TEXT] = "";
  const struct task *joined = joined_by(t);
  if (t->on) socket_whom(t->on, whom);
  if (joined) snprintf(whom, sizeof whom, "task %u", joined->id);
  lua_pushfstring(L, "%s%s%s", t->op ? t->op : "?", *whom ? " " : "", whom);
  if (!t->parked || !lookup_push_whom(L, t->parked)) return;
  lua_pushfstring(L, "%s %s", t->op, lua_tostring(L, -1));
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* The script line in which a task waits or runs. One that has not begun, or runs functions
 * of the library only, is found by the line that spawned it. */
static void push_line(lua_State *L, const struct task *t) {
  struct sched *s = t->sched;
  lua_State *in = t->parked ? t->parked : t == s->current ? s->running : NULL;
  char text[ERROR_PLACE];
  size_t n = in ? error_place(in, text) : 0;
  if (n)
    lua_pushlstring(L, text, n);
  else
    lua_pushstring(L, t->site);
}

static double age_of(const struct task *t) {
  return (double)(loop_now(&t->sched->loop) - t->since_ns) / 1e9;
}

/* One task of the report; [task] as light userdata. Protected by the caller. */
static int write_task(lua_State *L) {
  const struct task *t = lua_touserdata(L, 1);
  const char *who = t == t->sched->first ? "main script" : "spawned at ";
  const char *site = t == t->sched->first ? "" : t->site;
  push_line(L, t);
  fprintf(stderr, "  task %u (%s%s)", t->id, who, site);
  if (!t->parked) {
    fprintf(stderr, " %s\n", t == t->sched->current ? "runs" : "is ready");
    return 0;
  }
  report_push_wait(L, t);
  fprintf(stderr, " waits at %s in %s since %.3f s\n", lua_tostring(L, -2),
          lua_tostring(L, -1), age_of(t));
  return 0;
}

void report_tasks(struct sched *s, const char *headline) {
  lua_State *L = s->main;
  fflush(stdout);
  fprintf(stderr, "soquete: %s\n", headline);
  for (struct list *i = s->tasks.next; i != &s->tasks; i = i->next) {
    lua_pushcfunction(L, write_task);
    lua_pushlightuserdata(L, list_entry(i, struct task, all));
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) lua_pop(L, 1); /* no memory: one line less */
  }
}

/* Names the running task, once, and where it computes. */
static void name_computing(struct sched *s) {
  struct task *t = s->current;
  if (!t || t->named) return;
  t->named = true;
  error_where(s->running);
  fprintf(stderr,
          "soquete: task %u, spawned at %s, computes at %s for more than 100 ms without"
          " waiting: the others stand still; net.yield() lets them run\n",
          t->id, t->site, lua_tostring(s->running, -1));
  lua_pop(s->running, 1);
}

void report_asked(struct sched *s) {
  if (s->asked) {
    s->asked = 0;
    report_tasks(s, "tasks");
  }
  if (s->computes) {
    s->computes = 0;
    name_computing(s);
  }
}

static void set_text(lua_State *L, const char *field, const char *text) {
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

static void push_task(lua_State *L, const struct task *t) {
  lua_createtable(L, 0, 6);
  lua_pushinteger(L, t->id);
  lua_setfield(L, -2, "id");
  set_text(L, "spawned", t->site);
  set_text(L, "status",
           t->parked                ? "waiting"
           : t == t->sched->current ? "running"
                                    : "ready");
  push_line(L, t);
  lua_setfield(L, -2, "where");
  if (!t->parked) return;
  report_push_wait(L, t);
  lua_setfield(L, -2, "waits_in");
  lua_pushnumber(L, age_of(t));
  lua_setfield(L, -2, "seconds");
}

void report_push_tasks(lua_State *L, struct sched *s) {
  lua_Integer n = 0;
  lua_createtable(L, (int)s->alive, 0);
  for (struct list *i = s->tasks.next; i != &s->tasks; i = i->next) {
    push_task(L, list_entry(i, struct task, all));
    lua_rawseti(L, -2, ++n);
  }
}
