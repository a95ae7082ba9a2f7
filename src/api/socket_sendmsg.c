/* sendmsg: a message with what travels beside its bytes, which on Unix sockets are
 * descriptors and credentials (unix(7)). */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "api/address.h"
#include "api/args.h"
#include "api/lookup.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/control.h"

/* Slots: 1 the socket, 2 the data, 3 the descriptors (a list) or nil, 4 the address or nil,
 * 5 the flags, 6 whether credentials go too, 7 true once this call has waited for room. */
enum {
  SLOT_SOCKET = 1,
  SLOT_DATA,
  SLOT_FDS,
  SLOT_ADDRESS,
  SLOT_FLAGS,
  SLOT_CREDENTIALS,
  SLOT_WAITED,
};

static const int send_flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_DONTROUTE;

/* The descriptor that stands at `i` of the list; bytes that its socket has queued go first,
 * since the receiver may write to it too. */
static int descriptor_at(lua_State *L, struct net *net, int i) {
  lua_rawgeti(L, SLOT_FDS, i);
  lua_Integer fd = lua_tointeger(L, -1);
  if (!lua_isinteger(L, -1)) {
    struct socket *s = socket_at(L, -1);
    if (!s)
      return luaL_error(L, "sendmsg: fds[%d] is a %s, not a socket or a descriptor", i,
                        luaL_typename(L, -1));
    if (s->h < 0) return luaL_error(L, "sendmsg: fds[%d] is closed", i);
    s->adopted = true; /* from now on somebody else reads it too */
    net_flush(net, s->h);
    fd = s->h;
  }
  if (fd < 0 || fd > INT32_MAX) luaL_error(L, "sendmsg: fds[%d] is no descriptor", i);
  lua_pop(L, 1);
  return (int)fd;
}

static void put_control(lua_State *L, struct net *net, struct control *c) {
  int fds[CONTROL_FDS], count = 0;
  control_init(c);
  if (lua_istable(L, SLOT_FDS)) {
    count = (int)lua_rawlen(L, SLOT_FDS);
    for (int i = 0; i < count; i++) fds[i] = descriptor_at(L, net, i + 1);
  }
  if (count > 0) control_put(c, SOL_SOCKET, SCM_RIGHTS, fds, (size_t)count * sizeof *fds);
  if (!lua_toboolean(L, SLOT_CREDENTIALS)) return;
  struct ucred own = {getpid(), getuid(), getgid()};
  control_put(c, SOL_SOCKET, SCM_CREDENTIALS, &own, sizeof own);
}

/* One try: of a datagram, or of what is left of a stream's bytes. What travels beside them
 * goes with the first. */
static ssize_t send_once(lua_State *L, struct socket *s, struct addr *to) {
  struct net *net = s->sched->loop.net;
  struct control control;
  size_t len;
  const char *data = lua_tolstring(L, SLOT_DATA, &len);
  put_control(L, net, &control);
  bool first = !socket_is_stream(s) || s->sent == 0;
  size_t done = first ? 0 : s->sent;
  struct iovec iov = {(char *)data + done, len - done};
  struct msghdr msg = {
      .msg_name = to ? &to->u : NULL,
      .msg_namelen = to ? to->len : 0,
      .msg_iov = &iov,
      .msg_iovlen = 1,
      .msg_control = first && control.len ? control.u.bytes : NULL,
      .msg_controllen = first ? control.len : 0,
  };
  int flags = (int)lua_tointeger(L, SLOT_FLAGS);
  if (!socket_is_stream(s)) return net_sendmsg(net, s->h, &msg, flags);
  return stream_sendmsg(&s->stream, net, s->h, &msg, flags);
}

/* All of it: 0, with the count in s->sent, or a status. */
static int send_all(lua_State *L, struct socket *s, struct addr *to) {
  size_t len = lua_rawlen(L, SLOT_DATA);
  do {
    ssize_t r = send_once(L, s, to);
    if (r < 0) return (int)r;
    s->sent += (size_t)r;
  } while (socket_is_stream(s) && s->sent < len);
  return 0;
}

static int sendmsg_failed(lua_State *L, struct socket *s, int status, const char *name) {
  if (s->h < 0 || (lua_isnil(L, SLOT_ADDRESS) && !name))
    return socket_fail(L, SLOT_SOCKET, "sendmsg", s->h < 0 ? STATUS_CLOSED : status);
  if (s->sched->current) gate_leave(s->sched->current);
  const char *whom = name ? name : luaL_tolstring(L, SLOT_ADDRESS, NULL);
  return error_return(L, &(struct failure){"sendmsg", status, whom, socket_transport(s)});
}

static int sendmsg_k(lua_State *L, int status, lua_KContext deadline);

/* Waits for room or, without a handle, for the turn. */
static int sendmsg_wait(lua_State *L, struct socket *s, net_h h, int64_t deadline) {
  struct task_wait w = {"sendmsg", s, h, NET_WR, deadline, 0, NULL};
  if (h < 0) return task_queue(L, s->sched, &s->wr, &w, sendmsg_k);
  lua_settop(L, SLOT_CREDENTIALS);
  lua_pushboolean(L, 1);
  gate_enter(&s->wr, s->sched);
  return task_await(L, s->sched, &w, sendmsg_k);
}

