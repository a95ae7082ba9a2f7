/* recv_into: a receive whose bytes go into a buffer of the script and become no string. On a
 * stream it is what recv is, one receive; on a datagram socket it takes one datagram. */
#include <errno.h>

#include "api/address.h"
#include "api/args.h"
#include "api/buffer.h"
#include "api/socket.h"
#include "base/status.h"

/* Slots: 1 the socket, 2 the buffer, 3 the offset of the first byte, 4 how many. */
enum { SLOT_SOCKET = 1, SLOT_BUFFER, SLOT_OFFSET, SLOT_COUNT };

static const char op[] = "recv_into";

/* What one receive gave. */
struct received {
  ssize_t n; /* bytes, or a status */
  struct addr from;
  size_t size; /* bytes of the datagram, which may have been cut */
};

static void receive(lua_State *L, struct socket *s, struct received *r) {
  struct net *net = s->sched->loop.net;
  char *bytes = buffer_check(L, SLOT_BUFFER)->bytes + lua_tointeger(L, SLOT_OFFSET);
  size_t n = (size_t)lua_tointeger(L, SLOT_COUNT);
  if (socket_is_stream(s)) {
    r->n = stream_recv(&s->stream, net, s->h, bytes, n);
    return;
  }
  r->n = s->joined ? socket_take_joined(s, bytes, n, &r->from, &r->size, 0)
                   : net_recvfrom(net, s->h, bytes, n, &r->from, &r->size, 0);
  if (r->n == 0 && r->size == 0 && s->type == SOCK_SEQPACKET) r->n = STATUS_EOF;
}

/* bytes; of a datagram also its sender, nil where it has no name, and its size. */
static int deliver(lua_State *L, struct socket *s, const struct received *r) {
  if (s->sched->current) gate_leave(s->sched->current);
  lua_settop(L, SLOT_COUNT);
  lua_pushinteger(L, r->n);
  if (socket_is_stream(s)) return task_step_large(L, s->sched, 1, (size_t)r->n);
  if (r->from.len > sizeof(sa_family_t))
    address_push(L, s->sched, &r->from);
  else
    lua_pushnil(L);
  lua_pushinteger(L, (lua_Integer)r->size);
  return task_step_large(L, s->sched, 3, (size_t)r->n);
}

static int recv_into_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct buffer *b = buffer_check(L, SLOT_BUFFER);
  struct task_wait w = {op, s, s->h, NET_RD, deadline, 0, NULL};
  struct received r = {.n = -EAGAIN};
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, op, STATUS_CLOSED);
  bool turn = gate_open(&s->rd, s->sched);
  socket_scratch(L, s->sched); /* bytes of this stream may be there */
  if (turn) receive(L, s, &r);
  if (r.n >= 0) return deliver(L, s, &r);
  if (r.n != -EAGAIN) return socket_fail(L, SLOT_SOCKET, op, (int)r.n);
  if (task_late(s->sched, deadline))
    return socket_fail(L, SLOT_SOCKET, op, STATUS_TIMEOUT);
  if (!turn) {
    w.h = -1;
    return task_queue_more(L, s->sched, &s->rd, &w, &b->receiver, recv_into_k);
  }
  gate_enter(&s->rd, s->sched);
  return task_await_more(L, s->sched, &w, &b->receiver, recv_into_k);
}

/* sock:recv_into(buffer [, at [, n]]) -> bytes | nil, err, code; on a datagram socket bytes,
 * from, size. From the position `at`, 1 unless told, up to n bytes, to the buffer's end
 * unless told.                                                                       [y] */
static int recv_into_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  const struct buffer *b = buffer_check(L, SLOT_BUFFER);
  size_t at = buffer_offset(L, SLOT_OFFSET, b->size), left = b->size - at;
  luaL_argcheck(L, left > 0, SLOT_OFFSET, "the buffer has no room there");
  size_t n = left;
  if (!lua_isnoneornil(L, SLOT_COUNT)) n = args_size(L, SLOT_COUNT, 1, (lua_Integer)left);
  lua_settop(L, SLOT_BUFFER);
  lua_pushinteger(L, (lua_Integer)at);
  lua_pushinteger(L, (lua_Integer)n);
  if (socket_has_connections(s)) socket_need_stream(L, s, op);
  if (socket_is_stream(s)) socket_claim(L, s, op);
  if (s->joined) socket_refuse_finalizer(L, op);
  buffer_need_idle(L, b, op);
  if (s->h >= 0) interrupt_check(L, s->sched, op, s);
  return recv_into_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"recv_into", recv_into_method},
    {NULL,        NULL            },
};

void socket_recv_into_methods(lua_State *L) {
  sched_functions(L, methods);
}
