/* send, write and send_some on streams. The task that sends holds the socket's sending
 * gate while it waits for room, so the bytes of two sends never interleave. */
#include <errno.h>

#include "api/socket.h"
#include "base/status.h"

/* Slots: 1 the socket, 2 the bytes, 3 the flags, 4 true once this call has waited for room:
 * from then on the gate and the count of sent bytes are its own. */
enum { SLOT_SOCKET = 1, SLOT_DATA, SLOT_FLAGS, SLOT_WAITED };

/* Flags that the backend's queue stands for already. */
enum { PLAIN_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL };

/* Makes one string of what stands in slot 2: a string, a number or a list of them. */
static void read_data(lua_State *L) {
  lua_settop(L, SLOT_DATA);
  if (lua_type(L, SLOT_DATA) != LUA_TTABLE) {
    luaL_checkstring(L, SLOT_DATA);
    return;
  }
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  lua_Integer n = luaL_len(L, SLOT_DATA);
  for (lua_Integer i = 1; i <= n; i++) {
    if (lua_geti(L, SLOT_DATA, i) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
      luaL_error(L, "send: fragment %I is a %s, not a string", (LUAI_UACINT)i,
                 luaL_typename(L, -1));
    luaL_addvalue(&b);
  }
  luaL_pushresult(&b);
  lua_replace(L, SLOT_DATA);
}

/* Gives nil, err, code, where err.sent counts what had been handed over. */
static int send_failed(lua_State *L, struct socket *s, int status, size_t sent) {
  socket_failure(L, SLOT_SOCKET, "send", status);
  lua_pushinteger(L, (lua_Integer)sent);
  lua_setfield(L, -3, "sent");
  return task_fail(L, s->sched);
}

static int wait_turn(lua_State *L, struct socket *s, int64_t deadline, lua_KFunction k) {
  struct task_wait w = {"send", s, -1, 0, deadline, 0};
  if (task_late(s->sched, deadline)) return send_failed(L, s, STATUS_TIMEOUT, 0);
  return task_queue(L, s->sched, &s->wr, &w, k);
}

static int wait_room(lua_State *L, struct socket *s, int64_t deadline, lua_KFunction k) {
  struct task_wait w = {"send", s, s->h, NET_WR, deadline, 0};
  gate_enter(&s->wr, s->sched);
  return task_await(L, s->sched, &w, k);
}

/* Sends once; flags go with a message, which passes after what is queued. */
static ssize_t send_piece(struct socket *s, const char *data, size_t n, int flags) {
  struct net *net = s->sched->loop.net;
  struct iovec iov = {(char *)data, n};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (!(flags & ~PLAIN_FLAGS)) return stream_send(&s->stream, net, s->h, data, n);
  return stream_sendmsg(&s->stream, net, s->h, &msg, flags);
}

/* Sends from slot 2 what has not been sent. 0 when all is, else a status. */
static ssize_t send_rest(lua_State *L, struct socket *s, bool all) {
  size_t len;
  const char *data = lua_tolstring(L, SLOT_DATA, &len);
  int flags = (int)lua_tointeger(L, SLOT_FLAGS);
  if (s->stream.wr_status < 0) return s->stream.wr_status;
  while (s->sent < len) {
    struct net *net = s->sched->loop.net;
    const char *rest = data + s->sent;
    ssize_t r = all ? send_piece(s, rest, len - s->sent, flags)
                    : stream_send_now(&s->stream, net, s->h, rest, len - s->sent);
    if (r < 0) return r;
    s->sent += (size_t)r;
    if (!all) break;
  }
  return 0;
}

static int sent(lua_State *L, struct socket *s) {
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushinteger(L, (lua_Integer)s->sent);
  return task_step(L, s->sched, 1, s->sent);
}

static int continue_send(lua_State *L, bool all, int64_t deadline, lua_KFunction k) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  bool waited = lua_toboolean(L, SLOT_WAITED);
  bool dont_wait = lua_tointeger(L, SLOT_FLAGS) & MSG_DONTWAIT;
  if (s->h < 0) return send_failed(L, s, STATUS_CLOSED, waited ? s->sent : 0);
  if (!gate_open(&s->wr, s->sched))
    return dont_wait ? send_failed(L, s, -EAGAIN, 0) : wait_turn(L, s, deadline, k);
  if (!waited) s->sent = 0;
  ssize_t r = send_rest(L, s, all);
  if (r == -EAGAIN && dont_wait) {
    if (s->sent == 0) return send_failed(L, s, -EAGAIN, 0);
    r = 0;
  }
  if (r == -EAGAIN && !task_late(s->sched, deadline)) {
    lua_settop(L, SLOT_FLAGS);
    lua_pushboolean(L, 1);
    return wait_room(L, s, deadline, k);
  }
  if (r < 0) return send_failed(L, s, r == -EAGAIN ? STATUS_TIMEOUT : (int)r, s->sent);
  return sent(L, s);
}

static int send_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  return continue_send(L, true, deadline, send_k);
}

static int send_some_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  return continue_send(L, false, deadline, send_some_k);
}

static void begin(lua_State *L, struct socket *s, int flags) {
  read_data(L);
  lua_pushinteger(L, flags);
  if (s->h < 0) return;
  socket_need_stream(L, s, "send");
  interrupt_check(L, s->sched, "send", s);
}

/* What nearly every send is: a string that the stream takes as a whole. False when it is
 * not, with what was taken in s->sent. */
static bool send_at_once(lua_State *L, struct socket *s, size_t *len) {
  const char *data = lua_tolstring(L, SLOT_DATA, len);
  ssize_t r = stream_send(&s->stream, s->sched->loop.net, s->h, data, *len);
  s->sent = r > 0 ? (size_t)r : 0;
  return s->sent == *len;
}

/* sock:send(data | {fragments} [, flags]) -> bytes | nil, err, code. All of it or a failure,
 * whose err.sent counts what had gone; with MSG_DONTWAIT what goes at once. On a datagram
 * socket: one datagram.                                                              [y] */
static int send_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  bool stream = socket_is_stream(s);
  int flags = socket_flags(L, SLOT_FLAGS, "send",
                           PLAIN_FLAGS | MSG_MORE | MSG_DONTROUTE |
                               (stream ? MSG_OOB : MSG_CONFIRM));
  if (!stream) {
    read_data(L);
    return socket_send_datagram(L, s, flags);
  }
  size_t len = 0;
  bool plain = !flags && lua_type(L, SLOT_DATA) == LUA_TSTRING &&
               gate_open(&s->wr, s->sched) && s->h >= 0 && lua_rawlen(L, SLOT_DATA) > 0;
  begin(L, s, flags);
  if (!plain) return send_k(L, LUA_OK, socket_deadline(s));
  if (send_at_once(L, s, &len)) return sent(L, s);
  lua_pushboolean(L, 1); /* what was taken is this call's, as after a wait */
  return send_k(L, LUA_OK, socket_deadline(s));
}

/* sock:send_some(data) -> bytes that the kernel took, at least one | nil, err, code  [y] */
static int send_some_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s))
    return luaL_error(L, "send_some: a datagram goes as a whole; use send or sendto");
  begin(L, s, 0);
  return send_some_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"send",      send_method     },
    {"send_some", send_some_method},
    {"write",     send_method     },
    {NULL,        NULL            },
};

void socket_send_methods(lua_State *L) {
  sched_functions(L, methods);
}
