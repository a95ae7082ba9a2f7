/* Reading a stream: recv, read, read_exact, read_until, lines, pieces, peek, pending. They
 * are one operation: look into the buffer for what is wanted, else receive once more. A
 * failing read consumes nothing, so the bytes stay for the next call. One task at a time
 * reads a stream. */
#include <errno.h>
#include <string.h>

#include "api/args.h"
#include "api/socket.h"
#include "base/numeral.h"
#include "base/status.h"

/* Slots: 1 the socket, 2 the delimiter (read_until) or the size, 3 the flags (recv). */
enum { SLOT_SOCKET = 1, SLOT_DELIMITER, SLOT_FLAGS };

enum {
  LINE_MAX_BYTES = 1024 * 1024,     /* a line's or a read_until's limit unless told */
  ALL_MAX_BYTES = 64 * 1024 * 1024, /* read("a")'s limit unless told */
  PIECE_BYTES = 64 * 1024,
};

/* --- takers: what is wanted, from the buffer ------------------------------------------ */

/* Pushes n bytes and takes them, and `drop` more, out of the buffer. A push may run
 * finalizers, and one of them may close this very socket; or it raises. */
static int push_bytes(lua_State *L, struct socket *s, size_t n, size_t drop) {
  if (s->sched->current) gate_leave(s->sched->current);
  s->reading = true;
  lua_pushlstring(L, buf_len(&s->stream.in) ? buf_bytes(&s->stream.in) : "", n);
  s->reading = false;
  if (s->h >= 0) stream_take(&s->stream, n + drop);
  return 1;
}

/* Up to n bytes of what has come; they stay. */
static int take_peek(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  if (held == 0) return 0;
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushlstring(L, buf_bytes(&s->stream.in), held < s->want.n ? held : s->want.n);
  return 1;
}

/* The first n bytes of the scratch area are the stream's. */
static void owe(struct socket *s, size_t n) {
  s->stream.unkept = 0;
  s->sched->owed = s;
  s->sched->owed_bytes = n;
}

/* Exactly n bytes; 0 bytes once one byte, or the end, is there. */
static int take_exact(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  if (held < (s->want.n ? s->want.n : 1)) return 0;
  return push_bytes(L, s, s->want.n, 0);
}

/* Without its end, LF or CRLF, unless it is to be kept. */
static int take_line(lua_State *L, struct socket *s) {
  struct stream *st = &s->stream;
  ssize_t at = stream_find(st, "\n", 1);
  if (at < 0) return buf_len(&st->in) > s->want.max ? STATUS_OVERSIZED : 0;
  if ((size_t)at > s->want.max) return STATUS_OVERSIZED;
  if (s->want.keep_end) return push_bytes(L, s, (size_t)at + 1, 0);
  bool crlf = at > 0 && buf_bytes(&st->in)[at - 1] == '\r';
  return push_bytes(L, s, (size_t)at - crlf, 1 + (size_t)crlf);
}

static int take_until(lua_State *L, struct socket *s) {
  size_t len;
  const char *delimiter = lua_tolstring(L, SLOT_DELIMITER, &len);
  ssize_t at = stream_find(&s->stream, delimiter, len);
  if (at < 0) return buf_len(&s->stream.in) > s->want.max ? STATUS_OVERSIZED : 0;
  if ((size_t)at > s->want.max) return STATUS_OVERSIZED;
  return push_bytes(L, s, (size_t)at, len);
}

/* A number, after white space, once its end has come; nil where none stands: what was
 * looked at is gone then too, as from Lua's files. */
static int push_number(lua_State *L, struct socket *s, bool at_end) {
  static const char blanks[] = " \t\n\v\f\r";
  size_t held = buf_len(&s->stream.in), skip = 0;
  const char *bytes = held ? buf_bytes(&s->stream.in) : "";
  while (skip < held && bytes[skip] && strchr(blanks, bytes[skip])) skip++;
  size_t n = numeral_length(bytes + skip, held - skip);
  if (!at_end && skip + n == held && n < NUMERAL_MAX_BYTES) {
    if (skip) stream_take(&s->stream, skip);
    return 0;
  }
  if (s->sched->current) gate_leave(s->sched->current);
  char text[NUMERAL_MAX_BYTES + 1] = "";
  memcpy(text, bytes + skip, n);
  stream_take(&s->stream, skip + n);
  if (lua_stringtonumber(L, text) == 0) lua_pushnil(L);
  return 1;
}

