/* send, write and send_some on streams. The task that sends holds the socket's sending
 * gate while it waits for room, so the bytes of two sends never interleave. */
#include <errno.h>
#include <string.h>

#include "api/fragments.h"
#include "api/socket.h"
#include "base/status.h"
#include "net/outq.h"

/* Slots: 1 the socket; 2 the bytes: a string or fragments; 3 the flags; 4 true once this call
 * has handed over or waited for room: from then on the gate and the count of sent bytes are
 * its own. */
enum { SLOT_SOCKET = 1, SLOT_DATA, SLOT_FLAGS, SLOT_WAITED };

/* Arguments of send(buffer, i, j, flags). */
enum { ARG_FIRST = 3, ARG_BUFFER_FLAGS = 5 };

/* Flags that the backend's queue stands for already. */
enum { PLAIN_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL };

/* --- what is sent ----------------------------------------------------------------------- */

/* The bytes of a send in one piece; NULL where they are fragments. */
struct piece {
  const char *bytes;
  size_t len;
};

/* Makes one string of what stands in slot 2: a string, a number, a buffer or a list. */
static void make_string(lua_State *L) {
  const struct buffer *b = buffer_at(L, SLOT_DATA);
  if (b) {
    struct run run = buffer_run(L, ARG_FIRST, b->size);
    buffer_need_still(L, b, "send");
    lua_pushlstring(L, b->bytes + run.at, run.n);
    lua_replace(L, SLOT_DATA);
  }
  lua_settop(L, SLOT_DATA);
  if (lua_type(L, SLOT_DATA) != LUA_TTABLE) {
    luaL_checkstring(L, SLOT_DATA);
    return;
  }
  lua_Integer n = fragments_count(L, SLOT_DATA);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    lua_geti(L, SLOT_DATA, i);
    const char *bytes = fragments_bytes(L, i, &len);
    if (buffer_at(L, -1)) {
      lua_pushlstring(L, bytes, len);
      lua_replace(L, -2);
    }
    luaL_addvalue(&text);
  }
  luaL_pushresult(&text);
  lua_replace(L, SLOT_DATA);
}

/* Copies the fragments of the list in slot 2, one behind the other. False when they are more
 * than OUTQ_SMALL_BYTES, or when metamethods, which are called once only, play the list. */
static bool gather(lua_State *L, char small[OUTQ_SMALL_BYTES], size_t *total) {
  if (lua_getmetatable(L, SLOT_DATA)) return false;
  lua_Integer n = (lua_Integer)lua_rawlen(L, SLOT_DATA);
  if (n == 0) fragments_count(L, SLOT_DATA); /* raises for a table of fields */
  *total = 0;
  for (lua_Integer i = 1; i <= n; i++) {
    size_t len;
    lua_rawgeti(L, SLOT_DATA, i);
    const char *bytes = fragments_bytes(L, i, &len);
    if (len > OUTQ_SMALL_BYTES - *total) return false;
    memcpy(small + *total, bytes, len);
    *total += len;
    lua_pop(L, 1);
  }
  return true;
}

/* Reads the argument of a send that a stream's queue may take; `small` is where the bytes of
 * a short list go. A longer one becomes fragments in slot 2. */
static struct piece read_piece(lua_State *L, char small[OUTQ_SMALL_BYTES]) {
  struct piece p = {NULL, 0};
  const struct buffer *b = buffer_at(L, SLOT_DATA);
  if (b) {
    struct run run = buffer_run(L, ARG_FIRST, b->size);
    buffer_need_still(L, b, "send");
    p = (struct piece){b->bytes + run.at, run.n};
  }
  lua_settop(L, SLOT_DATA);
  if (b) return p;
  if (lua_type(L, SLOT_DATA) != LUA_TTABLE) {
    p.bytes = luaL_checklstring(L, SLOT_DATA, &p.len);
    return p;
  }
  size_t len;
  if (gather(L, small, &len)) return (struct piece){small, len};
  lua_settop(L, SLOT_DATA);
  fragments_of_list(L, SLOT_DATA);
  return p;
}

/* Makes of the piece, of which so many bytes were taken, what a send can wait with. */
static void keep_piece(lua_State *L, struct piece p, size_t taken) {
  const struct buffer *b = buffer_at(L, SLOT_DATA);
  if (b) {
    size_t at = (size_t)(p.bytes - b->bytes) + taken;
    fragments_of_buffer(L, SLOT_DATA, (struct run){at, p.len - taken});
  } else if (lua_istable(L, SLOT_DATA)) {
    lua_pushlstring(L, p.bytes, p.len);
    lua_replace(L, SLOT_DATA);
  }
}

/* --- the one operation ------------------------------------------------------------------ */

static const size_t nothing = 0; /* sent */

/* Gives nil, err, code, where err.sent counts what had been handed over. */
static int send_failed(lua_State *L, struct socket *s, int status, size_t sent) {
  socket_failure(L, SLOT_SOCKET, "send", status);
  lua_pushinteger(L, (lua_Integer)sent);
  lua_setfield(L, -3, "sent");
  return task_fail(L, s->sched);
}

