/* net.poll. Readiness is asked first, of the buffers and then of the net, which arms the
 * wakes of those that are not ready (net_ops.ready); the task then parks without a handle,
 * and a waiter of each socket readies it. */
#include "api/poll.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#include "api/args.h"
#include "api/socket.h"
#include "base/status.h"

/* Slots: 1 the readers, 2 the writers, 3 the group; its user value 1 is the list of sockets,
 * which keeps them. */
enum { SLOT_READERS = 1, SLOT_WRITERS, SLOT_GROUP };

enum { POLL_MAX = 1000000 }; /* sockets of one call */

struct item {
  struct waiter waiter; /* waits while the task is parked */
  struct group *group;  /* borrowed: it holds this item */
  struct socket *s;     /* borrowed: the list keeps it */
};

struct group {
  struct task_more more;   /* the items' waiters */
  struct sched *sched;     /* borrowed */
  struct task *task;       /* borrowed: it has the group on its stack */
  int readers, count;      /* items: first the readers, then the writers */
  struct item *items;      /* in the same block */
  struct net_event *asked; /* in the same block */
};

static uint32_t what_of(const struct group *g, int i) {
  return i < g->readers ? NET_RD : NET_WR;
}

/* --- the waiters --------------------------------------------------------------------------- */

static void fire(struct waiter *w) {
  struct group *g = list_entry(w, struct item, waiter)->group;
  loop_ready(&g->sched->loop, &g->task->waiter);
}

static void disarm(struct task_more *more) {
  struct group *g = list_entry(more, struct group, more);
  for (int i = 0; i < g->count; i++) loop_cancel(&g->sched->loop, &g->items[i].waiter);
}

/* The task that a waiter of a handle belongs to. */
static const struct task *owner(const struct waiter *w) {
  if (w->fire == fire) return list_entry(w, struct item, waiter)->group->task;
  return list_entry(w, struct task, waiter);
}

/* Refuses a socket that another task waits on. */
static void check_free(lua_State *L, struct group *g, int i) {
  struct socket *s = g->items[i].s;
  uint32_t what = what_of(g, i);
  const struct gate *gate = what == NET_RD ? &s->rd : &s->wr;
  const struct waiter *w = loop_waiter(&g->sched->loop, s->h, what);
  const struct task *t = w ? owner(w) : gate->holder;
  if (!t || t == g->sched->current) return;
  luaL_error(L, "poll: task %d, spawned at %s, waits on %s[%d] already (%s)", (int)t->id,
             t->site, what == NET_RD ? "readers" : "writers",
             what == NET_RD ? i + 1 : i - g->readers + 1, t->op ? t->op : "?");
}

/* One waiter a socket and direction; a socket that is listed twice has one. */
static int arm(struct task_more *more) {
  struct group *g = list_entry(more, struct group, more);
  struct loop *loop = &g->sched->loop;
  for (int i = 0; i < g->count; i++) {
    struct item *item = &g->items[i];
    const struct waiter *w = loop_waiter(loop, item->s->h, what_of(g, i));
    if (w && w->fire == fire && owner(w) == g->task) continue;
    int r = loop_wait(loop, &item->waiter, item->s->h, what_of(g, i), NET_NEVER);
    if (r == 0) continue;
    disarm(more);
    return r;
  }
  return 0;
}

/* --- who is ready -------------------------------------------------------------------------- */

/* What is known without the net: bytes in the buffer, an end that was met, a closed socket
 * (its operations do not wait either). */
static bool is_ready(const struct socket *s, uint32_t what) {
  if (s->h < 0) return true;
  if (what == NET_WR) return s->stream.wr_status < 0;
  return buf_len(&s->stream.in) > 0 || s->stream.rd_status < 0 || s->sched->owed == s;
}

/* Fills `asked`, one a socket and in order, with what is ready. How many, or a status. */
static int ask(struct group *g) {
  int unsure = 0, ready = 0;
  for (int i = 0; i < g->count; i++) {
    const struct socket *s = g->items[i].s;
    g->asked[i] = (struct net_event){s->h, 0};
    if (is_ready(s, what_of(g, i)))
      ready++;
    else
      g->asked[g->count + unsure++] = (struct net_event){s->h, what_of(g, i)};
  }
  int r = unsure ? net_ready(g->sched->loop.net, g->asked + g->count, unsure) : 0;
  for (int i = 0, next = g->count; i < g->count; i++) {
    bool known = is_ready(g->items[i].s, what_of(g, i));
    g->asked[i].what = known ? what_of(g, i) : g->asked[next++].what;
  }
  return r < 0 ? r : ready + r;
}

