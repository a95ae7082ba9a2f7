/* recvmsg: a message with what came beside its bytes. Descriptors become sockets at once, so
 * that none leaks, whatever fails in between. */
#include <errno.h>
#include <string.h>

#include "api/address.h"
#include "api/ancillary.h"
#include "api/args.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/control.h"

static void set_bool(lua_State *L, const char *field, bool value) {
  lua_pushboolean(L, value);
  lua_setfield(L, -2, field);
}

/* Slots: 1 the socket, 2 the size, 3 how many descriptors, 4 the flags, 5 the guard. */
enum { SLOT_SOCKET = 1, SLOT_SIZE, SLOT_MAX_FDS, SLOT_FLAGS, SLOT_GUARD };

enum { FDS_UNLESS_TOLD = 16 };

static const char *const guard_class = "net.received";

/* Handles that have come and are not sockets yet. It is made before they are received, and
 * closes those that are left when an error (of memory) stops the making of sockets. */
struct guard {
  struct net *net; /* borrowed */
  int count;
  net_h handles[CONTROL_FDS];
};

static int guard_close(lua_State *L) {
  struct guard *g = luaL_checkudata(L, 1, guard_class);
  while (g->count > 0) net_close(g->net, g->handles[--g->count]);
  return 0;
}

static struct guard *guard_push(lua_State *L, struct net *net, int max) {
  size_t size = offsetof(struct guard, handles) + (size_t)max * sizeof(net_h);
  struct guard *g = lua_newuserdatauv(L, size, 0);
  g->net = net;
  g->count = 0;
  luaL_setmetatable(L, guard_class);
  return g;
}

/* Sets `fds`: a socket for each handle of the guard, in order. */
static void set_fds(lua_State *L, struct socket *s, struct guard *g) {
  lua_createtable(L, g->count, 0);
  int last = g->count;
  for (int i = 1; i <= last; i++) {
    socket_new(L, s->sched, AF_UNSPEC, SOCK_STREAM);
    lua_rawseti(L, -2, i);
  }
  for (int i = last; i > 0; i--) {
    lua_rawgeti(L, -1, i);
    struct socket *taken = lua_touserdata(L, -1);
    socket_become(taken, g->handles[--g->count]);
    lua_pop(L, 1);
  }
  lua_setfield(L, -2, "fds");
}

static void push_message(lua_State *L, struct socket *s, struct msghdr *msg,
                         struct guard *g, bool lost) {
  struct addr from = {.len = msg->msg_namelen};
  struct cmsghdr *c = NULL;
  if (from.len > 0) memcpy(&from.u, msg->msg_name, from.len);
  lua_createtable(L, 0, 5);
  set_fds(L, s, g);
  set_bool(L, "truncated", msg->msg_flags & MSG_TRUNC);
  set_bool(L, "control_truncated", lost || msg->msg_flags & MSG_CTRUNC);
  while ((c = control_next(msg, c))) ancillary_set(L, c);
  if (from.len <= sizeof(sa_family_t)) return;
  address_push(L, s->sched, &from);
  lua_setfield(L, -2, "from");
}

/* One try. > 0 (for datagrams also 0): bytes, which lie in the scratch area; or a status. */
static ssize_t receive(struct socket *s, struct msghdr *msg, int flags, size_t *size) {
  struct net *net = s->sched->loop.net;
  if (socket_is_stream(s)) return stream_recvmsg(&s->stream, net, s->h, msg, flags);
  ssize_t r = net_recvmsg(net, s->h, msg, flags | MSG_TRUNC);
  if (r == 0 && s->type == SOCK_SEQPACKET) return STATUS_EOF;
  *size = r > 0 ? (size_t)r : 0; /* with MSG_TRUNC the true length (recv(2)) */
  return r > (ssize_t)msg->msg_iov->iov_len ? (ssize_t)msg->msg_iov->iov_len : r;
}

static int recvmsg_k(lua_State *L, int status, lua_KContext deadline);

