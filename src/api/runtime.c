/* A runtime and its run. */
#include "api/runtime.h"

#include <errno.h>
#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/core.h"
#include "api/error.h"
#include "api/loader.h"
#include "api/on_signal.h"
#include "api/report.h"
#include "api/socket.h"
#include "base/status.h"

enum { SLACK_KIB = 512 }; /* garbage that a small heap may hold */
/* The collector's pause, in percent of what lives. Lua keeps a fourth of it in a byte. */
enum { PAUSE_LEAST = 200, PAUSE_MOST = 1000, PAUSE_STEP = 4, SCRIPTS_PAUSE = -1 };

/* What has been printed shows before the process sleeps: a prompt, for instance. */
static void flush_output(void *arg) {
  (void)arg;
  fflush(stdout);
}

/* lauxlib makes the class of its large buffers together with the first of them. Where that
 * finds no memory, half a class stays and breaks every large buffer to come. */
static void make_buffer_class(lua_State *L) {
  luaL_Buffer b;
  luaL_buffinitsize(L, &b, LUAL_BUFFERSIZE + 1);
  luaL_pushresultsize(&b, 0);
  lua_pop(L, 1);
}

/* Runs under a protected call: opens everything that can raise. */
static int open_all(lua_State *L) {
  const char *script_dir = lua_touserdata(L, 1);
  sched_open(L, lua_touserdata(L, 2));
  luaL_openlibs(L);
  make_buffer_class(L);
  loader_open(L, script_dir);
  core_open(L);
  loader_boot(L, "net.boot");
  return 0;
}

/* Failures that nobody has joined and nobody can join any more. */
static void tell_untold(struct sched *s) {
  struct list *node;
  while ((node = list_shift(&s->untold)))
    report_untold(list_entry(node, struct task, all));
}

/* A finalizer has failed, and Lua says so by a warning (manual, 2.5.3): ours fail when there
 * is no memory for their call, and a later collection frees what they would have unlinked.
 * Now all is still there, but not which object it is; so all leave the lists that only
 * finalizers watch. */
static void finalizer_failed(struct runtime *rt) {
  bool collects = lua_gc(rt->L, LUA_GCISRUNNING);
  lua_gc(rt->L, LUA_GCSTOP);
  rt->lost = true;
  tell_untold(&rt->sched);
  socket_settle(&rt->sched);
  if (collects) lua_gc(rt->L, LUA_GCRESTART);
}

/* lua_WarnFunction: as lauxlib's own, off at the start. */
static void warn(void *arg, const char *text, int to_be_continued) {
  struct runtime *rt = arg;
  bool begins = !rt->continues;
  rt->continues = to_be_continued;
  if (begins && rt->L && strcmp(text, "error in ") == 0) finalizer_failed(rt);
  if (begins && !to_be_continued && *text == '@') {
    if (strcmp(text, "@on") == 0) rt->warns = true;
    if (strcmp(text, "@off") == 0) rt->warns = false;
    return;
  }
  if (!rt->warns) return;
  fprintf(stderr, "%s%s%s", begins ? "Lua warning: " : "", text,
          to_be_continued ? "" : "\n");
}

static int panic(lua_State *L) {
  const char *text = lua_tostring(L, -1);
  fprintf(stderr, "PANIC: unprotected error in call to Lua API (%s)\n",
          text ? text : "error object is not a string");
  return 0; /* Lua aborts */
}

static lua_State *new_state(struct runtime *rt) {
  lua_State *L = rt ? lua_newstate(alloc_lua, &rt->alloc) : NULL;
  if (!L) return NULL;
  lua_atpanic(L, panic);
  lua_setwarnf(L, warn, rt);
  return L;
}

struct runtime *runtime_new(struct net *net, const char *script_dir) {
  struct runtime *rt = calloc(1, sizeof *rt);
  lua_State *L = new_state(rt);
  if (!rt || !L || sched_init(&rt->sched, L, net) < 0) {
    fprintf(stderr, "soquete: not enough memory\n");
    goto free_all;
  }
  *(intptr_t *)lua_getextraspace(L) = 0;
  rt->L = L;
  rt->pause = PAUSE_LEAST; /* Lua's own */
  rt->lives_kib = INT_MAX / 2;
  rt->net = net;
  rt->sched.loop.before_sleep = flush_output;
  lua_pushcfunction(L, open_all);
  lua_pushlightuserdata(L, (void *)script_dir);
  lua_pushlightuserdata(L, &rt->sched);
  if (lua_pcall(L, 2, 0, 0) == LUA_OK) return rt;
  report_value(L, -1);

free_all:
  if (L) lua_close(L);
  if (rt && L) sched_fini(&rt->sched);
  if (rt) alloc_fini(&rt->alloc);
  free(rt);
  net_free(net);
  return NULL;
}

