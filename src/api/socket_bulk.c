/* send_repeat and discard: streams of bytes that a script neither makes nor sees. The loop
 * is C (bulk.h); the task holds the direction's gate from the first byte to the last, so the
 * bytes of two senders never interleave and nobody else reads. */
#include <errno.h>

#include "api/args.h"
#include "api/bulk.h"
#include "api/socket.h"
#include "base/status.h"

/* The data is nil for discard. */
enum { SLOT_SOCKET = 1, SLOT_OPTIONS, SLOT_DATA, SLOT_MOVE };

/* What the two differ in. */
struct way {
  uint32_t what; /* NET_RD or NET_WR */
  /* Moves bytes by one system call: > 0, 0: the peer has ended, -EAGAIN or a status. */
  ssize_t (*move)(lua_State *L, struct socket *s, struct bulk *b);
  lua_KFunction k;
};

static struct gate *gate_of(struct socket *s, const struct way *way) {
  return way->what == NET_RD ? &s->rd : &s->wr;
}

/* Gives nil, err, code with the figures. */
static int move_failed(lua_State *L, struct bulk *b, const struct way *way, int status) {
  socket_failure(L, SLOT_SOCKET, b->op, status);
  if (way->what == NET_WR) {
    lua_pushinteger(L, (lua_Integer)b->bytes);
    lua_setfield(L, -3, "sent");
  }
  return bulk_failed(L, SLOT_MOVE);
}

/* Waits for the handle. */
static int wait_handle(lua_State *L, struct socket *s, struct bulk *b,
                       const struct way *way, int64_t deadline) {
  struct task_wait w = {b->op, s, s->h, way->what, deadline, bulk_wake_ns(b)};
  gate_enter(gate_of(s, way), s->sched);
  return task_await(L, s->sched, &w, way->k);
}

static int step_aside(lua_State *L, struct socket *s, struct bulk *b,
                      const struct way *way, int64_t deadline) {
  struct task_wait w = {b->op, s, s->h, way->what, deadline, 0};
  gate_enter(gate_of(s, way), s->sched);
  return task_yield(L, s->sched, &w, way->k);
}

static int wait_turn(lua_State *L, struct socket *s, struct bulk *b,
                     const struct way *way, int64_t deadline) {
  struct task_wait w = {b->op, s, -1, 0, deadline, 0};
  if (task_late(s->sched, deadline)) return move_failed(L, b, way, STATUS_TIMEOUT);
  return task_queue(L, s->sched, gate_of(s, way), &w, way->k);
}

/* Moves until it has to wait or has ended. on_tick may have closed the socket, or let others
 * in. */
static int move_on(lua_State *L, const struct way *way, int64_t deadline) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct bulk *b = lua_touserdata(L, SLOT_MOVE);
  for (;;) {
    if (s->h < 0) return move_failed(L, b, way, STATUS_CLOSED);
    if (!gate_open(gate_of(s, way), s->sched)) return wait_turn(L, s, b, way, deadline);
    switch (bulk_next(L, b, deadline)) {
    case BULK_TELL: bulk_tell(L, SLOT_MOVE, deadline, way->k); continue;
    case BULK_ASIDE: return step_aside(L, s, b, way, deadline);
    case BULK_LATE: return move_failed(L, b, way, STATUS_TIMEOUT);
    case BULK_END: return bulk_done(L, SLOT_MOVE);
    case BULK_MOVE: break;
    }
    ssize_t r = way->move(L, s, b);
    if (r == -EAGAIN) return wait_handle(L, s, b, way, deadline);
    if (r == 0 || r == STATUS_EOF) b->ended = "eof";
    if (r < 0 && r != STATUS_EOF) return move_failed(L, b, way, (int)r);
  }
}

/* --- discard -------------------------------------------------------------------------- */

