/* send_repeat and discard of datagram sockets. One sends a datagram again and again, as fast
 * as it can or at a rate; the other counts what comes and forgets it, its bytes being left
 * in the kernel. Numbers in the datagrams tell which were lost. */
#include <endian.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/lookup.h"
#include "api/socket_bulk.h"
#include "base/status.h"
#include "net/datagrams.h"

/* The address comes after the move: slots that are closed are marked from low to high, and
 * a look-up is marked, and closed, while the move goes on. */
enum { SLOT_SOCKET = 1, SLOT_OPTIONS, SLOT_DATA, SLOT_MOVE = SOCKET_MOVE, SLOT_ADDRESS };

enum {
  NUMBER_BYTES = sizeof(uint64_t), /* at the front, in network order; the first is 1 */
  COPIED_TRAINS = 8,               /* more would only push each other out of the cache */
};

static void need_datagrams(lua_State *L, const struct socket *s, const char *op) {
  if (s->type != SOCK_DGRAM)
    luaL_error(L, "%s: this socket carries packets; use send and recv", op);
}

static void set_integer(lua_State *L, const char *field, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, field);
}

/* The field `name` of the options of `op` as a boolean. */
static bool flag_option(lua_State *L, const char *op, const char *name) {
  bool is_set = lua_getfield(L, SLOT_OPTIONS, name) != LUA_TNIL;
  if (is_set && !lua_isboolean(L, -1))
    luaL_error(L, "%s: %s is %s; true or false is needed", op, name,
               luaL_tolstring(L, -1, NULL));
  is_set = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return is_set;
}

/* --- send_repeat ------------------------------------------------------------------------ */

struct flight {
  struct bulk b;
  size_t len;          /* of the datagram */
  unsigned copies;     /* how many of them lie in `bytes` */
  uint64_t datagrams;  /* that went */
  double bytes_per_ns; /* the pace; 0: none */
  bool numbered;
  bool no_trains;        /* by order of the script */
  bool trains;           /* nothing else, by order of the script */
  struct outgoing batch; /* kept from call to call */
  char bytes[];
};

static void repeat_figures(lua_State *L, struct bulk *b) {
  set_integer(L, "datagrams", ((struct flight *)b)->datagrams);
}

/* How many datagrams the next call may send; 0: none yet, b->wake_ns says when. */
static unsigned allowed(struct flight *r) {
  struct bulk *b = &r->b;
  uint64_t most = (DATAGRAMS_BYTES + r->len - 1) / r->len;
  if (most > DATAGRAMS_MOST) most = DATAGRAMS_MOST;
  if (r->numbered && most > r->copies) most = r->copies;
  uint64_t train = TRAIN_BYTES / r->len; /* whole ones */
  if (most > train) most -= most % train;
  if (b->limit != UINT64_MAX) {
    uint64_t left = (bulk_left(b) + r->len - 1) / r->len;
    if (most > left) most = left;
  }
  b->wake_ns = NET_NEVER;
  if (r->bytes_per_ns <= 0) return (unsigned)most;
  double elapsed = (double)(loop_now(&b->sched->loop) - b->begin_ns);
  double due = elapsed * r->bytes_per_ns - (double)b->bytes; /* beyond the next one */
  double whole = due / (double)r->len;
  if (due >= 0) return whole < (double)most ? 1 + (unsigned)whole : (unsigned)most;
  b->wake_ns = b->begin_ns + (int64_t)((double)b->bytes / r->bytes_per_ns) + 1;
  return 0;
}

/* Sees to it that the batch holds `n` datagrams, or as many as go in one call. */
static void load(lua_State *L, struct socket *s, struct flight *r, unsigned n) {
  bool couple = !r->no_trains && (r->trains || socket_may_couple(s));
  if (!couple && n > DATAGRAMS_MESSAGES) n = DATAGRAMS_MESSAGES;
  struct addr room;
  const struct addr *to = address_at(L, SLOT_ADDRESS);
  if (to) to = address_for(to, s->family, &room);
  if (r->batch.datagrams == n && r->batch.may_couple == couple) return;
  outgoing_init(&r->batch, couple);
  for (unsigned i = 0; i < n; i++)
    if (!outgoing_add(&r->batch, r->bytes + i % r->copies * r->len, r->len, to)) return;
}