/* Every task waits and nothing can wake any of them. False when that was told before. */
static bool deadlock(struct sched *s) {
  if (s->stopping) return false;
  report_tasks(s, "deadlock: every task waits, and nothing can wake any of them");
  s->status = 1;
  interrupt_statement(s);
  return true;
}

/* Lua collects garbage when the heap has doubled, and each time visits all that lives: some
 * 70 KiB of a script, which eight received pieces of 8 KiB double. So a small heap may grow
 * further. What lives is what the heap was at its smallest, not too long ago. A pause that
 * the script has set stays. */
static void set_pause(struct runtime *rt) {
  int kib = lua_gc(rt->L, LUA_GCCOUNT) + 1,
      longer = rt->lives_kib + rt->lives_kib / 8 + 1;
  rt->lives_kib = kib < longer ? kib : longer;
  int pause = 100 + 100 * SLACK_KIB / rt->lives_kib;
  pause = pause < PAUSE_LEAST ? PAUSE_LEAST : pause > PAUSE_MOST ? PAUSE_MOST : pause;
  pause -= pause % PAUSE_STEP;
  if (pause == rt->pause || rt->pause == SCRIPTS_PAUSE) return;
  int before = lua_gc(rt->L, LUA_GCSETPAUSE, pause);
  if (before != rt->pause) lua_gc(rt->L, LUA_GCSETPAUSE, before);
  rt->pause = before == rt->pause ? pause : SCRIPTS_PAUSE;
}

static void turns(struct runtime *rt) {
  struct sched *s = &rt->sched;
  while (s->alive > 0) {
    int r = loop_turn(&s->loop);
    set_pause(rt);
    if (s->signal && !s->stopping) interrupt_signal(s);
    on_signal_dispatch(s);
    report_asked(s);
    if (r == -EDEADLK && !deadlock(s)) break;
    if (r < 0 && r != -EDEADLK) {
      fprintf(stderr, "soquete: the loop cannot wait: %s\n", status_text(r));
      s->status = 1;
      break;
    }
  }
}

/* [scheduler, function, arguments …]: the first task. */
static int spawn_first(lua_State *L) {
  struct sched *s = lua_touserdata(L, 1);
  s->first = task_spawn(L, s, lua_gettop(L) - 2);
  return 0;
}

int runtime_run(struct runtime *rt, int nargs) {
  struct sched *s = &rt->sched;
  lua_pushcfunction(rt->L, spawn_first);
  lua_insert(rt->L, -(nargs + 2));
  lua_pushlightuserdata(rt->L, s);
  lua_insert(rt->L, -(nargs + 2));
  if (lua_pcall(rt->L, nargs + 2, 0, 0) != LUA_OK) {
    report_value(rt->L, -1);
    return 1;
  }
  turns(rt);
  if (!core_ended(rt->L)) rt->lost = true;
  tell_untold(s);
  loop_cancel(&s->loop, &s->reaper);
  fflush(stdout);
  return s->signal ? 128 + s->signal : s->status;
}

/* Makes the running script look at what a signal has left, at its next instruction. */
static void set_hook(struct sched *s) {
  lua_State *running = s->running;
  if (running)
    lua_sethook(running, interrupt_hook,
                LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void runtime_interrupt(struct runtime *rt, int signal) {
  rt->sched.signal = signal;
  set_hook(&rt->sched);
  net_wake(rt->net);
}

void runtime_report(struct runtime *rt) {
  rt->sched.asked = 1;
  set_hook(&rt->sched);
  net_wake(rt->net);
}

void runtime_tick(struct runtime *rt) {
  struct sched *s = &rt->sched;
  bool same = s->running && s->resumes == s->resumes_seen;
  s->resumes_seen = s->resumes;
  if (!same) return;
  s->computes = 1;
  set_hook(s);
}

/* Raises nothing: it is asked in the midst of operations. */
void runtime_place(void *arg, char out[TRACE_PLACE]) {
  struct sched *s = &((struct runtime *)arg)->sched;
  char text[ERROR_PLACE];
  if (s->running && s->current) {
    size_t n = error_place(s->running, text);
    snprintf(out, TRACE_PLACE, "task %u  %.*s", s->current->id, n ? (int)n : INT_MAX,
             n ? text : s->current->site);
  } else {
    snprintf(out, TRACE_PLACE, "-");
  }
}

struct leftovers runtime_leftovers(struct runtime *rt) {
  lua_gc(rt->L, LUA_GCCOLLECT); /* sockets that nobody closed */
  return (struct leftovers){rt->sched.alive, rt->sched.loop.timers.count, rt->net->open};
}

void runtime_drain(struct net *net) {
  net_drain(net, net_now(net) + DRAIN_SECONDS * INT64_C(1000000000));
}

void runtime_free(struct runtime *rt) {
  if (!rt) return;
  on_signal_close(&rt->sched);
  lua_close(rt->L);
  runtime_drain(rt->net);
  sched_fini(&rt->sched);
  net_free(rt->net);
  alloc_fini(&rt->alloc);
  free(rt);
}
