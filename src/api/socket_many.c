/* send_many and recv_many: many datagrams in one system call (net/datagrams.h). */
#include <errno.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/lookup.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/datagrams.h"

static void need_datagrams(lua_State *L, const struct socket *s, const char *op,
                           const char *instead) {
  if (s->type != SOCK_DGRAM)
    luaL_error(L, "%s: only a datagram socket has it; use %s", op, instead);
}

/* --- sending ---------------------------------------------------------------------------- */

/* Slots: 1 the socket, 2 a string or a list, 3 the address of all or nil, 4 a struct
 * sending. */
enum { SLOT_SOCKET = 1, SLOT_DATA, SLOT_ADDRESS, SLOT_SENDING };

enum { TURN_NS = 1000 * 1000 }; /* what the other tasks wait, at most */

/* How far a call has come. */
struct sending {
  size_t count, sent; /* datagrams of the call, and of those that went */
  size_t segment;     /* where one string is cut; 0: there is a list */
  uint64_t bytes, calls;
  int64_t aside_ns; /* when its turn is over */
  bool trains;      /* one went */
};

/* Raises about datagram `i`, whose part on top is wrong. Nobody holds the gate then. */
static int refuse(lua_State *L, const struct socket *s, const char *why, lua_Integer i) {
  if (s->sched->current) gate_leave(s->sched->current);
  return luaL_error(L, why, (LUAI_UACINT)i, luaL_typename(L, -1));
}

/* The address of a pair on top; NULL where neither it nor the call names one.
 *                                                                          [-0, +0, v] */
static const struct addr *pair_address(lua_State *L, const struct socket *s,
                                       lua_Integer i) {
  const struct addr *to = address_at(L, SLOT_ADDRESS);
  if (lua_rawgeti(L, -1, 2) != LUA_TNIL) {
    to = address_at(L, -1);
    if (!to)
      refuse(L, s,
             "send_many: the address of datagram %I is a %s; net.address and getaddrinfo "
             "make addresses",
             i);
    if (to && (s->family == AF_UNIX) != (addr_family(to) == AF_UNIX))
      refuse(L, s, "send_many: the address of datagram %I is not of this socket's family",
             i);
  }
  lua_pop(L, 1);
  return to;
}

/* The datagram `i` of the list, 1-based: borrowed from the list. Makes nothing in Lua, so
 * that no finalizer runs while bytes are borrowed.                        [-0, +0, v] */
static const char *item(lua_State *L, const struct socket *s, lua_Integer i, size_t *len,
                        const struct addr **to) {
  *to = address_at(L, SLOT_ADDRESS);
  if (lua_rawgeti(L, SLOT_DATA, i) == LUA_TTABLE) {
    *to = pair_address(L, s, i);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  if (lua_type(L, -1) != LUA_TSTRING)
    refuse(L, s, "send_many: datagram %I is a %s, not a string", i);
  const char *bytes = lua_tolstring(L, -1, len);
  lua_pop(L, 1);
  return bytes;
}

/* Puts what is next into `o`, as much as goes in one call. */
static void load(lua_State *L, const struct socket *s, const struct sending *m,
                 struct outgoing *o) {
  struct addr room;
  const struct addr *to = NULL;
  size_t len = 0;
  const char *bytes = m->segment ? lua_tolstring(L, SLOT_DATA, &len) : NULL;
  for (size_t i = m->sent; i < m->count; i++) {
    size_t at = i * m->segment, n = len - at;
    if (m->segment && n > m->segment) n = m->segment;
    if (m->segment) to = address_at(L, SLOT_ADDRESS);
    const char *datagram =
        m->segment ? bytes + at : item(L, s, (lua_Integer)i + 1, &n, &to);
    if (to) to = address_for(to, s->family, &room);
    if (!outgoing_add(o, datagram, n, to)) return;
  }
}

bool socket_knows_trains(struct socket *s) {
  if (s->family == AF_UNIX) return false;
  if (!s->sched->trains)
    s->sched->trains = trains_known(s->sched->loop.net, s->h) ? 1 : -1;
  return s->sched->trains > 0;
}

bool socket_may_couple(struct socket *s) {
  return !s->no_trains && socket_knows_trains(s);
}

/* One system call. How many datagrams went, at least one, or the status of the first. A
 * refused train goes again as single datagrams; what they meet too was not its fault. */
static int send_batch(lua_State *L, struct socket *s, struct sending *m) {
  struct outgoing o;
  outgoing_init(&o, m->count - m->sent > 1 && socket_may_couple(s));
  load(L, s, m, &o);
  int went = outgoing_send(&o, s->sched->loop.net, s->h, 0);
  if (outgoing_derailed(&o, went)) {
    s->no_trains = true;
    int single = send_batch(L, s, m);
    s->no_trains = single != went;
    return single;
  }
  if (went < 0) return went;
  m->trains |= o.trains[0].count > 1;
  m->calls++;
  m->bytes += outgoing_bytes(&o, went);
  m->sent += (size_t)went;
  return went;
}

static void set_integer(lua_State *L, const char *field, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, field);
}