/* The numbers of those that are sent now. */
static void number(struct flight *r) {
  for (unsigned i = 0; i < r->batch.datagrams; i++) {
    uint64_t n = htobe64(r->datagrams + i + 1);
    memcpy(r->bytes + i * r->len, &n, sizeof n);
  }
}

static ssize_t repeat_some(lua_State *L, struct socket *s, struct bulk *b) {
  struct flight *r = (struct flight *)b;
  unsigned n = allowed(r);
  if (n == 0) return -EAGAIN; /* of time: no event comes */
  if (r->trains && !socket_knows_trains(s)) return -EOPNOTSUPP;
  load(L, s, r, n);
  if (r->numbered) number(r);
  int went = outgoing_send(&r->batch, s->sched->loop.net, s->h, 0);
  if (outgoing_derailed(&r->batch, went) && !r->trains) {
    s->no_trains = true;
    ssize_t single = repeat_some(L, s, b);
    s->no_trains = single != went; /* what that meets too was not the train's fault */
    return single;
  }
  if (went < 0) return went;
  b->method = r->batch.trains[0].count > 1 ? "gso" : "sendmmsg";
  bulk_moved(b, outgoing_bytes(&r->batch, went));
  r->datagrams += (uint64_t)went;
  b->unseen = 0; /* many datagrams take long: look at the clock */
  return went;
}

static int repeat_k(lua_State *L, int status, lua_KContext deadline) {
  static const struct socket_way way = {NET_WR, repeat_some, NULL, NULL, repeat_k};
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"send_repeat", 0, NULL, NULL};
  (void)status;
  int r =
      lua_isnil(L, SLOT_ADDRESS) || s->h < 0 ? 0 : lookup_resolve(L, SLOT_ADDRESS, &f);
  if (r == -EAGAIN && !task_late(s->sched, deadline))
    return lookup_await(L, SLOT_ADDRESS, "send_repeat", deadline, repeat_k);
  if (r < 0) {
    f.status = r == -EAGAIN ? STATUS_TIMEOUT : r;
    error_values(L, &f);
    lua_pushinteger(L, 0);
    lua_setfield(L, -3, "sent");
    return bulk_failed(L, SLOT_MOVE);
  }
  bulk_resume(lua_touserdata(L, SLOT_MOVE));
  return socket_move_on(L, &way, deadline);
}

/* When it ends: one of seconds, bytes and count. */
static void read_end(lua_State *L, struct bulk *b, size_t len) {
  lua_Integer count = bulk_option(L, SLOT_OPTIONS, "send_repeat", "count");
  if ((count >= 0) + (b->limit != UINT64_MAX) + (b->seconds_ns != NET_NEVER) != 1)
    luaL_error(L, "send_repeat: one of seconds, bytes and count says when it ends");
  if (count < 0) return;
  if (count > LUA_MAXINTEGER / (lua_Integer)len)
    luaL_error(L, "send_repeat: %I times %I bytes are more than 2^63", (LUAI_UACINT)count,
               (LUAI_UACINT)len);
  b->limit = (uint64_t)count * len;
  b->limit_by = "count";
}

static void read_way(lua_State *L, struct socket *s, struct flight *r) {
  if (lua_getfield(L, SLOT_OPTIONS, "method") != LUA_TNIL) {
    const char *method = luaL_tolstring(L, -1, NULL);
    r->trains = strcmp(method, "gso") == 0;
    r->no_trains = strcmp(method, "sendmmsg") == 0;
    if (!r->trains && !r->no_trains)
      luaL_error(L,
                 "send_repeat: there is no method '%s' for datagrams, but gso, sendmmsg",
                 method);
    lua_pop(L, 1);
  }
  if (lua_getfield(L, SLOT_OPTIONS, "bits_per_second") != LUA_TNIL) {
    lua_Number bits = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || !(bits >= 1))
      luaL_error(L, "send_repeat: bits_per_second is %s; a number, 1 or more, is needed",
                 luaL_tolstring(L, -1, NULL));
    r->bytes_per_ns = bits / 8e9;
  }
  lua_pop(L, 2);
}

