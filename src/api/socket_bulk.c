/* send_repeat and discard: streams of bytes that a script neither makes nor sees. The loop
 * is C (bulk.h); the task holds the direction's gate from the first byte to the last, so the
 * bytes of two senders never interleave and nobody else reads. */
#include <errno.h>
#include <string.h>

#include "api/args.h"
#include "api/buffer.h"
#include "api/bulk.h"
#include "api/socket_bulk.h"
#include "base/status.h"
#include "net/repeat.h"

/* The data is nil for discard. */
enum { SLOT_SOCKET = 1, SLOT_OPTIONS, SLOT_DATA, SLOT_MOVE = SOCKET_MOVE };

/* How long an operation waits for what comes after its last byte. */
enum { SETTLE_NS = 1000 * 1000 * 1000 };

static struct gate *gate_of(struct socket *s, const struct socket_way *way) {
  return way->what == NET_RD ? &s->rd : &s->wr;
}

/* Gives nil, err, code with the figures. */
static int move_failed(lua_State *L, struct bulk *b, int status) {
  socket_failure(L, SLOT_SOCKET, b->op, status);
  return bulk_failed(L, SLOT_MOVE);
}

/* Waits for the handle. */
static int wait_handle(lua_State *L, struct socket *s, struct bulk *b,
                       const struct socket_way *way, int64_t deadline) {
  struct task_wait w = {b->op, s, s->h, way->what, deadline, bulk_wake_ns(b), NULL};
  struct task_more *more = way->more ? way->more(b) : NULL;
  gate_enter(gate_of(s, way), s->sched);
  return task_await_more(L, s->sched, &w, more, way->k);
}

static int step_aside(lua_State *L, struct socket *s, struct bulk *b,
                      const struct socket_way *way, int64_t deadline) {
  struct task_wait w = {b->op, s, s->h, way->what, deadline, 0, NULL};
  gate_enter(gate_of(s, way), s->sched);
  return task_yield(L, s->sched, &w, way->k);
}

/* All bytes have moved. */
static int finish(lua_State *L, struct socket *s, struct bulk *b,
                  const struct socket_way *way, int64_t deadline) {
  int64_t limit = b->end_ns + SETTLE_NS;
  bool late = task_late(s->sched, limit) || task_late(s->sched, deadline);
  if (s->h < 0 || !way->settled || way->settled(s, b) || late)
    return bulk_done(L, SLOT_MOVE);
  struct task_wait w = {b->op, s, s->h, way->what, deadline, limit, NULL};
  gate_enter(gate_of(s, way), s->sched);
  return task_await(L, s->sched, &w, way->k);
}

static int wait_turn(lua_State *L, struct socket *s, struct bulk *b,
                     const struct socket_way *way, int64_t deadline) {
  struct task_wait w = {b->op, s, -1, 0, deadline, 0, NULL};
  if (task_late(s->sched, deadline)) return move_failed(L, b, STATUS_TIMEOUT);
  return task_queue(L, s->sched, gate_of(s, way), &w, way->k);
}

/* on_tick may have closed the socket, or let others in. */
int socket_move_on(lua_State *L, const struct socket_way *way, int64_t deadline) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct bulk *b = lua_touserdata(L, SLOT_MOVE);
  for (;;) {
    if (s->h < 0 && !b->ended) return move_failed(L, b, STATUS_CLOSED);
    if (!gate_open(gate_of(s, way), s->sched)) return wait_turn(L, s, b, way, deadline);
    switch (bulk_next(L, b, deadline)) {
    case BULK_TELL: bulk_tell(L, SLOT_MOVE, deadline, way->k); continue;
    case BULK_ASIDE: return step_aside(L, s, b, way, deadline);
    case BULK_LATE: return move_failed(L, b, STATUS_TIMEOUT);
    case BULK_END: return finish(L, s, b, way, deadline);
    case BULK_MOVE: break;
    }
    ssize_t r = way->move(L, s, b);
    if (r == -EAGAIN) return wait_handle(L, s, b, way, deadline);
    if (r == STATUS_EOF) bulk_end(b, "eof");
    if (r < 0 && r != STATUS_EOF) return move_failed(L, b, (int)r);
  }
}

/* --- discard -------------------------------------------------------------------------- */

/* Nobody looks at the bytes, so nobody needs to be woken for few of them: from a fast peer
 * the kernel wakes us when enough have come for about AHEAD_NS (SO_RCVLOWAT, tcp(7)). The
 * end, an error and a full window wake all the same, and so does our own clock. */
enum {
  AHEAD_NS = 200 * 1000,
  AHEAD_BYTES = 256 * 1024, /* at most; */
  AHEAD_AFTER = 1024 * 1024 /* and only for a move that is no short one */
};

