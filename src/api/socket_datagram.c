/* Datagrams: sendto, recvfrom, and send and recv on datagram sockets. One datagram is one
 * system call; it may be empty, and one that was cut says so by its size. */
#include <errno.h>

#include "api/address.h"
#include "api/args.h"
#include "api/buffer.h"
#include "api/lookup.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/datagrams.h"

/* Slots: 1 the socket, 2 the data or the size, 3 the address or nil, 4 the flags. */
enum { SLOT_SOCKET = 1, SLOT_DATA, SLOT_ADDRESS, SLOT_FLAGS };

enum { DATAGRAM_MAX = 65535 };

static void need_datagram(lua_State *L, struct socket *s, const char *op,
                          const char *instead) {
  if (s->h >= 0 && socket_is_stream(s))
    luaL_error(L, "%s: this is a stream socket; use %s", op, instead);
}

/* --- sending ---------------------------------------------------------------------------- */

static int send_failed(lua_State *L, struct socket *s, int status, const char *name) {
  if (s->h < 0 || lua_isnil(L, SLOT_ADDRESS))
    return socket_fail(L, SLOT_SOCKET, "send", s->h < 0 ? STATUS_CLOSED : status);
  if (s->sched->current) gate_leave(s->sched->current);
  const char *whom = name ? name : luaL_tolstring(L, SLOT_ADDRESS, NULL);
  return error_return(L, &(struct failure){"sendto", status, whom, socket_transport(s)});
}

static int sendto_k(lua_State *L, int status, lua_KContext deadline);

/* Makes a string of a buffer, which a wait does not hold then. */
static void copy_buffer(lua_State *L) {
  const struct buffer *b = buffer_at(L, SLOT_DATA);
  if (!b) return;
  lua_pushlstring(L, b->bytes, b->size);
  lua_replace(L, SLOT_DATA);
}

/* Waits for the turn or for room. */
static int send_wait(lua_State *L, struct socket *s, bool turn, int64_t deadline) {
  struct task_wait w = {"sendto", s, turn ? s->h : -1, NET_WR, deadline, 0, NULL};
  copy_buffer(L);
  if (!turn) return task_queue(L, s->sched, &s->wr, &w, sendto_k);
  gate_enter(&s->wr, s->sched);
  return task_await(L, s->sched, &w, sendto_k);
}

/* To the address object `to`, NULL: to the peer. */
static int send_once(lua_State *L, struct socket *s, const struct addr *to, bool late,
                     int64_t deadline) {
  int flags = lua_gettop(L) < SLOT_FLAGS ? 0 : (int)lua_tointeger(L, SLOT_FLAGS);
  bool may_wait = !late && !(flags & MSG_DONTWAIT);
  int in_vain = late ? STATUS_TIMEOUT : -EAGAIN;
  if (!gate_open(&s->wr, s->sched))
    return may_wait ? send_wait(L, s, false, deadline) : send_failed(L, s, in_vain, NULL);
  size_t len;
  struct addr mapped;
  const struct buffer *b = buffer_at(L, SLOT_DATA);
  const char *data = b ? b->bytes : lua_tolstring(L, SLOT_DATA, &len);
  if (b) len = b->size;
  if (to) to = address_for(to, s->family, &mapped);
  ssize_t n = net_sendto(s->sched->loop.net, s->h, data, len, to, flags);
  if (n == -EAGAIN && may_wait) return send_wait(L, s, true, deadline);
  if (n < 0) return send_failed(L, s, n == -EAGAIN ? in_vain : (int)n, NULL);
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushinteger(L, n);
  return task_step(L, s->sched, 1, (size_t)n);
}

static int sendto_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"sendto", 0, NULL, NULL};
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL);
  bool late = task_late(s->sched, deadline), named = !lua_isnil(L, SLOT_ADDRESS);
  int r = named ? lookup_resolve(L, SLOT_ADDRESS, &f) : 0;
  if (r == -EAGAIN && !late) {
    copy_buffer(L);
    return lookup_await(L, SLOT_ADDRESS, "sendto", deadline, sendto_k);
  }
  if (r < 0) return send_failed(L, s, r == -EAGAIN ? STATUS_TIMEOUT : r, f.address);
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL); /* by a __gc */
  return send_once(L, s, named ? address_at(L, SLOT_ADDRESS) : NULL, late, deadline);
}

/* sock:sendto(data, address) or sock:sendto(data, host, port) -> bytes | nil, err, code; the
 * data is a string or a buffer                                                       [y] */
static int sendto_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  const struct buffer *b = buffer_at(L, SLOT_DATA);
  if (b)
    buffer_need_still(L, b, "sendto");
  else
    luaL_checkstring(L, SLOT_DATA);
  need_datagram(L, s, "sendto", "connect and send");
  if (s->type == SOCK_SEQPACKET)
    return luaL_error(L, "sendto: this socket has one peer; use send");
  socket_address_arg(L, SLOT_ADDRESS, s, 0);
  lua_settop(L, SLOT_ADDRESS);
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, NULL);
  interrupt_check(L, s->sched, "sendto", s);
  int64_t deadline = socket_deadline(s);
  const struct addr *to = address_at(L, SLOT_ADDRESS);
  return to ? send_once(L, s, to, task_late(s->sched, deadline), deadline)
            : sendto_k(L, LUA_OK, deadline);
}