static int take_number(lua_State *L, struct socket *s) {
  return push_number(L, s, false);
}

/* Everything, which is there only at the end of the stream. */
static int take_all(lua_State *L, struct socket *s) {
  (void)L;
  return buf_len(&s->stream.in) > s->want.max ? STATUS_OVERSIZED : 0;
}

/* --- the one operation ---------------------------------------------------------------- */

static int read_failed(lua_State *L, struct socket *s, int status) {
  bool iterates = s->want.iterates;
  size_t held = s->h < 0 ? 0 : buf_len(&s->stream.in);
  socket_fail(L, SLOT_SOCKET, s->want.op, status);
  lua_pushinteger(L, (lua_Integer)held);
  lua_setfield(L, -3, "partial");
  if (!iterates) return 3;
  lua_pop(L, 1);
  return lua_error(L);
}

/* The end of the stream: the rest, nil for an iterator, or a failure. */
static int read_end(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  bool all = s->want.take == take_all;
  if (s->want.rest_at_end && (held > 0 || all)) {
    if (s->want.take == take_number)
      push_number(L, s, true);
    else
      push_bytes(L, s, held, 0);
    return task_step(L, s->sched, 1, held);
  }
  if (!s->want.iterates) return read_failed(L, s, STATUS_EOF);
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushnil(L);
  return 1;
}

/* Bytes of a result that was just pushed. */
static int read_done(lua_State *L, struct socket *s) {
  return task_step(L, s->sched, 1, lua_rawlen(L, -1));
}

static int read_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct net *net = s->sched->loop.net;
  for (;;) {
    if (s->h < 0) return read_failed(L, s, STATUS_CLOSED);
    int taken = s->want.take(L, s);
    if (taken > 0) return read_done(L, s);
    if (taken < 0) return read_failed(L, s, taken);
    char *scratch = socket_scratch(L, s->sched);
    ssize_t r = stream_fill(&s->stream, net, s->h, scratch, SCRATCH_BYTES);
    if (r > 0) continue;
    if (s->stream.unkept) owe(s, s->stream.unkept);
    if (r == STATUS_EOF) return read_end(L, s);
    if (s->want.flags & MSG_DONTWAIT) return read_failed(L, s, (int)r);
    if (r == -EAGAIN && !task_late(s->sched, deadline)) {
      struct task_wait w = {s->want.op, s, s->h, NET_RD, deadline, 0};
      gate_enter(&s->rd, s->sched);
      return task_await(L, s->sched, &w, read_k);
    }
    return read_failed(L, s, r == -EAGAIN ? STATUS_TIMEOUT : (int)r);
  }
}

/* Checks, and begins the operation `want`. */
static int begin(lua_State *L, struct want want) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s))
    return luaL_error(L, "%s: this is a datagram socket; use recvfrom or recv", want.op);
  socket_need_stream(L, s, want.op);
  socket_claim(L, s, want.op);
  s->want = want;
  stream_restart(&s->stream);
  if (s->h >= 0) interrupt_check(L, s->sched, want.op, s);
  return read_k(L, LUA_OK, socket_deadline(s));
}

/* --- methods -------------------------------------------------------------------------- */

/* The field `max` of the options at `idx`, or `otherwise`. */
static size_t limit(lua_State *L, int idx, size_t otherwise) {
  if (lua_isnoneornil(L, idx)) return otherwise;
  luaL_checktype(L, idx, LUA_TTABLE);
  if (lua_getfield(L, idx, "max") == LUA_TNIL) return otherwise;
  int is_integer;
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  luaL_argcheck(L, is_integer && n > 0, idx, "max must be a positive number of bytes");
  return (size_t)n;
}

/* Pushes bytes straight from the scratch area: they are the stream's until that is done. */
static void push_received(lua_State *L, struct socket *s, size_t n) {
  if (s->sched->current) gate_leave(s->sched->current);
  owe(s, n);
  lua_pushlstring(L, s->sched->scratch, n);
  s->sched->owed = NULL;
}