struct discarding {
  struct bulk bulk;
  struct task_more more;
  struct socket *s; /* borrowed: the move keeps it */
  int former;       /* SO_RCVLOWAT; -1: not asked for yet; 0: it cannot be set */
  int low;          /* what it is while the task waits; 0: as it was */
};

static struct discarding *discarding_of(struct bulk *b) {
  return list_entry(b, struct discarding, bulk);
}

static int set_low(struct discarding *d, int low) {
  struct net *net = d->bulk.sched->loop.net;
  if (d->s->h < 0) return 0;
  return net_setopt(net, d->s->h, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
}

static int raise_low(struct task_more *more) {
  struct discarding *d = list_entry(more, struct discarding, more);
  if (set_low(d, d->low) < 0) d->low = 0;
  return 0;
}

/* The next reader would wait for ever: a refusal is not taken at once. */
static void restore_low(struct task_more *more) {
  struct discarding *d = list_entry(more, struct discarding, more);
  if (d->low && set_low(d, d->former) < 0) (void)set_low(d, d->former);
}

/* How many bytes are worth a wake: a power of two, so that it rarely changes. */
static int worth_a_wake(struct bulk *b) {
  int64_t elapsed_ns = loop_now(&b->sched->loop) - b->begin_ns;
  double ahead = (double)b->bytes / (double)elapsed_ns * AHEAD_NS;
  size_t most = bulk_left(b) < AHEAD_BYTES ? bulk_left(b) : AHEAD_BYTES;
  int low = 1;
  while ((double)low * 2 <= ahead && (size_t)low * 2 <= most) low *= 2;
  return low;
}

/* The number of bytes that wakes; 0 where it is no use or cannot be known. */
static int low_of(struct socket *s) {
  int low;
  socklen_t len = sizeof low;
  if (s->h < 0 || s->family == AF_UNIX) return 0;
  int r = net_getopt(s->sched->loop.net, s->h, SOL_SOCKET, SO_RCVLOWAT, &low, &len);
  return r == 0 ? low : 0;
}

/* What a wait for more bytes changes, or NULL. */
static struct task_more *look_ahead(struct bulk *b) {
  struct discarding *d = discarding_of(b);
  d->low = 0;
  if (b->bytes < AHEAD_AFTER) return NULL;
  if (d->former < 0) d->former = low_of(d->s);
  int low = d->former > 0 ? worth_a_wake(b) : 0;
  if (low <= d->former) return NULL;
  d->low = low;
  return &d->more;
}

static ssize_t discard_some(lua_State *L, struct socket *s, struct bulk *b) {
  if (s->sched->owed) socket_scratch(L, s->sched);
  bool held = buf_len(&s->stream.in) > 0;
  ssize_t r = stream_discard(&s->stream, s->sched->loop.net, s->h, bulk_left(b));
  if (r > 0 && held) b->bytes += (uint64_t)r;
  if (r > 0 && !held) bulk_moved(b, (size_t)r);
  return r;
}

static int discard_k(lua_State *L, int status, lua_KContext deadline) {
  static const struct socket_way way = {NET_RD, discard_some, NULL, look_ahead,
                                        discard_k};
  struct discarding *d = lua_touserdata(L, SLOT_MOVE);
  bulk_resume(&d->bulk);
  /* few bytes may be there that woke nobody: a tick, or the end, is to count them */
  bool counts = status != LUA_OK && d->low && !d->bulk.ended && d->s->h >= 0;
  d->low = 0;
  if (counts && gate_open(&d->s->rd, d->s->sched) && bulk_left(&d->bulk) > 0)
    (void)discard_some(L, d->s, &d->bulk); /* what it meets, the next one meets too */
  return socket_move_on(L, &way, deadline);
}

/* sock:discard([{seconds=, bytes=, on_tick=, every=}]) -> figures | nil, err, code. Receives
 * and forgets until the seconds are over, the bytes have come, or the peer has ended.   [y] */
static int discard_method(lua_State *L) {
  static const char *const names[] = {"bytes", "every", "on_tick", "seconds", NULL};
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s)) return socket_discard_datagrams(L, s);
  lua_settop(L, SLOT_OPTIONS);
  lua_pushnil(L);
  if (!lua_isnil(L, SLOT_OPTIONS)) args_fields(L, SLOT_OPTIONS, names);
  socket_need_stream(L, s, "discard");
  socket_claim(L, s, "discard");
  if (s->h >= 0) interrupt_check(L, s->sched, "discard", s);
  struct discarding *d = bulk_new(L, SLOT_OPTIONS, "discard", &s->rd, sizeof *d);
  d->more = (struct task_more){raise_low, restore_low};
  d->s = s;
  d->former = -1;
  return discard_k(L, LUA_OK, socket_deadline(s));
}

/* --- send_repeat ---------------------------------------------------------------------- */

struct sending {
  struct bulk bulk;
  struct repeat repeat;
  int64_t told_ns; /* when the last tick was that the repeat knows of */
};