int socket_send_datagram(lua_State *L, struct socket *s, int flags) {
  lua_settop(L, SLOT_DATA);
  lua_pushnil(L);
  lua_pushinteger(L, flags);
  if (s->type == SOCK_SEQPACKET) {
    socket_need_stream(L, s, "send");
    socket_need_bytes(L, SLOT_DATA);
  }
  if (s->h >= 0) interrupt_check(L, s->sched, "send", s);
  return sendto_k(L, LUA_OK, socket_deadline(s));
}

/* --- receiving -------------------------------------------------------------------------- */

/* Pushes data, from, size. An unnamed Unix sender has no address: nil. */
static int deliver(lua_State *L, struct socket *s, ssize_t n, const struct addr *from,
                   size_t size) {
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushlstring(L, s->sched->scratch, (size_t)n);
  if (from->len > sizeof(sa_family_t))
    address_push(L, s->sched, from);
  else
    lua_pushnil(L);
  lua_pushinteger(L, (lua_Integer)size);
  return task_step(L, s->sched, 3, (size_t)n);
}

static int recvfrom_k(lua_State *L, int status, lua_KContext deadline);

/* Waits for the turn or for a datagram, with what is asked for in the slots. */
static int receive_wait(lua_State *L, struct socket *s, bool turn, size_t n, int flags,
                        int64_t deadline) {
  struct task_wait w = {"recvfrom", s, turn ? s->h : -1, NET_RD, deadline, 0, NULL};
  lua_settop(L, SLOT_SOCKET);
  lua_pushinteger(L, (lua_Integer)n);
  lua_pushnil(L);
  lua_pushinteger(L, flags);
  if (!turn) return task_queue(L, s->sched, &s->rd, &w, recvfrom_k);
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, recvfrom_k);
}

ssize_t socket_take_joined(struct socket *s, char *bytes, size_t n, struct addr *from,
                           size_t *size, int flags) {
  struct joined_room room = {bytes, n, 0, from};
  struct incoming *in = socket_incoming(s->sched);
  if (!in) return -ENOMEM;
  ssize_t r = joined_recvfrom(in, &s->stream.in, s->sched->loop.net, s->h, &room, flags);
  *size = room.size;
  return r;
}

/* Into the scratch area. */
static ssize_t take(lua_State *L, struct socket *s, size_t n, struct addr *from,
                    size_t *size, int flags) {
  char *bytes = socket_scratch(L, s->sched);
  if (s->joined) return socket_take_joined(s, bytes, n, from, size, flags);
  return net_recvfrom(s->sched->loop.net, s->h, bytes, n, from, size, flags);
}

static int receive(lua_State *L, struct socket *s, size_t n, int flags,
                   int64_t deadline) {
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "recvfrom", STATUS_CLOSED);
  bool turn = gate_open(&s->rd, s->sched);
  struct addr from;
  size_t size = 0;
  ssize_t r = turn ? take(L, s, n, &from, &size, flags) : -EAGAIN;
  if (r >= 0 && size == 0 && s->type == SOCK_SEQPACKET) r = STATUS_EOF;
  if (r >= 0) return deliver(L, s, r, &from, size);
  if (r != -EAGAIN || flags & MSG_DONTWAIT)
    return socket_fail(L, SLOT_SOCKET, "recvfrom", (int)r);
  if (task_late(s->sched, deadline))
    return socket_fail(L, SLOT_SOCKET, "recvfrom", STATUS_TIMEOUT);
  return receive_wait(L, s, turn, n, flags, deadline);
}

static int recvfrom_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  size_t n = (size_t)lua_tointeger(L, SLOT_DATA);
  return receive(L, s, n, (int)lua_tointeger(L, SLOT_FLAGS), deadline);
}

int socket_recv_datagram(lua_State *L, struct socket *s) {
  size_t n = lua_isnoneornil(L, SLOT_DATA) ? DATAGRAM_MAX
                                           : args_size(L, SLOT_DATA, 0, DATAGRAM_MAX);
  int flags =
      socket_flags(L, SLOT_DATA + 1, "recvfrom", MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL);
  lua_settop(L, SLOT_SOCKET);
  if (s->type == SOCK_SEQPACKET) socket_need_stream(L, s, "recv");
  if (s->joined) socket_refuse_finalizer(L, "recvfrom");
  if (s->h >= 0) interrupt_check(L, s->sched, "recvfrom", s);
  return receive(L, s, n, flags, socket_deadline(s));
}

/* sock:recvfrom([n [, flags]]) -> data, from, size | nil, err, code. n is 65,535 unless
 * told; a size above #data means that the datagram was cut (recvmsg(2), MSG_TRUNC).  [y] */
static int recvfrom_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  need_datagram(L, s, "recvfrom", "recv");
  return socket_recv_datagram(L, s);
}

static const luaL_Reg methods[] = {
    {"recvfrom", recvfrom_method},
    {"sendto",   sendto_method  },
    {NULL,       NULL           },
};

void socket_datagram_methods(lua_State *L) {
  sched_functions(L, methods);
}
