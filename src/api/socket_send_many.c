/* send_many: many datagrams in one system call (net/datagrams.h). */
#include <errno.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/buffer.h"
#include "api/lookup.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/datagrams.h"

/* Slots: 1 the socket, 2 a string, a buffer or a list, 3 the address of all or nil, 4 a
 * struct sending. */
enum { SLOT_SOCKET = 1, SLOT_DATA, SLOT_ADDRESS, SLOT_SENDING };

enum { TURN_NS = 1000 * 1000 }; /* what the other tasks wait, at most */

/* How far a call has come. */
struct sending {
  size_t count, sent; /* datagrams of the call, and of those that went */
  size_t segment;     /* where a block is cut; 0: there is a list */
  const char *block;  /* borrowed from slot 2 */
  size_t block_bytes;
  struct buffer *buffer; /* whose bytes the block is; NULL: a string's */
  struct task_more holder;
  bool buffers; /* the list has some */
  bool trains;  /* one went */
  uint64_t bytes, calls;
};

static struct sending *sending_of(lua_State *L) {
  return lua_touserdata(L, SLOT_SENDING);
}

static int hold(struct task_more *more) {
  list_entry(more, struct sending, holder)->buffer->senders++;
  return 0;
}

static void let_go(struct task_more *more) {
  list_entry(more, struct sending, holder)->buffer->senders--;
}

/* What a wait has to hold; NULL: nothing. */
static struct task_more *holder(struct sending *m) {
  return m->buffer ? &m->holder : NULL;
}

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

/* A datagram of the list, borrowed from it. */
struct item {
  const char *bytes;
  size_t len;
  bool is_buffer;
  const struct addr *to; /* NULL: the peer */
};

/* The datagram `i`, 1-based. Makes nothing in Lua, so that no finalizer runs while bytes are
 * borrowed.                                                               [-0, +0, v] */
static struct item item_at(lua_State *L, const struct socket *s, lua_Integer i) {
  struct item item = {.to = address_at(L, SLOT_ADDRESS)};
  if (lua_rawgeti(L, SLOT_DATA, i) == LUA_TTABLE) {
    item.to = pair_address(L, s, i);
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  const struct buffer *b = buffer_at(L, -1);
  item.is_buffer = b;
  if (b && b->receives)
    refuse(L, s, "send_many: datagram %I is a busy buffer: a recv_into waits with it", i);
  if (!b && lua_type(L, -1) != LUA_TSTRING)
    refuse(L, s, "send_many: datagram %I is a %s, not a string or a buffer", i);
  item.bytes = b ? b->bytes : lua_tolstring(L, -1, &item.len);
  if (b) item.len = b->size;
  lua_pop(L, 1);
  return item;
}

/* Replaces the list, of which `sent` have gone, by one without buffers: so a wait holds
 * none.                                                                   [-0, +0, m] */
static void copy_buffers(lua_State *L, const struct socket *s, struct sending *m) {
  if (!m->buffers) return;
  luaL_checkstack(L, 8, NULL);
  lua_createtable(L, (int)m->count, 0);
  for (lua_Integer i = (lua_Integer)m->sent + 1; i <= (lua_Integer)m->count; i++) {
    struct item item = item_at(L, s, i);
    bool is_pair = lua_rawgeti(L, SLOT_DATA, i) == LUA_TTABLE;
    if (item.is_buffer) {
      lua_pushlstring(L, item.bytes, item.len);
      if (is_pair) {
        lua_createtable(L, 2, 0);
        lua_insert(L, -2);
        lua_rawseti(L, -2, 1);
        lua_rawgeti(L, -2, 2);
        lua_rawseti(L, -2, 2);
      }
      lua_replace(L, -2);
    }
    lua_rawseti(L, -2, i);
  }
  lua_replace(L, SLOT_DATA);
  m->buffers = false;
}

/* Puts what is next into `o`, as much as goes in one call. */
static void load(lua_State *L, const struct socket *s, const struct sending *m,
                 struct outgoing *o) {
  struct addr room;
  if (m->segment) {
    const struct addr *to = address_at(L, SLOT_ADDRESS);
    if (to) to = address_for(to, s->family, &room);
    size_t at = m->sent * m->segment;
    outgoing_cut(o, m->block + at, m->block_bytes - at, m->segment, to);
    return;
  }
  for (size_t i = m->sent; i < m->count; i++) {
    struct item item = item_at(L, s, (lua_Integer)i + 1);
    if (item.to) item.to = address_for(item.to, s->family, &room);
    if (!outgoing_add(o, item.bytes, item.len, item.to)) return;
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
  struct sending *m = sending_of(L);
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
  struct sending *m = sending_of(L);
  struct task_wait w = {"send_many", s, -1, 0, deadline, 0, &m->sent};
  if (task_late(s->sched, deadline)) return send_failed(L, s, STATUS_TIMEOUT, NULL);
  copy_buffers(L, s, m);
  return task_queue_more(L, s->sched, &s->wr, &w, holder(m), send_many_k);
}

/* Waits for room, or lets the others have a turn. */
static int await_room(lua_State *L, struct socket *s, bool room, int64_t deadline) {
  struct sending *m = sending_of(L);
  if (task_late(s->sched, deadline)) return send_failed(L, s, STATUS_TIMEOUT, NULL);
  copy_buffers(L, s, m);
  gate_enter(&s->wr, s->sched);
  struct task_wait w = {"send_many", s, s->h, NET_WR, deadline, 0, &m->sent};
  return room ? task_yield_more(L, s->sched, &w, holder(m), send_many_k)
              : task_await_more(L, s->sched, &w, holder(m), send_many_k);
}

/* Waits for what a name means. */
static int await_address(lua_State *L, struct socket *s, int64_t deadline) {
  struct sending *m = sending_of(L);
  struct task_wait w = {"send_many", s, -1, 0, deadline, 0, &m->sent};
  copy_buffers(L, s, m);
  return lookup_await_more(L, SLOT_ADDRESS, &w, holder(m), send_many_k);
}

static int send_rest(lua_State *L, struct socket *s, int64_t deadline) {
  struct sending *m = sending_of(L);
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
  return task_step_large(L, s->sched, 2, (size_t)(m->bytes - before));
}

static int send_many_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"send_many", 0, NULL, NULL};
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL);
  int r = lua_isnil(L, SLOT_ADDRESS) ? 0 : lookup_resolve(L, SLOT_ADDRESS, &f);
  if (r == -EAGAIN && !task_late(s->sched, deadline))
    return await_address(L, s, deadline);
  if (r < 0) return send_failed(L, s, r == -EAGAIN ? STATUS_TIMEOUT : r, f.address);
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL); /* by a __gc */
  if (!gate_open(&s->wr, s->sched)) return await_gate(L, s, deadline);
  return send_rest(L, s, deadline);
}

