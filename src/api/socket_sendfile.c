/* sendfile on streams: bytes of a file that never become a string. As send does, the task
 * holds the sending gate from its first byte to its last; it steps aside after each share,
 * so that a large file and a fast reader leave the others their turns. */
#include <errno.h>

#include "api/args.h"
#include "api/socket.h"
#include "api/source.h"
#include "base/status.h"
#include "net/file.h"

/* Slots; the fifth is true where fewer bytes than `count` are a failure, the last once the
 * first byte may go: from then on the gate and the count of sent bytes are this call's own. */
enum { SLOT_SOCKET = 1, SLOT_FILE, SLOT_OFFSET, SLOT_COUNT, SLOT_EXACT, SLOT_BEGUN };

enum { PIECE_BYTES = 512 * 1024 }; /* of one system call, while which all others wait */

static const size_t nothing = 0; /* sent */

/* Gives nil, err, code, where err.sent counts what had been handed over. */
static int sendfile_failed(lua_State *L, int status, size_t sent) {
  socket_failure(L, SLOT_SOCKET, "sendfile", status);
  lua_pushinteger(L, (lua_Integer)sent);
  lua_setfield(L, -3, "sent");
  return task_fail(L, sched_get(L));
}

/* The file was closed, by this script: the error is not the socket's. */
static int file_closed(lua_State *L, size_t sent) {
  struct failure f = {"sendfile", STATUS_CLOSED, "file", NULL};
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (s->sched->current) gate_leave(s->sched->current);
  error_values(L, &f);
  lua_pushinteger(L, (lua_Integer)sent);
  lua_setfield(L, -3, "sent");
  return task_fail(L, s->sched);
}

static int sendfile_k(lua_State *L, int status, lua_KContext deadline);

static int wait_turn(lua_State *L, struct socket *s, int64_t deadline) {
  struct task_wait w = {"sendfile", s, -1, 0, deadline, 0, &nothing};
  if (task_late(s->sched, deadline)) return sendfile_failed(L, STATUS_TIMEOUT, 0);
  return task_queue(L, s->sched, &s->wr, &w, sendfile_k);
}

/* Waits for room, or, where there is some, for the next turn. */
static int wait_on(lua_State *L, struct socket *s, int64_t deadline, bool room) {
  struct task_wait w = {"sendfile", s, s->h, NET_WR, deadline, 0, &s->sent};
  if (task_late(s->sched, deadline)) return sendfile_failed(L, STATUS_TIMEOUT, s->sent);
  gate_enter(&s->wr, s->sched);
  return room ? task_yield(L, s->sched, &w, sendfile_k)
              : task_await(L, s->sched, &w, sendfile_k);
}

static int sendfile_done(lua_State *L, struct socket *s) {
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushinteger(L, (lua_Integer)s->sent);
  return task_step(L, s->sched, 1, 0);
}

/* What a pipe gives, which has no places: it stays in Lua's buffer until it is taken. */
static ssize_t send_pipe(struct socket *s, FILE *pipe, size_t n) {
  const char *bytes;
  if (s->stream.wr_status < 0) return s->stream.wr_status;
  ssize_t held = file_peek(pipe, &bytes);
  if (held <= 0) return held;
  if ((size_t)held < n) n = (size_t)held;
  ssize_t r = stream_send(&s->stream, s->sched->loop.net, s->h, bytes, n);
  if (r > 0) file_take(pipe, (size_t)r);
  return r;
}

/* Sends once, at most n bytes from `offset`: > 0, 0: the file has ended, or a status. */
static ssize_t send_once(struct socket *s, struct source src, int64_t offset, size_t n) {
  if (src.pipe) return send_pipe(s, src.pipe, n);
  return stream_sendfile(&s->stream, s->sched->loop.net, s->h, src.fd, offset, n);
}

static int send_rest(lua_State *L, struct socket *s, struct source src,
                     int64_t deadline) {
  lua_Integer offset = lua_tointeger(L, SLOT_OFFSET);
  size_t count = (size_t)lua_tointeger(L, SLOT_COUNT);
  if (s->stream.wr_status < 0) return sendfile_failed(L, s->stream.wr_status, s->sent);
  while (s->sent < count) {
    size_t left = count - s->sent;
    ssize_t r = send_once(s, src, offset + (int64_t)s->sent,
                          left < PIECE_BYTES ? left : PIECE_BYTES);
    if (r == -EAGAIN) return wait_on(L, s, deadline, false);
    if (r == 0 && !lua_toboolean(L, SLOT_EXACT)) break;
    if (r <= 0) return sendfile_failed(L, r ? (int)r : STATUS_TRUNCATED, s->sent);
    s->sent += (size_t)r;
    if (task_spent_large(L, s->sched, (size_t)r) && s->sent < count)
      return wait_on(L, s, deadline, true);
  }
  return sendfile_done(L, s);
}

static int sendfile_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  bool begun = lua_toboolean(L, SLOT_BEGUN);
  size_t sent = begun ? s->sent : 0;
  if (s->h < 0) return sendfile_failed(L, STATUS_CLOSED, sent);
  struct source src = source_check(L, SLOT_FILE);
  if (src.fd < 0) return file_closed(L, sent);
  if (!gate_open(&s->wr, s->sched)) return wait_turn(L, s, deadline);
  s->sent = sent;
  lua_pushboolean(L, 1);
  lua_replace(L, SLOT_BEGUN);
  return send_rest(L, s, src, deadline);
}

/* Fixes offset, count and whether it is exact in their slots. 0 or a status. */
static int read_range(lua_State *L) {
  lua_Integer offset = luaL_optinteger(L, SLOT_OFFSET, 0);
  luaL_argcheck(L, offset >= 0, SLOT_OFFSET, "the offset is negative");
  luaL_argcheck(L, offset == 0 || !source_check(L, SLOT_FILE).pipe, SLOT_OFFSET,
                "this file is a pipe or a device, and can only be read on");
  int64_t size = 0;
  bool counted = !lua_isnoneornil(L, SLOT_COUNT);
  lua_Integer count = luaL_optinteger(L, SLOT_COUNT, 0);
  luaL_argcheck(L, count >= 0, SLOT_COUNT, "the count is negative");
  luaL_argcheck(L, count <= LUA_MAXINTEGER - offset, SLOT_COUNT, "it ends beyond 2^63");
  int r = source_size(L, SLOT_FILE, &size);
  if (!counted) count = offset < size ? size - offset : 0;
  lua_settop(L, SLOT_FILE);
  lua_pushinteger(L, offset);
  lua_pushinteger(L, count);
  lua_pushboolean(L, counted || size < INT64_MAX);
  lua_pushboolean(L, 0);
  return r;
}

/* sock:sendfile(file [, offset [, count]]) -> bytes | nil, err, code. From `offset`, 0
 * unless told, to the end, where one that tells its size is to have it. All of it or a
 * failure, whose err.sent counts what had gone; "truncated": the file ended earlier. [y] */
static int sendfile_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s))
    return luaL_error(L, "sendfile: this is a datagram socket; use send or sendto");
  int r = read_range(L);
  socket_need_stream(L, s, "sendfile");
  if (s->h >= 0) interrupt_check_sent(L, s->sched, "sendfile", s, &nothing);
  return r < 0 ? sendfile_failed(L, r, 0) : sendfile_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"sendfile", sendfile_method},
    {NULL,       NULL           },
};

void socket_sendfile_methods(lua_State *L) {
  sched_functions(L, methods);
}