static int recvmsg_wait(lua_State *L, struct socket *s, bool turn, int64_t deadline) {
  struct task_wait w = {"recvmsg", s, turn ? s->h : -1, NET_RD, deadline, 0, NULL};
  if (!turn) return task_queue(L, s->sched, &s->rd, &w, recvmsg_k);
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, recvmsg_k);
}

static int recvmsg_k(lua_State *L, int status, lua_KContext deadline) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct control control;
  struct addr from;
  struct iovec iov = {socket_scratch(L, s->sched), (size_t)lua_tointeger(L, SLOT_SIZE)};
  struct msghdr msg = {
      .msg_name = &from.u,
      .msg_namelen = sizeof from.u,
      .msg_iov = &iov,
      .msg_iovlen = 1,
      .msg_control = control.u.bytes,
      .msg_controllen = CONTROL_BYTES,
  };
  int max_fds = (int)lua_tointeger(L, SLOT_MAX_FDS);
  int flags = (int)lua_tointeger(L, SLOT_FLAGS);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "recvmsg", STATUS_CLOSED);
  lua_settop(L, SLOT_FLAGS);
  struct guard *g = guard_push(L, s->sched->loop.net, max_fds);
  bool turn = gate_open(&s->rd, s->sched), lost = false;
  size_t size = 0;
  ssize_t r = turn ? receive(s, &msg, flags, &size) : -EAGAIN;
  if (r >= 0) {
    g->count = control_take_fds(g->net, &msg, g->handles, max_fds, &lost);
    if (s->sched->current) gate_leave(s->sched->current);
    lua_pushlstring(L, s->sched->scratch, (size_t)r);
    push_message(L, s, &msg, g, lost);
    lua_pushinteger(L, (lua_Integer)(socket_is_stream(s) ? (size_t)r : size));
    lua_setfield(L, -2, "size");
    return task_step(L, s->sched, 2, (size_t)r);
  }
  if (r != -EAGAIN || flags & MSG_DONTWAIT)
    return socket_fail(L, SLOT_SOCKET, "recvmsg", (int)r);
  if (task_late(s->sched, deadline))
    return socket_fail(L, SLOT_SOCKET, "recvmsg", STATUS_TIMEOUT);
  return recvmsg_wait(L, s, turn, deadline);
}

/* sock:recvmsg([n [, maxfds [, flags]]]) -> data, message | nil, err, code. n is 65,535
 * unless told; maxfds 16 on Unix sockets, at most 253. message.fds are sockets, as fdopen
 * gives them; more than maxfds are closed.                                           [y] */
static int recvmsg_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (s->family == AF_UNSPEC) return luaL_error(L, "recvmsg: no socket; use recv");
  if (s->joined)
    return luaL_error(L, "recvmsg: UDP_GRO joins the datagrams of this socket; use "
                         "recvfrom or recv_many, which tell them apart");
  size_t n = lua_isnoneornil(L, SLOT_SIZE)
                 ? 65535
                 : args_size(L, SLOT_SIZE, socket_is_stream(s), SCRATCH_BYTES);
  size_t max_fds = s->family == AF_UNIX ? FDS_UNLESS_TOLD : 0;
  if (!lua_isnoneornil(L, SLOT_MAX_FDS))
    max_fds = args_size(L, SLOT_MAX_FDS, 0, CONTROL_FDS);
  int flags = socket_flags(L, SLOT_FLAGS, "recvmsg",
                           MSG_DONTWAIT | (socket_is_stream(s) ? 0 : MSG_PEEK));
  lua_settop(L, SLOT_SOCKET);
  lua_pushinteger(L, (lua_Integer)n);
  lua_pushinteger(L, (lua_Integer)max_fds);
  lua_pushinteger(L, flags);
  if (socket_has_connections(s)) socket_need_stream(L, s, "recvmsg");
  if (socket_is_stream(s)) socket_claim(L, s, "recvmsg");
  if (s->h >= 0) interrupt_check(L, s->sched, "recvmsg", s);
  return recvmsg_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"recvmsg", recvmsg_method},
    {NULL,      NULL          },
};

void socket_recvmsg_methods(lua_State *L) {
  luaL_newmetatable(L, guard_class);
  lua_pushcfunction(L, guard_close);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  sched_functions(L, methods);
}