/* Notes how many datagrams there are; raises where one is none, before any is sent. */
static void count_items(lua_State *L, const struct socket *s, struct sending *m) {
  m->count = lua_rawlen(L, SLOT_DATA);
  for (size_t i = 1; i <= m->count; i++)
    m->buffers |= item_at(L, s, (lua_Integer)i).is_buffer;
}

/* The whole number `name` of the options, from `min` to `max`. */
static lua_Integer option(lua_State *L, const char *name, lua_Integer otherwise,
                          lua_Integer min, lua_Integer max) {
  int is_integer = 1;
  lua_Integer n = otherwise;
  bool is_set = lua_getfield(L, SLOT_ADDRESS, name) != LUA_TNIL;
  if (is_set) n = lua_tointegerx(L, -1, &is_integer);
  if (is_set && (lua_type(L, -1) != LUA_TNUMBER || !is_integer || n < min || n > max))
    luaL_error(L, "send_many: %s is %s; a whole number from %I to %I is needed", name,
               luaL_tolstring(L, -1, NULL), (LUAI_UACINT)min, (LUAI_UACINT)max);
  lua_pop(L, 1);
  return n;
}

/* Notes the block, a string or a buffer, of which first and last may name a part. */
static void read_block(lua_State *L, struct sending *m) {
  m->buffer = buffer_at(L, SLOT_DATA);
  if (m->buffer) {
    buffer_need_still(L, m->buffer, "send_many");
    m->block = m->buffer->bytes;
    m->block_bytes = m->buffer->size;
  } else {
    m->block = lua_tolstring(L, SLOT_DATA, &m->block_bytes);
  }
  if (lua_isnil(L, SLOT_ADDRESS)) return;
  lua_Integer size = (lua_Integer)m->block_bytes;
  lua_Integer first = option(L, "first", 1, 1, size + 1);
  lua_Integer last = option(L, "last", size, first - 1, size);
  m->block += first - 1;
  m->block_bytes = (size_t)(last - first + 1);
}

/* Reads the options at slot 3: the address goes there. */
static void read_options(lua_State *L, const struct socket *s, bool is_list,
                         struct sending *m) {
  static const char *const of_block[] = {"first", "last", "segment_bytes", "to", NULL};
  static const char *const of_list[] = {"segment_bytes", "to", NULL};
  bool has = !lua_isnil(L, SLOT_ADDRESS);
  if (has) args_fields(L, SLOT_ADDRESS, is_list ? of_list : of_block);
  if (has) m->segment = (size_t)option(L, "segment_bytes", 0, 1, TRAIN_BYTES);
  luaL_argcheck(L, is_list || m->segment, SLOT_DATA,
                "one block needs segment_bytes; send and sendto send it as one datagram");
  luaL_argcheck(L, !is_list || !m->segment, SLOT_ADDRESS, "segment_bytes cuts one block");
  if (!is_list) read_block(L, m);
  if (!has) return;
  socket_address_option(L, SLOT_ADDRESS, s, "send_many");
  lua_replace(L, SLOT_ADDRESS);
}

/* sock:send_many(list [, {to=}]) or sock:send_many(block, {segment_bytes= [, to=, first=,
 * last=]}) -> count, figures | nil, err, code. A block is a string or a buffer; a list holds
 * such, or pairs of one and an address. All of them or a failure: err.sent counts those that
 * went, err.index is the next one.                                                   [y] */
static int send_many_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  socket_need_datagrams(L, s, "send_many", "send");
  bool is_list = lua_istable(L, SLOT_DATA);
  if (!is_list && lua_type(L, SLOT_DATA) != LUA_TSTRING && !buffer_at(L, SLOT_DATA))
    luaL_typeerror(L, SLOT_DATA, "list, string or buffer");
  luaL_checkstack(L, 8, NULL);
  lua_settop(L, SLOT_ADDRESS);
  struct sending *m = lua_newuserdatauv(L, sizeof *m, 0);
  *m = (struct sending){
      .holder = {hold, let_go}
  };
  read_options(L, s, is_list, m);
  if (is_list)
    count_items(L, s, m);
  else
    m->count = (m->block_bytes + m->segment - 1) / m->segment;
  if (s->h >= 0) interrupt_check_sent(L, s->sched, "send_many", s, &m->sent);
  return send_many_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"send_many", send_many_method},
    {NULL,        NULL            },
};

void socket_send_many_methods(lua_State *L) {
  sched_functions(L, methods);
}