/* Pushes the list of those that are ready, in the order of the argument. */
static void push_ready(lua_State *L, const struct group *g, int from, int to) {
  lua_Integer n = 0;
  lua_newtable(L);
  for (int i = from; i < to; i++) {
    if (!g->asked[i].what) continue;
    lua_rawgeti(L, -2, i + 1);
    lua_rawseti(L, -2, ++n);
  }
}

static int poll_done(lua_State *L, struct group *g) {
  lua_getiuservalue(L, SLOT_GROUP, 1);
  push_ready(L, g, 0, g->readers);
  lua_insert(L, -2);
  push_ready(L, g, g->readers, g->count);
  lua_remove(L, -2);
  return task_step(L, g->sched, 2, 0);
}

static int poll_k(lua_State *L, int status, lua_KContext deadline) {
  struct group *g = lua_touserdata(L, SLOT_GROUP);
  lua_settop(L, SLOT_GROUP);
  for (int i = 0; i < g->count; i++) check_free(L, g, i);
  int r = ask(g);
  if (r < 0) return error_return(L, &(struct failure){"poll", r, NULL, NULL});
  if (r > 0 || task_late(g->sched, deadline)) return poll_done(L, g);
  struct task_wait w = {"poll", NULL, -1, 0, deadline, 0, NULL};
  return task_await_more(L, g->sched, &w, &g->more, poll_k);
}

/* --- the call ------------------------------------------------------------------------------ */

/* The length of the list at `idx`; nil is an empty one. */
static int length(lua_State *L, int idx) {
  if (lua_isnil(L, idx)) return 0;
  luaL_checktype(L, idx, LUA_TTABLE);
  lua_Integer n = luaL_len(L, idx);
  luaL_argcheck(L, n >= 0 && n <= POLL_MAX, idx, "too many sockets");
  return (int)n;
}

/* Pushes a group of `n` items without sockets; they are added one by one. */
static struct group *group_push(lua_State *L, struct sched *sched, int n) {
  size_t items = (size_t)n * sizeof(struct item);
  size_t asked = 2 * (size_t)n * sizeof(struct net_event);
  struct group *g = lua_newuserdatauv(L, sizeof *g + items + asked, 1);
  *g = (struct group){
      .more = {arm, disarm},
        .sched = sched, .task = sched->current
  };
  g->items = (struct item *)(g + 1);
  g->asked = (struct net_event *)(g->items + n);
  lua_createtable(L, n, 0);
  lua_setiuservalue(L, -2, 1);
  return g;
}

/* Copies `n` sockets of the list at `idx`, which the script may change meanwhile. */
static void add(lua_State *L, struct group *g, int idx, int n) {
  lua_getiuservalue(L, SLOT_GROUP, 1);
  for (int i = 1; i <= n; i++) {
    lua_geti(L, idx, i);
    struct socket *s = socket_at(L, -1);
    if (!s)
      luaL_error(L, "poll: %s[%d] is a %s, not a socket",
                 idx == SLOT_READERS ? "readers" : "writers", i, luaL_typename(L, -1));
    struct item *item = &g->items[g->count];
    lua_rawseti(L, -2, ++g->count);
    *item = (struct item){.group = g, .s = s};
    waiter_init(&item->waiter, fire);
  }
  lua_pop(L, 1);
}

/* net.poll(readers, writers [, timeout]) -> ready readers, ready writers | nil, err, code.
 * Lists, in the order of the arguments; both are empty when the time is up. A closed socket
 * is ready.                                                                          [y] */
static int poll_sockets(lua_State *L) {
  struct sched *sched = sched_of(L);
  int64_t deadline = args_deadline(L, 3, sched);
  lua_settop(L, SLOT_WRITERS);
  int readers = length(L, SLOT_READERS), writers = length(L, SLOT_WRITERS);
  struct group *g = group_push(L, sched, readers + writers);
  add(L, g, SLOT_READERS, readers);
  g->readers = readers;
  add(L, g, SLOT_WRITERS, writers);
  interrupt_check(L, sched, "poll", NULL);
  return poll_k(L, LUA_OK, deadline);
}

static const luaL_Reg functions[] = {
    {"poll", poll_sockets},
    {NULL,   NULL        },
};

void poll_functions(lua_State *L) {
  sched_functions(L, functions);
}