static int sendmsg_k(lua_State *L, int status, lua_KContext deadline) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"sendmsg", 0, NULL, NULL};
  if (s->h < 0) return sendmsg_failed(L, s, STATUS_CLOSED, NULL);
  bool late = task_late(s->sched, deadline), named = !lua_isnil(L, SLOT_ADDRESS);
  bool may_wait = !late && !(lua_tointeger(L, SLOT_FLAGS) & MSG_DONTWAIT);
  int in_vain = late ? STATUS_TIMEOUT : -EAGAIN;
  int r = named ? lookup_resolve(L, SLOT_ADDRESS, &f) : 0;
  if (r == -EAGAIN && !late)
    return lookup_await(L, SLOT_ADDRESS, "sendmsg", deadline, sendmsg_k);
  if (r < 0) return sendmsg_failed(L, s, r == -EAGAIN ? in_vain : r, f.address);
  if (!gate_open(&s->wr, s->sched))
    return may_wait ? sendmsg_wait(L, s, -1, deadline)
                    : sendmsg_failed(L, s, in_vain, NULL);
  if (!lua_toboolean(L, SLOT_WAITED)) s->sent = 0;
  struct addr to;
  if (named) address_get(L, SLOT_ADDRESS, s->family, &to);
  r = send_all(L, s, named ? &to : NULL);
  if (r == -EAGAIN && may_wait) return sendmsg_wait(L, s, s->h, deadline);
  if (r < 0) return sendmsg_failed(L, s, r == -EAGAIN ? in_vain : r, NULL);
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushinteger(L, (lua_Integer)s->sent);
  return task_step(L, s->sched, 1, s->sent);
}

/* Copies the list, which the script may change while the task waits. */
static void copy_fds(lua_State *L, const struct socket *s) {
  if (lua_isnil(L, -1)) return;
  luaL_argcheck(L, lua_istable(L, -1), 3, "fds must be a list");
  lua_Integer n = luaL_len(L, -1);
  luaL_argcheck(L, n <= CONTROL_FDS, 3, "fds: a message carries 253 at most (unix(7))");
  luaL_argcheck(L, s->family == AF_UNIX, 3, "fds: only Unix sockets carry descriptors");
  luaL_argcheck(L, n <= 0 || lua_rawlen(L, SLOT_DATA) > 0 || !socket_is_stream(s), 2,
                "descriptors travel with at least one byte (unix(7))");
  lua_createtable(L, (int)n, 0);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_geti(L, -2, i);
    lua_rawseti(L, -2, i);
  }
  lua_remove(L, -2);
}

/* Spreads the options over the slots. */
static void read_options(lua_State *L, struct socket *s) {
  static const char *const names[] = {"credentials", "fds", "flags", "to", NULL};
  int options = SLOT_WAITED + 1; /* out of the way of the slots */
  lua_settop(L, SLOT_FDS);
  if (lua_isnil(L, SLOT_FDS))
    lua_newtable(L);
  else
    lua_pushvalue(L, SLOT_FDS);
  lua_replace(L, SLOT_FDS);
  args_fields(L, SLOT_FDS, names);
  lua_pushvalue(L, SLOT_FDS);
  while (lua_gettop(L) < options) {
    lua_pushnil(L);
    lua_insert(L, -2);
  }
  lua_getfield(L, options, "fds");
  copy_fds(L, s);
  lua_replace(L, SLOT_FDS);
  lua_getfield(L, options, "to");
  if (!lua_isnil(L, -1)) {
    luaL_argcheck(L, !socket_has_connections(s), 3, "to: this socket has one peer");
    socket_address_arg(L, lua_gettop(L), s, 0);
  }
  lua_replace(L, SLOT_ADDRESS);
  lua_getfield(L, options, "flags");
  lua_pushinteger(L, socket_flags(L, lua_gettop(L), "sendmsg", send_flags));
  lua_replace(L, SLOT_FLAGS);
  lua_settop(L, options);
  lua_getfield(L, options, "credentials");
  luaL_argcheck(L, !lua_toboolean(L, -1) || s->family == AF_UNIX, 3,
                "credentials: only Unix sockets carry them");
  lua_replace(L, SLOT_CREDENTIALS);
  lua_settop(L, SLOT_CREDENTIALS);
}

/* sock:sendmsg(data [, {fds=, credentials=, to=, flags=}]) -> bytes | nil, err, code. All of
 * it or a failure. The descriptors stay open here.                                   [y] */
static int sendmsg_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  luaL_checkstring(L, SLOT_DATA);
  if (s->family == AF_UNSPEC) return luaL_error(L, "sendmsg: no socket; use send");
  read_options(L, s);
  if (socket_has_connections(s)) socket_need_stream(L, s, "sendmsg");
  if (s->type == SOCK_SEQPACKET) socket_need_bytes(L, SLOT_DATA);
  if (s->h >= 0) interrupt_check(L, s->sched, "sendmsg", s);
  return sendmsg_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"sendmsg", sendmsg_method},
    {NULL,      NULL          },
};

void socket_sendmsg_methods(lua_State *L) {
  sched_functions(L, methods);
}
