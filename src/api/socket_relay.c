/* Relaying between two streams: one direction at a time, each in a task of its own. The Lua
 * half, lua/net/relay.lua, makes net.relay of both. A direction holds the reading gate of its
 * source and the sending gate of the other from its beginning to its end: a second reader
 * raises, and who wants to send waits. Its progress lies in the state, which holds pipes and
 * gates until it is closed: an interruption may end a wait. */
#include <errno.h>

#include "api/args.h"
#include "api/bulk.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/relay.h"

enum { TURN_STEPS = 64 }; /* and BULK_TURN_NS: then the other tasks have theirs */

/* Slots of make, then of run: the last two are the sockets of its direction. */
enum { SLOT_A = 1, SLOT_B, SLOT_OPTIONS };
enum { SLOT_STATE = 1, SLOT_WAY, SLOT_FROM, SLOT_TO };

static const char *const class = "net.relay_state";

struct way {
  struct relay relay;
  struct gate_keep reads, sends;
};

struct state {
  struct sched *sched; /* borrowed */
  int64_t idle_ns;     /* how long both ways may be silent; NET_NEVER */
  int64_t moved_ns;    /* when bytes were handed on last */
  bool open;
  struct way ways[2]; /* a to b, b to a; user values 1 and 2 are a and b */
};

/* --- making ----------------------------------------------------------------------------- */

/* Refuses what cannot be relayed from and to. */
static void check_stream(lua_State *L, int idx) {
  struct socket *s = socket_check(L, idx);
  if (!socket_is_stream(s))
    luaL_error(L, "relay: only streams can be relayed, not a %s socket",
               socket_transport(s));
  socket_need_stream(L, s, "relay");
  socket_claim(L, s, "relay");
}

/* The idle time: the option, or the smaller of both sockets' own. */
static int64_t idle_of(lua_State *L, const struct socket *a, const struct socket *b) {
  static const char *const names[] = {"idle", NULL};
  uint64_t own_a = (uint64_t)a->timeout_ns, own_b = (uint64_t)b->timeout_ns;
  if (!lua_isnoneornil(L, SLOT_OPTIONS)) {
    args_fields(L, SLOT_OPTIONS, names);
    if (lua_getfield(L, SLOT_OPTIONS, "idle") != LUA_TNIL)
      return bulk_seconds(L, SLOT_OPTIONS, "relay", "idle");
  }
  return (int64_t)(own_a < own_b ? own_a : own_b); /* NET_NEVER is the largest */
}

static void way_init(struct way *w, struct sched *s, struct socket *from,
                     struct socket *to) {
  relay_init(&w->relay, &s->relay_pool);
  gate_keep_init(&w->reads, &from->rd);
  gate_keep_init(&w->sends, &to->wr);
}

/* core.relay_state(a, b [, options]) -> state. options.idle: seconds without a byte in either
 * direction after which it ends                                                         */
static int make(lua_State *L) {
  lua_settop(L, SLOT_OPTIONS);
  check_stream(L, SLOT_A);
  check_stream(L, SLOT_B);
  struct socket *a = socket_check(L, SLOT_A), *b = socket_check(L, SLOT_B);
  if (a == b) return luaL_error(L, "relay: two sockets are needed, not one twice");
  int64_t idle_ns = idle_of(L, a, b);
  struct state *state = lua_newuserdatauv(L, sizeof *state, 2);
  *state = (struct state){.sched = a->sched, .idle_ns = idle_ns};
  luaL_setmetatable(L, class);
  lua_pushvalue(L, SLOT_A);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, SLOT_B);
  lua_setiuservalue(L, -2, 2);
  way_init(&state->ways[0], a->sched, a, b);
  way_init(&state->ways[1], a->sched, b, a);
  state->moved_ns = loop_now(&a->sched->loop);
  state->open = true;
  return 1;
}

/* --- running ---------------------------------------------------------------------------- */

static void leave(struct way *w) {
  gate_let_go(&w->reads);
  gate_let_go(&w->sends);
}

/* True for what says that a connection is broken. */
static bool is_broken(int status) {
  return status_errno(status) && status != -ENOMEM && status != -ENOBUFS;
}

/* A connection that broke did not end: when the other one is closed, its peer has to see a
 * reset too, and no end (SO_LINGER of socket(7), with 0 seconds). */