static void push_figures(lua_State *L, const struct sending *m) {
  lua_createtable(L, 0, 4);
  set_integer(L, "datagrams", m->sent);
  set_integer(L, "bytes", m->bytes);
  set_integer(L, "calls", m->calls);
  lua_pushstring(L, m->trains ? "gso" : "sendmmsg");
  lua_setfield(L, -2, "method");
}

/* Pushes the address of the datagram that failed, or nil: the peer. */
static void push_whom(lua_State *L, const struct sending *m) {
  lua_pushvalue(L, SLOT_ADDRESS);
  if (m->segment || lua_rawgeti(L, SLOT_DATA, (lua_Integer)m->sent + 1) != LUA_TTABLE)
    return;
  if (lua_rawgeti(L, -1, 2) == LUA_TNIL) lua_pushvalue(L, SLOT_ADDRESS);
}

/* Gives nil, err, code; `name` NULL: the address is no name. */
static int send_failed(lua_State *L, struct socket *s, int status, const char *name) {
  struct sending *m = lua_touserdata(L, SLOT_SENDING);
  if (s->h < 0) status = STATUS_CLOSED;
  push_whom(L, m);
  if (s->h < 0 || (!address_at(L, -1) && !name)) {
    socket_failure(L, SLOT_SOCKET, "send_many", status);
  } else {
    if (s->sched->current) gate_leave(s->sched->current);
    const char *whom = name ? name : luaL_tolstring(L, -1, NULL);
    error_values(L, &(struct failure){"send_many", status, whom, socket_transport(s)});
  }
  lua_pushvalue(L, -2);
  set_integer(L, "sent", m->sent);
  set_integer(L, "index", m->sent + 1);
  push_figures(L, m);
  lua_setfield(L, -2, "figures");
  lua_pop(L, 1);
  return task_fail(L, s->sched);
}

static int send_many_k(lua_State *L, int status, lua_KContext deadline);

/* Waits for the turn among those that send. */
static int await_gate(lua_State *L, struct socket *s, int64_t deadline) {
  struct sending *m = lua_touserdata(L, SLOT_SENDING);
  struct task_wait w = {"send_many", s, -1, 0, deadline, 0, &m->sent};
  if (task_late(s->sched, deadline)) return send_failed(L, s, STATUS_TIMEOUT, NULL);
  return task_queue(L, s->sched, &s->wr, &w, send_many_k);
}

/* Waits for room, or lets the others have a turn. */
static int await_room(lua_State *L, struct socket *s, bool room, int64_t deadline) {
  struct sending *m = lua_touserdata(L, SLOT_SENDING);
  struct task_wait w = {"send_many", s, s->h, NET_WR, deadline, 0, &m->sent};
  if (task_late(s->sched, deadline)) return send_failed(L, s, STATUS_TIMEOUT, NULL);
  gate_enter(&s->wr, s->sched);
  return room ? task_yield(L, s->sched, &w, send_many_k)
              : task_await(L, s->sched, &w, send_many_k);
}

static int send_rest(lua_State *L, struct socket *s, int64_t deadline) {
  struct sending *m = lua_touserdata(L, SLOT_SENDING);
  uint64_t before = m->bytes;
  int64_t aside_ns = loop_now(&s->sched->loop) + TURN_NS;
  while (m->sent < m->count) {
    int r = send_batch(L, s, m);
    if (r == -EAGAIN) return await_room(L, s, false, deadline);
    if (r < 0) return send_failed(L, s, r, NULL);
    if (m->sent < m->count && loop_now(&s->sched->loop) >= aside_ns && s->sched->current)
      return await_room(L, s, true, deadline);
  }
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushinteger(L, (lua_Integer)m->sent);
  push_figures(L, m);
  return task_step(L, s->sched, 2, (size_t)(m->bytes - before));
}

static int send_many_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"send_many", 0, NULL, NULL};
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL);
  int r = lua_isnil(L, SLOT_ADDRESS) ? 0 : lookup_resolve(L, SLOT_ADDRESS, &f);
  if (r == -EAGAIN && !task_late(s->sched, deadline))
    return lookup_await(L, SLOT_ADDRESS, "send_many", deadline, send_many_k);
  if (r < 0) return send_failed(L, s, r == -EAGAIN ? STATUS_TIMEOUT : r, f.address);
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL); /* by a __gc */
  if (!gate_open(&s->wr, s->sched)) return await_gate(L, s, deadline);
  return send_rest(L, s, deadline);
}

