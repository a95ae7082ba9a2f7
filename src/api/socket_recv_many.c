/* recv_many and recv_many_into: many datagrams in one system call (net/datagrams.h), as strings
 * or in a buffer of the script. */
#include <errno.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/buffer.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/datagrams.h"

void socket_need_datagrams(lua_State *L, const struct socket *s, const char *op,
                           const char *instead) {
  if (s->type != SOCK_DGRAM)
    luaL_error(L, "%s: only a datagram socket has it; use %s", op, instead);
}

struct incoming *socket_incoming(struct sched *sched) {
  if (!sched->incoming) sched->incoming = incoming_new();
  return sched->incoming;
}

/* --- as strings ------------------------------------------------------------------------- */

/* Slots: 1 the socket, 2 how many, 3 the flags; results: 4 the datagrams, 5 their senders,
 * 6 their sizes. */
enum { SLOT_SOCKET = 1, SLOT_N, SLOT_FLAGS, SLOT_BYTES, SLOT_FROM, SLOT_SIZES };

enum { MANY = 64, MANY_MAX = 1024 };

/* The results while they are made; often one sender has sent them all. */
struct received {
  lua_Integer count;
  struct addr from; /* of the last one */
};

static void put_sender(lua_State *L, struct socket *s, struct received *r,
                       const struct addr *from) {
  if (r->count > 1 && from->len == r->from.len &&
      !memcmp(&from->u, &r->from.u, from->len)) {
    lua_rawgeti(L, SLOT_FROM, r->count - 1);
  } else if (from->len > sizeof(sa_family_t)) {
    addr_copy(&r->from, from);
    address_push(L, s->sched, from);
  } else {
    r->from.len = 0;
    lua_pushboolean(L, 0);
  }
  lua_rawseti(L, SLOT_FROM, r->count);
}

static void put(lua_State *L, struct socket *s, struct received *r,
                const struct datagram *d) {
  r->count++;
  lua_pushlstring(L, d->bytes, d->len);
  lua_rawseti(L, SLOT_BYTES, r->count);
  put_sender(L, s, r, d->from);
  lua_pushinteger(L, (lua_Integer)d->size);
  lua_rawseti(L, SLOT_SIZES, r->count);
}

/* Makes the results of what is held and, where nothing is, of what has come. What is more
 * than `n` is held; without memory it is lost, as it would be in a full socket. */
static int deliver(lua_State *L, struct socket *s, struct incoming *in, lua_Integer n) {
  struct received r = {0};
  struct datagram d;
  struct addr from;
  struct buf *held = &s->stream.in;
  size_t bytes = 0;
  if (s->sched->current) gate_leave(s->sched->current);
  lua_settop(L, SLOT_FLAGS);
  for (int i = SLOT_BYTES; i <= SLOT_SIZES; i++)
    lua_createtable(L, in ? in->count : (int)n, 0);
  for (; !in && r.count < n && held_first(held, &d, &from); bytes += d.len) {
    put(L, s, &r, &d);
    if (s->h >= 0) held_drop(held); /* else a finalizer has closed it */
  }
  for (; in && r.count < n && incoming_next(in, &d); bytes += d.len) put(L, s, &r, &d);
  while (in && s->h >= 0 && incoming_next(in, &d) && held_put(held, &d) == 0) continue;
  return task_step(L, s->sched, 3, bytes);
}

static int recv_many_k(lua_State *L, int status, lua_KContext deadline);

/* Waits for a datagram, or for the turn among those that receive. */
static int await_some(lua_State *L, struct socket *s, bool turn, int64_t deadline) {
  struct task_wait w = {"recv_many", s, turn ? s->h : -1, NET_RD, deadline, 0, NULL};
  if (task_late(s->sched, deadline))
    return socket_fail(L, SLOT_SOCKET, "recv_many", STATUS_TIMEOUT);
  if (!turn) return task_queue(L, s->sched, &s->rd, &w, recv_many_k);
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, recv_many_k);
}

/* One system call for as many as can be `n`: a joined message holds up to TRAIN_MAX. */
static int receive(struct socket *s, lua_Integer n, int flags) {
  struct incoming *in = socket_incoming(s->sched);
  if (!in) return -ENOMEM;
  int most = s->joined ? (int)(n / TRAIN_MAX) : (int)n;
  if (most < 1) most = 1;
  if (most > DATAGRAMS_MESSAGES) most = DATAGRAMS_MESSAGES;
  struct incoming_wish wish = {most, DATAGRAM_ROOM, s->joined, flags, NULL};
  return incoming_receive(in, s->sched->loop.net, s->h, &wish);
}