static int recv_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (s->h < 0) return read_failed(L, s, STATUS_CLOSED);
  char *scratch = socket_scratch(L, s->sched);
  size_t held = buf_len(&s->stream.in);
  if (held > 0) {
    push_bytes(L, s, held < s->want.n ? held : s->want.n, 0);
    return read_done(L, s);
  }
  ssize_t r = stream_recv(&s->stream, s->sched->loop.net, s->h, scratch, s->want.n);
  if (r > 0) {
    push_received(L, s, (size_t)r);
    return read_done(L, s);
  }
  if (r == STATUS_EOF) return read_end(L, s);
  if (r != -EAGAIN || s->want.flags & MSG_DONTWAIT) return read_failed(L, s, (int)r);
  if (task_late(s->sched, deadline)) return read_failed(L, s, STATUS_TIMEOUT);
  struct task_wait w = {s->want.op, s, s->h, NET_RD, deadline, 0};
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, recv_k);
}

/* Straight from the net to the string, without the buffer where it is empty. */
static int receive(lua_State *L, struct socket *s, struct want want, lua_KFunction k) {
  socket_need_stream(L, s, want.op);
  socket_claim(L, s, want.op);
  s->want = want;
  if (s->h >= 0) interrupt_check(L, s->sched, want.op, s);
  return k(L, LUA_OK, socket_deadline(s));
}

/* Urgent bytes (tcp(7), MSG_OOB): beside the stream, so the buffer stays as it is. */
static int urgent_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (s->h < 0) return read_failed(L, s, STATUS_CLOSED);
  struct iovec iov = {socket_scratch(L, s->sched), s->want.n};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  ssize_t r = net_recvmsg(s->sched->loop.net, s->h, &msg, s->want.flags);
  if (r > 0) {
    if (s->sched->current) gate_leave(s->sched->current);
    lua_pushlstring(L, s->sched->scratch, (size_t)r);
    return task_step(L, s->sched, 1, (size_t)r);
  }
  if (r == 0) return read_failed(L, s, STATUS_EOF);
  if (r != -EAGAIN || s->want.flags & MSG_DONTWAIT) return read_failed(L, s, (int)r);
  if (task_late(s->sched, deadline)) return read_failed(L, s, STATUS_TIMEOUT);
  struct task_wait w = {"recv", s, s->h, NET_RD, deadline, 0};
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, urgent_k);
}

/* sock:recv([n [, flags]]) -> up to n bytes | nil, err, code. n is 65,536 unless told, at
 * most 262,144; on a datagram socket: one datagram. Flags: MSG_PEEK leaves the bytes,
 * MSG_DONTWAIT gives EAGAIN instead of waiting, MSG_OOB waits for an urgent byte.    [y] */
static int recv_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s)) return socket_recv_datagram(L, s);
  size_t n = lua_isnoneornil(L, 2) ? PIECE_BYTES : args_size(L, 2, 1, LUA_MAXINTEGER);
  int flags = socket_flags(L, SLOT_FLAGS, "recv",
                           MSG_PEEK | MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB);
  lua_settop(L, SLOT_SOCKET);
  struct want want = {
      .op = "recv", .n = n < SCRATCH_BYTES ? n : SCRATCH_BYTES, .flags = flags};
  if (flags & MSG_OOB) return receive(L, s, want, urgent_k);
  if (!(flags & MSG_PEEK)) return receive(L, s, want, recv_k);
  want.take = take_peek;
  return begin(L, want);
}

static struct want read_line(lua_State *L, bool keep_end, int options) {
  return (struct want){.op = "read",
                       .take = take_line,
                       .max = limit(L, options, LINE_MAX_BYTES),
                       .keep_end = keep_end,
                       .rest_at_end = true};
}

/* What a format of Lua's file:read asks for. */
static struct want read_format(lua_State *L, int idx) {
  if (lua_type(L, idx) == LUA_TNUMBER)
    return (struct want){.op = "read",
                         .take = take_exact,
                         .n = args_size(L, idx, 0, LUA_MAXINTEGER),
                         .rest_at_end = true};
  const char *format = luaL_optstring(L, idx, "l");
  if (*format == '*') format++; /* Lua 5.1 wrote them so */
  if (strcmp(format, "l") == 0 || strcmp(format, "L") == 0)
    return read_line(L, *format == 'L', idx + 1);
  if (strcmp(format, "n") == 0)
    return (struct want){.op = "read", .take = take_number, .rest_at_end = true};
  if (strcmp(format, "a") == 0)
    return (struct want){.op = "read",
                         .take = take_all,
                         .max = limit(L, idx + 1, ALL_MAX_BYTES),
                         .rest_at_end = true};
  luaL_argerror(L, idx,
                lua_pushfstring(
                    L, "'%s' is none of \"l\", \"L\", \"n\", \"a\" or a number", format));
  return (struct want){0};
}