static struct sending *sending_of(struct bulk *b) {
  return list_entry(b, struct sending, bulk);
}

static void fini_sending(struct bulk *b) {
  repeat_fini(&sending_of(b)->repeat);
}

static ssize_t send_some(lua_State *L, struct socket *s, struct bulk *b) {
  struct sending *m = sending_of(b);
  struct repeat *repeat = &m->repeat;
  if (b->told_ns != m->told_ns) repeat_pause(repeat, b->told_ns);
  m->told_ns = b->told_ns;
  ssize_t r =
      repeat_send(repeat, &s->stream, s->sched->loop.net, s->h, b->bytes, bulk_left(b));
  if (r > 0) b->bytes += (uint64_t)r;
  b->calls = repeat->calls;
  b->method = repeat_name(repeat->method);
  return r;
}

static bool send_settled(struct socket *s, struct bulk *b) {
  return repeat_settled(&sending_of(b)->repeat, s->sched->loop.net, s->h);
}

static int send_k(lua_State *L, int status, lua_KContext deadline) {
  static const struct socket_way way = {NET_WR, send_some, send_settled, NULL, send_k};
  (void)status;
  bulk_resume(lua_touserdata(L, SLOT_MOVE));
  return socket_move_on(L, &way, deadline);
}

/* Makes a string of the data in slot 2: what a buffer holds now is what is sent. */
static void read_data(lua_State *L) {
  const struct buffer *b = buffer_at(L, 2);
  if (b) {
    buffer_need_still(L, b, "send_repeat");
    lua_pushlstring(L, b->bytes, b->size);
    lua_replace(L, 2);
  }
  luaL_checkstring(L, 2);
  luaL_argcheck(L, lua_rawlen(L, 2) > 0, 2, "there is nothing to repeat: it is empty");
}

/* Exactly one of the options says when it ends. */
static void read_end(lua_State *L, struct bulk *b) {
  lua_Integer len = (lua_Integer)lua_rawlen(L, SLOT_DATA);
  lua_Integer count = bulk_option(L, SLOT_OPTIONS, b->op, "count");
  bool timed = lua_getfield(L, SLOT_OPTIONS, "seconds") != LUA_TNIL;
  lua_pop(L, 1);
  if ((count >= 0) + (b->limit != UINT64_MAX) + timed != 1)
    luaL_error(L, "send_repeat: one of seconds, bytes and count says when it ends");
  if (count < 0) return;
  if (count > LUA_MAXINTEGER / len)
    luaL_error(L, "send_repeat: %I times %I bytes are more than 2^63", (LUAI_UACINT)count,
               (LUAI_UACINT)len);
  b->limit = (uint64_t)count * (uint64_t)len;
  b->limit_by = "count";
}

/* Reads the method that the options force, if they do. */
static void read_method(lua_State *L, struct repeat *r) {
  if (lua_getfield(L, SLOT_OPTIONS, "method") != LUA_TNIL) {
    const char *name = luaL_tolstring(L, -1, NULL);
    for (r->method = 0; r->method < REPEAT_METHODS; r->method++)
      if (strcmp(name, repeat_name(r->method)) == 0) break;
    if (r->method == REPEAT_METHODS)
      luaL_error(L,
                 "send_repeat: there is no method '%s', but send, vmsplice, sendfile "
                 "and zerocopy",
                 name);
    r->forced = true;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* sock:send_repeat(data, {seconds= | bytes= | count=, on_tick=, every=, method=}) -> figures
 * | nil, err, code. Sends the data again and again, as one stream.                     [y] */
static int send_repeat_method(lua_State *L) {
  static const char *const names[] = {"bytes",   "count",   "every", "method",
                                      "on_tick", "seconds", NULL};
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s)) {
    read_data(L);
    return socket_repeat_datagram(L, s);
  }
  args_fields(L, 3, names);
  read_data(L);
  lua_settop(L, 3);
  lua_rotate(L, 2, 1); /* the options, then the data */
  socket_need_stream(L, s, "send_repeat");
  if (s->h >= 0) interrupt_check(L, s->sched, "send_repeat", s);
  struct sending *m = bulk_new(L, SLOT_OPTIONS, "send_repeat", &s->wr, sizeof *m);
  read_end(L, &m->bulk);
  repeat_init(&m->repeat, lua_tostring(L, SLOT_DATA), lua_rawlen(L, SLOT_DATA),
              m->bulk.limit, m->bulk.seconds_ns);
  m->bulk.fini = fini_sending;
  read_method(L, &m->repeat);
  m->bulk.method = repeat_name(m->repeat.method);
  return send_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"discard",     discard_method    },
    {"send_repeat", send_repeat_method},
    {NULL,          NULL              },
};

void socket_bulk_methods(lua_State *L) {
  sched_functions(L, methods);
}