static int recv_many_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  lua_Integer n = lua_tointeger(L, SLOT_N);
  int flags = (int)lua_tointeger(L, SLOT_FLAGS);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "recv_many", STATUS_CLOSED);
  bool turn = gate_open(&s->rd, s->sched);
  if (turn && buf_len(&s->stream.in) > 0) return deliver(L, s, NULL, n);
  int r = turn ? receive(s, n, flags) : -EAGAIN;
  if (r >= 0) return deliver(L, s, s->sched->incoming, n);
  if (r != -EAGAIN || flags & MSG_DONTWAIT)
    return socket_fail(L, SLOT_SOCKET, "recv_many", r);
  return await_some(L, s, turn, deadline);
}

/* sock:recv_many([n [, flags]]) -> datagrams, senders, sizes | nil, err, code. Waits for one
 * and takes what is there besides, up to n in all, 64 unless told. A size above that of the
 * string means that the datagram was cut, which only Unix sockets do.                [y] */
static int recv_many_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  socket_need_datagrams(L, s, "recv_many", "recv");
  socket_refuse_finalizer(L, "recv_many");
  size_t n = lua_isnoneornil(L, SLOT_N) ? MANY : args_size(L, SLOT_N, 1, MANY_MAX);
  int flags = socket_flags(L, SLOT_FLAGS, "recv_many", MSG_DONTWAIT | MSG_NOSIGNAL);
  lua_settop(L, SLOT_SOCKET);
  lua_pushinteger(L, (lua_Integer)n);
  lua_pushinteger(L, flags);
  if (s->h >= 0) interrupt_check(L, s->sched, "recv_many", s);
  return recv_many_k(L, LUA_OK, socket_deadline(s));
}

/* --- into a buffer ---------------------------------------------------------------------- */

/* Slots: 1 the socket, 2 the buffer, 3 the trains, 4 the bytes of a room, 5 the flags; when
 * something has come, the trains' lists. */
enum {
  SLOT_BUFFER = 2,
  SLOT_TRAINS,
  SLOT_ROOM,
  SLOT_INTO_FLAGS,
  SLOT_AT,
  SLOT_TRAIN_LENGTHS,
  SLOT_TRAIN_SIZES,
  SLOT_SEGMENT,
  SLOT_SENDER,
};

/* Puts the lists into their slots, those of an earlier call where there was one: they are
 * used again, and nothing becomes garbage. No metamethod runs: it could receive, and what
 * has come here would be lost. */
static void push_lists(lua_State *L) {
  static const char *const names[] = {"at", "bytes", "size", "segment_bytes", "from"};
  lua_settop(L, SLOT_INTO_FLAGS);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_pushstring(L, names[i]);
    if (lua_rawget(L, SLOT_TRAINS) == LUA_TTABLE) continue;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushstring(L, names[i]);
    lua_pushvalue(L, -2);
    lua_rawset(L, SLOT_TRAINS);
  }
}

static void set_integer(lua_State *L, int list, lua_Integer i, size_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_rawseti(L, list, i);
}

/* The sender: nearly always the one that stands there from the last time. */
static void set_sender(lua_State *L, struct socket *s, lua_Integer i,
                       const struct addr *from) {
  lua_rawgeti(L, SLOT_SENDER, i);
  const struct addr *had = address_at(L, -1);
  bool same = had && had->len == from->len && !memcmp(&had->u, &from->u, from->len);
  lua_pop(L, 1);
  if (same) return;
  if (from->len > sizeof(sa_family_t))
    address_push(L, s->sched, from);
  else
    lua_pushboolean(L, 0);
  lua_rawseti(L, SLOT_SENDER, i);
}

/* What a call has taken. */
struct taken {
  lua_Integer trains;
  size_t datagrams, bytes;
};

/* Notes where one lies. */
static void note(lua_State *L, struct socket *s, struct taken *t,
                 const struct arrival *a) {
  lua_Integer i = ++t->trains;
  t->datagrams += a->count;
  t->bytes += a->len;
  set_integer(L, SLOT_AT, i, a->at + 1);
  set_integer(L, SLOT_TRAIN_LENGTHS, i, a->len);
  set_integer(L, SLOT_TRAIN_SIZES, i, a->size);
  set_integer(L, SLOT_SEGMENT, i, a->segment);
  set_sender(L, s, i, a->from);
}

/* Copies what is held, datagram behind datagram, while the next one fits. */
static void take_held(lua_State *L, struct socket *s, struct taken *t) {
  struct buffer *b = buffer_check(L, SLOT_BUFFER);
  struct buf *held = &s->stream.in;
  struct datagram d;
  struct addr from;
  while (s->h >= 0 && t->trains < DATAGRAMS_MESSAGES && held_first(held, &d, &from)) {
    size_t room = b->size - t->bytes;
    if (t->trains > 0 && d.len > room) break;
    struct arrival a = {t->bytes, d.len < room ? d.len : room, d.size, d.size, 1, &from};
    memcpy(b->bytes + a.at, d.bytes, a.len);
    held_drop(held);
    note(L, s, t, &a);
  }
}