/* How many datagrams there are; raises where one is none, before any is sent. */
static size_t count_items(lua_State *L, const struct socket *s, size_t segment) {
  size_t len, count;
  const struct addr *to;
  if (segment) return (lua_rawlen(L, SLOT_DATA) + segment - 1) / segment;
  count = lua_rawlen(L, SLOT_DATA);
  for (size_t i = 1; i <= count; i++) item(L, s, (lua_Integer)i, &len, &to);
  return count;
}

/* The size to cut at, or 0. */
static size_t segment_option(lua_State *L) {
  int is_integer = 1;
  lua_Integer n = 0;
  bool is_set = lua_getfield(L, SLOT_ADDRESS, "segment_bytes") != LUA_TNIL;
  if (is_set) n = lua_tointegerx(L, -1, &is_integer);
  if (is_set &&
      (lua_type(L, -1) != LUA_TNUMBER || !is_integer || n < 1 || n > TRAIN_BYTES))
    luaL_error(L, "send_many: segment_bytes is %s; a whole number from 1 to %d is needed",
               luaL_tolstring(L, -1, NULL), TRAIN_BYTES);
  lua_pop(L, 1);
  return (size_t)n;
}

/* Reads the options at slot 3: the address goes there. The size to cut at, or 0. */
static size_t read_options(lua_State *L, const struct socket *s) {
  static const char *const names[] = {"segment_bytes", "to", NULL};
  lua_settop(L, SLOT_ADDRESS);
  if (lua_isnil(L, SLOT_ADDRESS)) return 0;
  args_fields(L, SLOT_ADDRESS, names);
  size_t segment = segment_option(L);
  address_option(L, SLOT_ADDRESS, "send_many", s->family, s->type);
  lua_replace(L, SLOT_ADDRESS);
  return segment;
}

/* sock:send_many(list [, {to=}]) or sock:send_many(string, {segment_bytes= [, to=]})
 * -> count, figures | nil, err, code. A list holds strings or pairs {string, address}. All
 * of them or a failure: err.sent counts those that went, err.index is the next one.  [y] */
static int send_many_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  need_datagrams(L, s, "send_many", "send");
  bool is_list = lua_istable(L, SLOT_DATA);
  if (!is_list && lua_type(L, SLOT_DATA) != LUA_TSTRING)
    luaL_typeerror(L, SLOT_DATA, "list of strings, or string");
  size_t segment = read_options(L, s);
  luaL_argcheck(
      L, is_list || segment, SLOT_DATA,
      "one string needs segment_bytes; send and sendto send it as one datagram");
  luaL_argcheck(L, !is_list || !segment, SLOT_ADDRESS, "segment_bytes cuts one string");
  luaL_checkstack(L, 8, NULL);
  size_t count = count_items(L, s, segment);
  struct sending *m = lua_newuserdatauv(L, sizeof *m, 0);
  *m = (struct sending){.count = count, .segment = segment};
  if (s->h >= 0) interrupt_check_sent(L, s->sched, "send_many", s, &m->sent);
  return send_many_k(L, LUA_OK, socket_deadline(s));
}

/* --- receiving -------------------------------------------------------------------------- */

/* Slots: 1 the socket, 2 how many, 3 the flags; results: 4 the datagrams, 5 their senders,
 * 6 their sizes. */
enum { SLOT_N = 2, SLOT_FLAGS, SLOT_BYTES, SLOT_FROM, SLOT_SIZES };

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

struct incoming *socket_incoming(struct sched *sched) {
  if (!sched->incoming) sched->incoming = incoming_new();
  return sched->incoming;
}

/* One system call for as many as can be `n`: a joined message holds up to TRAIN_MAX. */
static int receive(struct socket *s, lua_Integer n, int flags) {
  struct incoming *in = socket_incoming(s->sched);
  if (!in) return -ENOMEM;
  int most = s->joined ? (int)(n / TRAIN_MAX) : (int)n;
  if (most < 1) most = 1;
  if (most > DATAGRAMS_MESSAGES) most = DATAGRAMS_MESSAGES;
  struct incoming_wish wish = {most, DATAGRAM_ROOM, s->joined, flags};
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
  need_datagrams(L, s, "recv_many", "recv");
  socket_refuse_finalizer(L, "recv_many");
  size_t n = lua_isnoneornil(L, SLOT_N) ? MANY : args_size(L, SLOT_N, 1, MANY_MAX);
  int flags = socket_flags(L, SLOT_FLAGS, "recv_many", MSG_DONTWAIT | MSG_NOSIGNAL);
  lua_settop(L, SLOT_SOCKET);
  lua_pushinteger(L, (lua_Integer)n);
  lua_pushinteger(L, flags);
  if (s->h >= 0) interrupt_check(L, s->sched, "recv_many", s);
  return recv_many_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"recv_many", recv_many_method},
    {"send_many", send_many_method},
    {NULL,        NULL            },
};

void socket_many_methods(lua_State *L) {
  sched_functions(L, methods);
}