int socket_repeat_datagram(lua_State *L, struct socket *s) {
  static const char *const names[] = {
      "bits_per_second", "bytes",   "count",   "every", "method",
      "numbered",        "on_tick", "seconds", "to",    NULL};
  size_t len;
  const char *data = luaL_checklstring(L, 2, &len);
  need_datagrams(L, s, "send_repeat");
  luaL_argcheck(L, len <= TRAIN_BYTES, 2, "a datagram has no more than 65507 bytes");
  args_fields(L, 3, names);
  lua_settop(L, 3);
  lua_rotate(L, 2, 1); /* the options, then the data */
  bool numbered = flag_option(L, "send_repeat", "numbered");
  luaL_argcheck(L, !numbered || len >= NUMBER_BYTES, 2, "a number takes 8 bytes");
  size_t copies = (numbered ? DATAGRAMS_BYTES : TRAIN_BYTES) / len;
  if (copies > DATAGRAMS_MOST) copies = DATAGRAMS_MOST;
  struct flight *r =
      bulk_new(L, SLOT_OPTIONS, "send_repeat", &s->wr, sizeof *r + copies * len);
  r->b.figures = repeat_figures;
  r->b.method = "sendmmsg";
  r->len = len;
  r->copies = (unsigned)copies;
  r->numbered = numbered;
  for (size_t i = 0; i < copies; i++) memcpy(r->bytes + i * len, data, len);
  read_end(L, &r->b, len);
  read_way(L, s, r);
  socket_address_option(L, SLOT_OPTIONS, s, "send_repeat");
  if (s->h >= 0) interrupt_check(L, s->sched, "send_repeat", s);
  return repeat_k(L, LUA_OK, socket_deadline(s));
}

/* --- discard ---------------------------------------------------------------------------- */

struct gather {
  struct bulk b;
  struct socket *s;         /* borrowed: the move keeps it */
  uint64_t datagrams, most; /* that came; that may come, UINT64_MAX: no limit */
  bool numbered;
  uint64_t next, lost,
      late; /* the number that is due; numbers that did not come, and such
                                as came after a higher one */
  uint32_t dropped, dropped_before; /* by the kernel, since the socket was made */
  bool tells_drops;
  int64_t silence_ns, last_ns; /* how long may nothing come; when something came last */
};

/* sock_diag(7): SO_MEMINFO tells what the kernel has dropped for lack of room. */
static void look_at_drops(struct gather *g) {
  uint32_t info[SK_MEMINFO_VARS] = {0};
  socklen_t len = sizeof info;
  if (g->s->h < 0) return;
  int r = net_getopt(g->b.sched->loop.net, g->s->h, SOL_SOCKET, SO_MEMINFO, info, &len);
  g->tells_drops = r == 0 && len > SK_MEMINFO_DROPS * sizeof *info;
  if (g->tells_drops) g->dropped = info[SK_MEMINFO_DROPS];
}

static void gather_figures(lua_State *L, struct bulk *b) {
  struct gather *g = (struct gather *)b;
  look_at_drops(g);
  set_integer(L, "datagrams", g->datagrams);
  if (g->tells_drops) /* the kernel counts a train as one */
    set_integer(L, g->s->joined ? "dropped_messages" : "dropped_datagrams",
                g->dropped - g->dropped_before);
  if (!g->numbered) return;
  set_integer(L, "lost_datagrams", g->lost);
  set_integer(L, "late_datagrams", g->late);
}

static void look_at_number(struct gather *g, const struct datagram *d) {
  uint64_t n;
  if (d->len < sizeof n) return;
  memcpy(&n, d->bytes, sizeof n);
  n = be64toh(n);
  if (n >= g->next) {
    g->lost += n - g->next;
    g->next = n + 1;
    return;
  }
  g->late++;
  if (g->lost > 0) g->lost--;
}

static void count(struct gather *g, uint64_t datagrams, uint64_t bytes) {
  g->datagrams += datagrams;
  g->b.bytes += bytes;
  if (g->datagrams >= g->most) bulk_end(&g->b, "count");
}