/* The buffers that a wait has to hold; NULL: a string needs none. */
static struct task_more *holder(lua_State *L) {
  struct fragments *f = fragments_at(L, SLOT_DATA);
  return f ? fragments_holder(f) : NULL;
}

static int wait_turn(lua_State *L, struct socket *s, int64_t deadline, lua_KFunction k) {
  struct task_wait w = {"send", s, -1, 0, deadline, 0, &nothing};
  if (task_late(s->sched, deadline)) return send_failed(L, s, STATUS_TIMEOUT, 0);
  return task_queue_more(L, s->sched, &s->wr, &w, holder(L), k);
}

static int wait_room(lua_State *L, struct socket *s, int64_t deadline, lua_KFunction k) {
  struct task_wait w = {"send", s, s->h, NET_WR, deadline, 0, &s->sent};
  gate_enter(&s->wr, s->sched);
  return task_await_more(L, s->sched, &w, holder(L), k);
}

/* Sends once; flags go with a message, which passes after what is queued. */
static ssize_t send_piece(struct socket *s, const char *data, size_t n, int flags) {
  struct net *net = s->sched->loop.net;
  struct iovec iov = {(char *)data, n};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  if (!(flags & ~PLAIN_FLAGS)) return stream_send(&s->stream, net, s->h, data, n);
  return stream_sendmsg(&s->stream, net, s->h, &msg, flags);
}

/* Sends from slot 2 what has not been sent, or, unless `all` is asked for, once. 0 when that
 * is done, else a status. */
static ssize_t send_string(lua_State *L, struct socket *s, bool all) {
  size_t len;
  const char *data = lua_tolstring(L, SLOT_DATA, &len);
  int flags = (int)lua_tointeger(L, SLOT_FLAGS);
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

static ssize_t send_fragments(struct socket *s, struct fragments *f, bool all) {
  while (fragments_left(f)) {
    ssize_t r = fragments_send(f, &s->stream, s->sched->loop.net, s->h, !all);
    if (r < 0) return r;
    s->sent += (size_t)r;
    if (!all) break;
  }
  return 0;
}

static ssize_t send_rest(lua_State *L, struct socket *s, bool all) {
  struct fragments *f = fragments_at(L, SLOT_DATA);
  if (s->stream.wr_status < 0) return s->stream.wr_status;
  return f ? send_fragments(s, f, all) : send_string(L, s, all);
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

/* The data is in its slot. */
static void begin(lua_State *L, struct socket *s, int flags) {
  lua_pushinteger(L, flags);
  if (s->h < 0) return;
  socket_need_stream(L, s, "send");
  interrupt_check_sent(L, s->sched, "send", s, &nothing);
}

/* What nearly every send is: one piece that the stream takes as a whole. 0 with what was
 * taken in s->sent, or a status: the error of a queued send is told once. */
static int send_at_once(struct socket *s, struct piece p) {
  ssize_t r = stream_send(&s->stream, s->sched->loop.net, s->h, p.bytes, p.len);
  s->sent = r > 0 ? (size_t)r : 0;
  return r < 0 && r != -EAGAIN ? (int)r : 0;
}

/* Sends what the queue or the kernel may take as it is. */
static int send_plainly(lua_State *L, struct socket *s, int flags) {
  char small[OUTQ_SMALL_BYTES];
  struct piece p = read_piece(L, small);
  begin(L, s, flags);
  bool tries = p.len > 0 && !flags && s->h >= 0 && gate_open(&s->wr, s->sched);
  int r = tries ? send_at_once(s, p) : 0;
  if (r < 0) return send_failed(L, s, r, 0);
  if (tries && s->sent == p.len) return sent(L, s);
  if (p.bytes) keep_piece(L, p, tries ? s->sent : 0);
  if (tries) lua_pushboolean(L, 1); /* what was taken is this call's, as after a wait */
  return send_k(L, LUA_OK, socket_deadline(s));
}

/* sock:send(data | {fragments} [, flags]), sock:send(buffer [, i [, j [, flags]]]) -> bytes |
 * nil, err, code. All of it or a failure, whose err.sent counts what had gone; with
 * MSG_DONTWAIT what goes at once. On a datagram socket: one datagram.                [y] */
static int send_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  bool stream = socket_is_stream(s);
  int flags = socket_flags(
      L, buffer_at(L, SLOT_DATA) ? ARG_BUFFER_FLAGS : SLOT_FLAGS, "send",
      PLAIN_FLAGS | MSG_MORE | MSG_DONTROUTE | (stream ? MSG_OOB : MSG_CONFIRM));
  if (stream && !(flags & ~PLAIN_FLAGS)) return send_plainly(L, s, flags);
  make_string(L);
  if (!stream) return socket_send_datagram(L, s, flags);
  begin(L, s, flags);
  return send_k(L, LUA_OK, socket_deadline(s));
}

/* sock:send_some(data) -> bytes that the kernel took, at least one | nil, err, code  [y] */
static int send_some_method(lua_State *L) {
  char small[OUTQ_SMALL_BYTES];
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s))
    return luaL_error(L, "send_some: a datagram goes as a whole; use send or sendto");
  struct piece p = read_piece(L, small);
  if (p.bytes) keep_piece(L, p, 0);
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