/* sock:read([format [, {max=bytes}]]) -> string | nil, err, code. "l" (a line, the
 * default), "L" (with its end), "n" (a number), "a" (all), or a number of bytes.     [y] */
static int read_method(lua_State *L) {
  struct want want = read_format(L, 2);
  lua_settop(L, SLOT_SOCKET);
  return begin(L, want);
}

/* sock:read_exact(n) -> n bytes | nil, err, code; err.partial counts what is there   [y] */
static int read_exact_method(lua_State *L) {
  size_t n = args_size(L, 2, 0, LUA_MAXINTEGER);
  lua_settop(L, SLOT_SOCKET);
  if (n == 0) {
    socket_check(L, SLOT_SOCKET);
    lua_pushliteral(L, "");
    return 1;
  }
  return begin(L, (struct want){.op = "read_exact", .take = take_exact, .n = n});
}

/* sock:read_until(delimiter [, {max=bytes}]) -> the bytes before it, which is consumed
 * | nil, err, code                                                                   [y] */
static int read_until_method(lua_State *L) {
  size_t len;
  luaL_checklstring(L, SLOT_DELIMITER, &len);
  luaL_argcheck(L, len > 0, SLOT_DELIMITER, "the delimiter is empty");
  size_t max = limit(L, 3, LINE_MAX_BYTES);
  lua_settop(L, SLOT_DELIMITER);
  return begin(L, (struct want){.op = "read_until", .take = take_until, .max = max});
}

/* sock:peek([n]) -> up to n bytes that stay in the buffer | nil, err, code           [y] */
static int peek_method(lua_State *L) {
  size_t n = lua_isnoneornil(L, 2) ? PIECE_BYTES : args_size(L, 2, 1, LUA_MAXINTEGER);
  lua_settop(L, SLOT_SOCKET);
  return begin(L, (struct want){.op = "peek", .take = take_peek, .n = n});
}

/* sock:pending() -> bytes that the buffer holds                                          */
static int pending_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  socket_scratch(L, s->sched);
  lua_pushinteger(L, (lua_Integer)buf_len(&s->stream.in));
  return 1;
}

/* --- iterators: upvalues are the scheduler, the socket and the format ------------------- */

static int next_line(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_pushvalue(L, lua_upvalueindex(3));
  lua_pushvalue(L, lua_upvalueindex(4));
  struct want want = read_format(L, 2);
  want.op = "lines";
  want.iterates = true;
  lua_settop(L, SLOT_SOCKET);
  return begin(L, want);
}

/* sock:lines([format [, {max=bytes}]]) -> iterator; ends with the stream, raises any other
 * failure.                                                                               */
static int lines_method(lua_State *L) {
  socket_check(L, 1);
  lua_settop(L, 3);
  struct want want = read_format(L, 2); /* a bad format raises here, not later */
  luaL_argcheck(L, want.take != take_all, 2, "\"a\" has no next line; use read(\"a\")");
  lua_settop(L, 3);
  lua_pushlightuserdata(L, sched_of(L));
  lua_insert(L, 1);
  lua_pushcclosure(L, next_line, 4);
  return 1;
}

static int next_piece(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  struct want want = {.op = "pieces", .n = PIECE_BYTES, .iterates = true};
  return receive(L, socket_check(L, SLOT_SOCKET), want, recv_k);
}

/* sock:pieces() -> iterator over what arrives, up to 64 KiB each, until the peer ends    */
static int pieces_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  if (!socket_is_stream(s))
    return luaL_error(L, "pieces: this is a datagram socket; use recvfrom");
  lua_settop(L, 1);
  lua_pushlightuserdata(L, s->sched);
  lua_insert(L, 1);
  lua_pushcclosure(L, next_piece, 2);
  return 1;
}

static const luaL_Reg methods[] = {
    {"lines",      lines_method     },
    {"peek",       peek_method      },
    {"pending",    pending_method   },
    {"pieces",     pieces_method    },
    {"read",       read_method      },
    {"read_exact", read_exact_method},
    {"read_until", read_until_method},
    {"recv",       recv_method      },
    {NULL,         NULL             },
};

void socket_read_methods(lua_State *L) {
  lua_pushlightuserdata(L, sched_get(L));
  luaL_setfuncs(L, methods, 1);
}