static ssize_t discard_some(lua_State *L, struct socket *s, struct bulk *b) {
  if (s->sched->owed) socket_scratch(L, s->sched);
  bool held = buf_len(&s->stream.in) > 0;
  ssize_t r = stream_discard(&s->stream, s->sched->loop.net, s->h, bulk_left(b));
  if (r > 0 && held) b->bytes += (uint64_t)r;
  if (r > 0 && !held) bulk_moved(b, (size_t)r);
  return r;
}

static int discard_k(lua_State *L, int status, lua_KContext deadline) {
  static const struct way way = {NET_RD, discard_some, discard_k};
  (void)status;
  bulk_resume(lua_touserdata(L, SLOT_MOVE));
  return move_on(L, &way, deadline);
}

/* sock:discard([{seconds=, bytes=, on_tick=, every=}]) -> figures | nil, err, code. Receives
 * and forgets until the seconds are over, the bytes have come, or the peer has ended.   [y] */
static int discard_method(lua_State *L) {
  static const char *const names[] = {"bytes", "every", "on_tick", "seconds", NULL};
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s))
    return luaL_error(L, "discard: this is a datagram socket; use recv_many");
  lua_settop(L, SLOT_OPTIONS);
  lua_pushnil(L);
  if (!lua_isnil(L, SLOT_OPTIONS)) args_fields(L, SLOT_OPTIONS, names);
  socket_need_stream(L, s, "discard");
  socket_claim(L, s, "discard");
  if (s->h >= 0) interrupt_check(L, s->sched, "discard", s);
  bulk_new(L, SLOT_OPTIONS, "discard", &s->rd, sizeof(struct bulk));
  return discard_k(L, LUA_OK, socket_deadline(s));
}

/* --- send_repeat ---------------------------------------------------------------------- */

static ssize_t send_some(lua_State *L, struct socket *s, struct bulk *b) {
  size_t len;
  const char *data = lua_tolstring(L, SLOT_DATA, &len);
  size_t at = b->bytes % len, n = len - at;
  if (n > bulk_left(b)) n = bulk_left(b);
  ssize_t r = stream_send(&s->stream, s->sched->loop.net, s->h, data + at, n);
  if (r > 0) bulk_moved(b, (size_t)r);
  return r;
}

static int send_k(lua_State *L, int status, lua_KContext deadline) {
  static const struct way way = {NET_WR, send_some, send_k};
  (void)status;
  bulk_resume(lua_touserdata(L, SLOT_MOVE));
  return move_on(L, &way, deadline);
}

/* Exactly one of the options says when it ends. */
static void read_end(lua_State *L, struct bulk *b) {
  lua_Integer len = (lua_Integer)lua_rawlen(L, SLOT_DATA);
  lua_Integer count = bulk_option(L, SLOT_OPTIONS, "count");
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

/* sock:send_repeat(data, {seconds= | bytes= | count=, on_tick=, every=, method=}) -> figures
 * | nil, err, code. Sends the data again and again, as one stream.                     [y] */
static int send_repeat_method(lua_State *L) {
  static const char *const names[] = {"bytes",   "count",   "every", "method",
                                      "on_tick", "seconds", NULL};
  struct socket *s = socket_check(L, SLOT_SOCKET);
  size_t len;
  if (!socket_is_stream(s))
    return luaL_error(L, "send_repeat: this is a datagram socket; use send_many");
  luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len > 0, 2, "there is nothing to repeat: it is empty");
  args_fields(L, 3, names);
  lua_settop(L, 3);
  lua_rotate(L, 2, 1); /* the options, then the data */
  socket_need_stream(L, s, "send_repeat");
  if (s->h >= 0) interrupt_check(L, s->sched, "send_repeat", s);
  struct bulk *b = bulk_new(L, SLOT_OPTIONS, "send_repeat", &s->wr, sizeof *b);
  b->method = "send";
  read_end(L, b);
  return send_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"discard",     discard_method    },
    {"send_repeat", send_repeat_method},
    {NULL,          NULL              },
};

void socket_bulk_methods(lua_State *L) {
  lua_pushlightuserdata(L, sched_get(L));
  luaL_setfuncs(L, methods, 1);
}