/* Gives what has come, which lies in the buffer, or what was held. */
static int deliver_into(lua_State *L, struct socket *s, bool held) {
  struct taken t = {0};
  struct arrival a;
  if (s->sched->current) gate_leave(s->sched->current);
  push_lists(L);
  if (held) take_held(L, s, &t);
  while (!held && incoming_next_message(s->sched->incoming, &a)) note(L, s, &t, &a);
  lua_pushliteral(L, "n");
  lua_pushinteger(L, t.trains);
  lua_rawset(L, SLOT_TRAINS);
  lua_pushinteger(L, (lua_Integer)t.datagrams);
  lua_pushinteger(L, (lua_Integer)t.bytes);
  lua_pushvalue(L, SLOT_TRAINS);
  return task_step_large(L, s->sched, 3, t.bytes);
}

/* One system call for as many messages as the buffer has rooms. */
static int receive_into(lua_State *L, struct socket *s, struct buffer *b, int flags) {
  size_t room = (size_t)lua_tointeger(L, SLOT_ROOM), n = b->size / room;
  struct incoming *in = socket_incoming(s->sched);
  if (!in) return -ENOMEM;
  if (n > DATAGRAMS_MESSAGES) n = DATAGRAMS_MESSAGES;
  struct incoming_wish wish = {(int)n, room, s->joined, flags, b->bytes};
  return incoming_receive(in, s->sched->loop.net, s->h, &wish);
}

static int recv_many_into_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  static const char op[] = "recv_many_into";
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct buffer *b = buffer_check(L, SLOT_BUFFER);
  int flags = (int)lua_tointeger(L, SLOT_INTO_FLAGS);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, op, STATUS_CLOSED);
  bool turn = gate_open(&s->rd, s->sched);
  if (turn && buf_len(&s->stream.in) > 0) return deliver_into(L, s, true);
  int r = turn ? receive_into(L, s, b, flags) : -EAGAIN;
  if (r >= 0) return deliver_into(L, s, false);
  if (r != -EAGAIN || flags & MSG_DONTWAIT) return socket_fail(L, SLOT_SOCKET, op, r);
  if (task_late(s->sched, deadline))
    return socket_fail(L, SLOT_SOCKET, op, STATUS_TIMEOUT);
  struct task_wait w = {op, s, turn ? s->h : -1, NET_RD, deadline, 0, NULL};
  if (!turn)
    return task_queue_more(L, s->sched, &s->rd, &w, &b->receiver, recv_many_into_k);
  gate_enter(&s->rd, s->sched);
  return task_await_more(L, s->sched, &w, &b->receiver, recv_many_into_k);
}

/* sock:recv_many_into(buffer [, trains [, room [, flags]]]) -> datagrams, bytes, trains | nil,
 * err, code. Waits for one message and takes what is there besides. The buffer is cut into
 * rooms, each for one message; the lists of trains, each of trains.n, tell what lies where.
 *                                                                                    [y] */
static int recv_many_into_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  socket_need_datagrams(L, s, "recv_many_into", "recv_into");
  socket_refuse_finalizer(L, "recv_many_into");
  const struct buffer *b = buffer_check(L, SLOT_BUFFER);
  luaL_argcheck(L, b->size > 0, SLOT_BUFFER, "the buffer has no room");
  lua_Integer room = b->size < DATAGRAM_ROOM ? (lua_Integer)b->size : DATAGRAM_ROOM;
  if (!lua_isnoneornil(L, SLOT_ROOM))
    room = (lua_Integer)args_size(L, SLOT_ROOM, 1, (lua_Integer)b->size);
  int flags =
      socket_flags(L, SLOT_INTO_FLAGS, "recv_many_into", MSG_DONTWAIT | MSG_NOSIGNAL);
  lua_settop(L, SLOT_TRAINS);
  if (lua_isnil(L, SLOT_TRAINS)) {
    lua_newtable(L);
    lua_replace(L, SLOT_TRAINS);
  }
  luaL_checktype(L, SLOT_TRAINS, LUA_TTABLE);
  luaL_checkstack(L, SLOT_SENDER, NULL);
  lua_pushinteger(L, room);
  lua_pushinteger(L, flags);
  buffer_need_idle(L, b, "recv_many_into");
  if (s->h >= 0) interrupt_check(L, s->sched, "recv_many_into", s);
  return recv_many_into_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"recv_many",      recv_many_method     },
    {"recv_many_into", recv_many_into_method},
    {NULL,             NULL                 },
};

void socket_recv_many_methods(lua_State *L) {
  sched_functions(L, methods);
}
