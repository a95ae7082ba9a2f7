/* net.on_signal. The handler only counts and wakes the loop; the task is started in the
 * loop's next turn. */
#include "api/on_signal.h"

#include <lauxlib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "api/task.h"

static const struct {
  const char *name;
  int number;
} signals[] = {
    {"SIGALRM",  SIGALRM },
    {"SIGCHLD",  SIGCHLD },
    {"SIGCONT",  SIGCONT },
    {"SIGHUP",   SIGHUP  },
    {"SIGINT",   SIGINT  },
    {"SIGPIPE",  SIGPIPE },
    {"SIGQUIT",  SIGQUIT },
    {"SIGTERM",  SIGTERM },
    {"SIGUSR1",  SIGUSR1 },
    {"SIGUSR2",  SIGUSR2 },
    {"SIGWINCH", SIGWINCH},
};

enum { COUNT = sizeof signals / sizeof *signals };

static char functions_key; /* registry key: signal name -> function */

static struct sched *owner; /* whom the handler wakes */
static volatile sig_atomic_t pending[COUNT];
static struct sigaction before[COUNT]; /* what the signal did before on_signal */
static bool taken[COUNT];

static void handle(int number) {
  for (int i = 0; i < COUNT; i++)
    if (signals[i].number == number) pending[i] = 1;
  owner->signals_came = 1;
  net_wake(owner->loop.net);
}

static int check_signal(lua_State *L, int idx) {
  const char *name = luaL_checkstring(L, idx);
  for (int i = 0; i < COUNT; i++)
    if (strcmp(signals[i].name, name) == 0) return i;
  return luaL_argerror(
      L, idx,
      lua_pushfstring(L, "'%s' is no signal that can be taken, like \"SIGHUP\"", name));
}

static void take(struct sched *s, int i) {
  struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
  owner = s;
  if (taken[i]) return;
  taken[i] = true;
  s->loop.outside++;
  sigaction(signals[i].number, &action, &before[i]);
}

static void give_back(struct sched *s, int i) {
  if (!taken[i]) return;
  sigaction(signals[i].number, &before[i], NULL);
  taken[i] = false;
  pending[i] = 0;
  s->loop.outside--;
}

/* net.on_signal(name, fn): fn(name) runs as a task whenever the signal comes; nil gives
 * the signal its former meaning back. For SIGINT and SIGTERM that is: cancel every task. */
static int on_signal(lua_State *L) {
  struct sched *s = sched_of(L);
  int i = check_signal(L, 1);
  luaL_argexpected(L, lua_isfunction(L, 2) || lua_isnil(L, 2), 2, "function or nil");
  lua_settop(L, 2);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key);
  lua_insert(L, 1);
  lua_rawset(L, 1); /* before the signal can come */
  lua_pushstring(L, signals[i].name);
  if (lua_rawget(L, 1) == LUA_TNIL)
    give_back(s, i);
  else
    take(s, i);
  return 0;
}

static int dispatch(lua_State *L) {
  struct sched *s = lua_touserdata(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &functions_key);
  for (int i = 0; i < COUNT; i++) {
    if (!pending[i]) continue;
    pending[i] = 0;
    lua_pushstring(L, signals[i].name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 2) == LUA_TFUNCTION) {
      lua_insert(L, -2);
      task_spawn(L, s, 1);
    }
    lua_settop(L, 2);
  }
  return 0;
}

void on_signal_dispatch(struct sched *s) {
  if (!s->signals_came || owner != s) return;
  s->signals_came = 0;
  lua_pushcfunction(s->main, dispatch);
  lua_pushlightuserdata(s->main, s);
  if (lua_pcall(s->main, 1, 0, 0) == LUA_OK) return;
  fputs("soquete: a signal is lost: not enough memory for its task\n", stderr);
  lua_pop(s->main, 1);
}

void on_signal_close(struct sched *s) {
  if (owner != s) return;
  for (int i = 0; i < COUNT; i++) give_back(s, i);
  owner = NULL;
}

static const luaL_Reg functions[] = {
    {"on_signal", on_signal},
    {NULL,        NULL     },
};

void on_signal_functions(lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &functions_key);
  sched_functions(L, functions);
}