/* What recv_many and recvfrom have left of a train. */
static int count_held(struct gather *g, struct buf *held) {
  struct datagram d;
  struct addr from;
  if (!held_first(held, &d, &from)) return 0;
  if (g->numbered) look_at_number(g, &d);
  count(g, 1, d.size);
  held_drop(held);
  return 1;
}

/* How many messages one call may take. */
static int messages(const struct gather *g, bool copied) {
  uint64_t most = copied ? COPIED_TRAINS : DATAGRAMS_MESSAGES;
  uint64_t left = bulk_left(&g->b) / TRAIN_BYTES + 1;
  if (most > left) most = left;
  if (most > g->most - g->datagrams) most = g->most - g->datagrams;
  return (int)most;
}

/* Nothing is there: has it been silent for too long? */
static ssize_t silent(struct gather *g) {
  if (g->silence_ns == NET_NEVER) return -EAGAIN;
  g->b.wake_ns = g->last_ns + g->silence_ns;
  if (loop_now(&g->b.sched->loop) < g->b.wake_ns) return -EAGAIN;
  bulk_end(&g->b, "idle");
  g->b.end_ns = g->last_ns;
  return 1;
}

static ssize_t gather_some(lua_State *L, struct socket *s, struct bulk *b) {
  struct gather *g = (struct gather *)b;
  struct incoming *in = socket_incoming(s->sched);
  (void)L;
  if (!in) return -ENOMEM;
  if (!g->last_ns) g->last_ns = b->begin_ns;
  if (count_held(g, &s->stream.in)) return 1;
  bool copied = g->numbered && s->joined;
  struct incoming_wish wish = {
      .n = messages(g, copied),
      .room = copied        ? DATAGRAM_ROOM
              : g->numbered ? NUMBER_BYTES
                            : 0,
      .joined = s->joined,
  };
  int r = incoming_receive(in, s->sched->loop.net, s->h, &wish);
  if (r == -EAGAIN) return silent(g);
  if (r < 0) return r;
  if (g->silence_ns != NET_NEVER) g->last_ns = loop_now(&s->sched->loop);
  struct datagram d;
  uint64_t bytes, datagrams = incoming_count(in, &bytes);
  while (g->numbered && incoming_next(in, &d)) look_at_number(g, &d);
  count(g, datagrams, bytes);
  b->calls++;
  b->unseen = 0; /* many datagrams take long: look at the clock */
  return r;
}

static int gather_k(lua_State *L, int status, lua_KContext deadline) {
  static const struct socket_way way = {NET_RD, gather_some, NULL, NULL, gather_k};
  (void)status;
  bulk_resume(lua_touserdata(L, SLOT_MOVE));
  return socket_move_on(L, &way, deadline);
}

int socket_discard_datagrams(lua_State *L, struct socket *s) {
  static const char *const names[] = {"bytes",    "count",   "every",   "idle_seconds",
                                      "numbered", "on_tick", "seconds", NULL};
  need_datagrams(L, s, "discard");
  socket_refuse_finalizer(L, "discard");
  lua_settop(L, SLOT_OPTIONS);
  lua_pushnil(L);
  if (lua_isnil(L, SLOT_OPTIONS)) {
    lua_newtable(L);
    lua_replace(L, SLOT_OPTIONS);
  }
  args_fields(L, SLOT_OPTIONS, names);
  if (s->h >= 0) interrupt_check(L, s->sched, "discard", s);
  struct gather *g = bulk_new(L, SLOT_OPTIONS, "discard", &s->rd, sizeof *g);
  lua_Integer most = bulk_option(L, SLOT_OPTIONS, "discard", "count");
  g->b.figures = gather_figures;
  g->s = s;
  g->next = 1;
  g->most = most < 0 ? UINT64_MAX : (uint64_t)most;
  g->numbered = flag_option(L, "discard", "numbered");
  g->silence_ns = bulk_seconds(L, SLOT_OPTIONS, "discard", "idle_seconds");
  g->b.method = s->joined ? "gro" : "recvmmsg";
  look_at_drops(g);
  g->dropped_before = g->dropped;
  if (most == 0) bulk_end(&g->b, "count");
  return gather_k(L, LUA_OK, socket_deadline(s));
}