static void pass_on_reset(struct sched *sched, const struct socket *other) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  if (other->h < 0) return;
  net_setopt(sched->loop.net, other->h, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Gives nil, err, code; it was about the socket at `idx`.             [-0, +3, v] [y] */
static int way_failed(lua_State *L, struct state *state, struct way *w, int idx,
                      int status) {
  int other = SLOT_FROM + SLOT_TO - idx;
  leave(w);
  if (is_broken(status)) pass_on_reset(state->sched, socket_check(L, other));
  return socket_fail(L, idx, "relay", status);
}

static int run_k(lua_State *L, int status, lua_KContext context);

/* Waits for what the relay is armed for, or until nothing has moved for too long. */
static int wait_on(lua_State *L, struct state *state, struct way *w) {
  bool reads = w->relay.side == RELAY_FROM;
  int idx = reads ? SLOT_FROM : SLOT_TO;
  struct socket *s = socket_check(L, idx);
  int64_t limit = loop_after(state->moved_ns, state->idle_ns);
  struct task_wait wait = {"relay", s, s->h, reads ? NET_RD : NET_WR, limit, 0, NULL};
  if (task_late(state->sched, limit)) return way_failed(L, state, w, idx, STATUS_TIMEOUT);
  return task_await(L, state->sched, &wait, run_k);
}

static bool is_kept(const struct gate_keep *k) {
  return !list_empty(&k->link);
}

/* Holds both gates, which gives 0; waits while another task sends.    [-0, +0, v] [y] */
static int enter(lua_State *L, struct state *state, struct way *w) {
  struct socket *from = socket_check(L, SLOT_FROM), *to = socket_check(L, SLOT_TO);
  struct task_wait wait = {"relay", to, -1, 0, NET_NEVER, 0, NULL};
  if (is_kept(&w->sends)) return 0;
  if (!is_kept(&w->reads)) socket_claim(L, from, "relay");
  int status = is_kept(&w->reads) ? 0 : gate_keep(&w->reads, state->sched);
  if (status == 0 && !gate_open(&to->wr, state->sched))
    return task_queue(L, state->sched, &to->wr, &wait, run_k);
  if (status == 0) status = gate_keep(&w->sends, state->sched);
  return status < 0 ? way_failed(L, state, w, SLOT_FROM, status) : 0;
}

/* Moves bytes until a wait is due, the turn is over, or nothing is left to be done. */
static int move(lua_State *L, struct state *state, struct way *w, struct socket *from,
                struct socket *to) {
  struct loop *loop = &state->sched->loop;
  struct relay_end ends[] = {
      {&from->stream, from->h},
      {&to->stream,   to->h  }
  };
  int64_t begin = loop_now(loop), moved = w->relay.bytes;
  int r = 1;
  for (int i = 0; r > 0 && i < TURN_STEPS && loop_now(loop) - begin < BULK_TURN_NS; i++)
    r = relay_step(&w->relay, loop->net, &ends[0], &ends[1]);
  if (w->relay.bytes > moved) state->moved_ns = loop->turn_ns;
  return r;
}

static struct state *check_state(lua_State *L) {
  return luaL_checkudata(L, SLOT_STATE, class);
}

/* The direction in slot 2. */
static struct way *check_way(lua_State *L, struct state *state) {
  lua_Integer way = luaL_checkinteger(L, SLOT_WAY);
  luaL_argcheck(L, way == 1 || way == 2, SLOT_WAY, "a way is 1 or 2");
  return &state->ways[way - 1];
}

static int run_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct state *state = check_state(L);
  struct way *w = check_way(L, state);
  struct socket *from = socket_check(L, SLOT_FROM), *to = socket_check(L, SLOT_TO);
  if (from->h < 0) return way_failed(L, state, w, SLOT_FROM, STATUS_CLOSED);
  if (to->h < 0) return way_failed(L, state, w, SLOT_TO, STATUS_CLOSED);
  (void)socket_scratch(L, state->sched); /* a stream's first bytes may lie there */
  int failed = enter(L, state, w);
  if (failed) return failed;
  int r = move(L, state, w, from, to);
  if (r == -EAGAIN) return wait_on(L, state, w);
  if (r > 0) {
    struct task_wait wait = {"relay", from, -1, 0, NET_NEVER, 0, NULL};
    return task_yield(L, state->sched, &wait, run_k);
  }
  if (r != STATUS_EOF)
    return way_failed(L, state, w, w->relay.side == RELAY_FROM ? SLOT_FROM : SLOT_TO, r);
  leave(w);
  lua_pushboolean(L, 1);
  return 1;
}

/* state:run(way) -> true | nil, err, code. Moves bytes from a to b (way 1) or from b to a (2)
 * until the first has ended and the other was told so                                [y] */
static int run(lua_State *L) {
  struct state *state = check_state(L);
  int way = 1 + (int)(check_way(L, state) - state->ways);
  luaL_argcheck(L, state->open, SLOT_STATE, "it is closed");
  lua_settop(L, SLOT_WAY);
  lua_getiuservalue(L, SLOT_STATE, way);
  lua_getiuservalue(L, SLOT_STATE, 3 - way);
  return run_k(L, LUA_OK, 0);
}

/* state:bytes(way) -> how many bytes the other side has taken                            */
static int bytes(lua_State *L) {
  struct state *state = check_state(L);
  lua_pushinteger(L, check_way(L, state)->relay.bytes);
  return 1;
}

/* state:close(): gives pipes and gates back. A second close does nothing                 */
static int close_state(lua_State *L) {
  struct state *state = check_state(L);
  if (!state->open) return 0;
  state->open = false;
  for (int i = 0; i < 2; i++) {
    leave(&state->ways[i]);
    relay_fini(&state->ways[i].relay);
  }
  return 0;
}

static const luaL_Reg functions[] = {
    {"relay_state", make},
    {NULL,          NULL},
};

static const luaL_Reg methods[] = {
    {"bytes", bytes      },
    {"close", close_state},
    {"run",   run        },
    {NULL,    NULL       },
};

void socket_relay_functions(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
}

void socket_relay_open(lua_State *L) {
  luaL_newmetatable(L, class);
  lua_pushcfunction(L, close_state);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
