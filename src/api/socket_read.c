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
  AHEAD_FROM = 2 * 1024, /* smaller receives are messages */
};

/* A way to read. */
struct reading {
  const char *op;
  /* Pushes the result when the buffer holds it: 1; 0: more is needed; or a status. NULL: what
   * one receive gives. */
  int (*take)(lua_State *L, struct socket *s);
  bool keep_end;    /* a line keeps its end */
  bool rest_at_end; /* at the end of the stream what is left is the result */
  bool iterates;    /* the end is nil, any other failure raises */
};

/* What the formats of Lua's file:read ask for. */
enum format { FORMAT_N, FORMAT_LINE, FORMAT_LINE_END, FORMAT_NUMBER, FORMAT_ALL };

/* The readings: of a method each, or with a format of read or of lines. */
enum {
  RECV,
  RECV_PEEK,
  PEEK,
  PIECES,
  EXACT,
  UNTIL,
  READ,
  LINES = READ + FORMAT_ALL + 1,
  READINGS = LINES + FORMAT_ALL /* which is none of lines */
};

static const struct reading readings[READINGS];

/* The reading that is in force: a number, because a pointer takes more of the socket. */
static const struct reading *how(const struct socket *s) {
  return &readings[s->how];
}

/* --- takers: what is wanted, from the buffer ------------------------------------------ */

/* Pushes n bytes and takes them, and `drop` more, out of the buffer. A push may run
 * finalizers, and one of them may close this very socket; or it raises. */
static int push_bytes(lua_State *L, struct socket *s, size_t n, size_t drop) {
  if (s->sched->current) gate_leave(s->sched->current);
  s->taking = true;
  lua_pushlstring(L, buf_len(&s->stream.in) ? buf_bytes(&s->stream.in) : "", n);
  s->taking = false;
  if (s->h >= 0) stream_take(&s->stream, n + drop);
  return 1;
}

/* Up to n bytes of what has come; they stay. */
static int take_peek(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  if (held == 0) return 0;
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushlstring(L, buf_bytes(&s->stream.in), held < s->want ? held : s->want);
  return 1;
}

/* Exactly n bytes; 0 bytes once one byte, or the end, is there. */
static int take_exact(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  if (held < (s->want ? s->want : 1)) return 0;
  return push_bytes(L, s, s->want, 0);
}

/* Without its end, LF or CRLF, unless it is to be kept. */
static int take_line(lua_State *L, struct socket *s) {
  struct stream *st = &s->stream;
  ssize_t at = stream_find(st, "\n", 1);
  if (at < 0) return buf_len(&st->in) > s->want ? STATUS_OVERSIZED : 0;
  if ((size_t)at > s->want) return STATUS_OVERSIZED;
  if (how(s)->keep_end) return push_bytes(L, s, (size_t)at + 1, 0);
  bool crlf = at > 0 && buf_bytes(&st->in)[at - 1] == '\r';
  return push_bytes(L, s, (size_t)at - crlf, 1 + (size_t)crlf);
}

static int take_until(lua_State *L, struct socket *s) {
  size_t len;
  const char *delimiter = lua_tolstring(L, SLOT_DELIMITER, &len);
  ssize_t at = stream_find(&s->stream, delimiter, len);
  if (at < 0) return buf_len(&s->stream.in) > s->want ? STATUS_OVERSIZED : 0;
  if ((size_t)at > s->want) return STATUS_OVERSIZED;
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
  return buf_len(&s->stream.in) > s->want ? STATUS_OVERSIZED : 0;
}

/* --- the one operation ---------------------------------------------------------------- */

static int read_failed(lua_State *L, struct socket *s, int status) {
  bool iterates = how(s)->iterates;
  size_t held = s->h < 0 ? 0 : buf_len(&s->stream.in);
  socket_failure(L, SLOT_SOCKET, how(s)->op, status);
  lua_pushinteger(L, (lua_Integer)held);
  lua_setfield(L, -3, "partial");
  return iterates ? task_fail_raising(L, s->sched) : task_fail(L, s->sched);
}

/* The end of the stream: the rest, nil for an iterator, or a failure. */
static int read_end(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  bool all = how(s)->take == take_all;
  if (how(s)->rest_at_end && (held > 0 || all)) {
    if (how(s)->take == take_number)
      push_number(L, s, true);
    else
      push_bytes(L, s, held, 0);
    return task_step(L, s->sched, 1, held);
  }
  if (!how(s)->iterates) return read_failed(L, s, STATUS_EOF);
  if (s->sched->current) gate_leave(s->sched->current);
  lua_pushnil(L);
  return task_step(L, s->sched, 1, 0);
}

/* Bytes of a result that was just pushed. */
static int read_done(lua_State *L, struct socket *s) {
  return task_step(L, s->sched, 1, lua_rawlen(L, -1));
}

/* Of one receive. Who looks for an end does not know how far it is: what comes beyond it,
 * or beyond the limit, has to be held, so it is little. */
static size_t fill_bytes(const struct socket *s) {
  bool counts = how(s)->take == take_exact || how(s)->take == take_all;
  return counts ? SCRATCH_BYTES : PIECE_BYTES;
}

static int read_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct net *net = s->sched->loop.net;
  for (;;) {
    if (s->h < 0) return read_failed(L, s, STATUS_CLOSED);
    int taken = how(s)->take(L, s);
    if (taken > 0) return read_done(L, s);
    if (taken < 0) return read_failed(L, s, taken);
    char *scratch = socket_scratch(L, s->sched);
    ssize_t r = stream_fill(&s->stream, net, s->h, scratch, fill_bytes(s));
    if (r > 0) continue;
    if (s->stream.unkept) socket_owe(s, s->stream.unkept);
    if (r == STATUS_EOF) return read_end(L, s);
    if (s->flags & MSG_DONTWAIT) return read_failed(L, s, (int)r);
    if (r == -EAGAIN && !task_late(s->sched, deadline)) {
      struct task_wait w = {how(s)->op, s, s->h, NET_RD, deadline, 0, NULL};
      gate_enter(&s->rd, s->sched);
      return task_await(L, s->sched, &w, read_k);
    }
    return read_failed(L, s, r == -EAGAIN ? STATUS_TIMEOUT : (int)r);
  }
}

/* Which way to read there is, and what for. */
struct want {
  uint8_t how;
  size_t n; /* bytes wanted, or the limit of a search */
  int flags;
};

/* Checks, and fixes the operation. */
static void claim(lua_State *L, struct socket *s, struct want want) {
  const char *op = readings[want.how].op;
  socket_need_stream(L, s, op);
  socket_claim(L, s, op);
  s->how = want.how;
  s->want = want.n;
  s->flags = (uint16_t)want.flags;
  if (s->h >= 0) interrupt_check(L, s->sched, op, s);
}

/* Begins an operation on the buffer. */
static int begin(lua_State *L, struct want want) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!socket_is_stream(s))
    return luaL_error(L, "%s: this is a datagram socket; use recvfrom or recv",
                      readings[want.how].op);
  claim(L, s, want);
  stream_restart(&s->stream);
  return read_k(L, LUA_OK, socket_deadline(s));
}

/* op, take, keep_end, rest_at_end, iterates */
static const struct reading readings[READINGS] = {
    {"recv",       NULL,        false, false, false},
    {"recv",       take_peek,   false, false, false},
    {"peek",       take_peek,   false, false, false},
    {"pieces",     NULL,        false, false, true },
    {"read_exact", take_exact,  false, false, false},
    {"read_until", take_until,  false, false, false},
    {"read",       take_exact,  false, true,  false},
    {"read",       take_line,   false, true,  false},
    {"read",       take_line,   true,  true,  false},
    {"read",       take_number, false, true,  false},
    {"read",       take_all,    false, true,  false},
    {"lines",      take_exact,  false, true,  true },
    {"lines",      take_line,   false, true,  true },
    {"lines",      take_line,   true,  true,  true },
    {"lines",      take_number, false, true,  true },
};

/* --- methods -------------------------------------------------------------------------- */

/* The field `max` of the options at `idx`, or `otherwise`. */
static size_t limit(lua_State *L, int idx, size_t otherwise) {
  if (lua_isnoneornil(L, idx)) return otherwise;
  static const char *const names[] = {"max", NULL};
  args_fields(L, idx, names);
  if (lua_getfield(L, idx, "max") == LUA_TNIL) return otherwise;
  int is_integer;
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  luaL_argcheck(L, is_integer && n > 0, idx, "max must be a positive number of bytes");
  return (size_t)n;
}

/* Pushes bytes straight from the scratch area: they are the stream's until that is done. */
static void push_received(lua_State *L, struct socket *s, size_t n) {
  if (s->sched->current) gate_leave(s->sched->current);
  socket_owe(s, n);
  lua_pushlstring(L, s->sched->scratch, n);
  s->sched->owed = NULL;
}

static int recv_k(lua_State *L, int status, lua_KContext deadline);

static int recv_held(lua_State *L, struct socket *s) {
  size_t held = buf_len(&s->stream.in);
  push_bytes(L, s, held < s->want ? held : s->want, 0);
  return read_done(L, s);
}

/* A loop of receives that get all they want reads a stream of TCP ahead, so that few of them
 * are system calls. What others may read too is not read ahead. A Unix stream may carry
 * descriptors, which belong to their bytes. */
static bool reads_ahead(const struct socket *s, ssize_t r) {
  return r == (ssize_t)s->want && s->want >= AHEAD_FROM && s->want < PIECE_BYTES &&
         (s->family == AF_INET || s->family == AF_INET6) && !s->adopted;
}

static int recv_once(lua_State *L, struct socket *s, int64_t deadline) {
  if (s->h < 0) return read_failed(L, s, STATUS_CLOSED);
  char *scratch = socket_scratch(L, s->sched);
  struct net *net = s->sched->loop.net;
  if (buf_len(&s->stream.in) > 0) return recv_held(L, s);
  ssize_t r = s->ahead ? stream_ahead(&s->stream, net, s->h, PIECE_BYTES) : -ENOMEM;
  s->ahead = r > (ssize_t)s->want || r == -EAGAIN;
  if (r > 0) return recv_held(L, s);
  if (r == -ENOMEM) r = stream_recv(&s->stream, net, s->h, scratch, s->want);
  s->ahead |= reads_ahead(s, r);
  if (r > 0) {
    push_received(L, s, (size_t)r);
    return read_done(L, s);
  }
  if (r == STATUS_EOF) return read_end(L, s);
  if (r != -EAGAIN || s->flags & MSG_DONTWAIT) return read_failed(L, s, (int)r);
  if (task_late(s->sched, deadline)) return read_failed(L, s, STATUS_TIMEOUT);
  struct task_wait w = {how(s)->op, s, s->h, NET_RD, deadline, 0, NULL};
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, recv_k);
}

static int recv_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  return recv_once(L, socket_check(L, SLOT_SOCKET), deadline);
}

/* Urgent bytes (tcp(7), MSG_OOB): beside the stream, so the buffer stays as it is. */
static int urgent_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (s->h < 0) return read_failed(L, s, STATUS_CLOSED);
  struct iovec iov = {socket_scratch(L, s->sched), s->want};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  ssize_t r = net_recvmsg(s->sched->loop.net, s->h, &msg, s->flags);
  if (r > 0) {
    if (s->sched->current) gate_leave(s->sched->current);
    lua_pushlstring(L, s->sched->scratch, (size_t)r);
    return task_step(L, s->sched, 1, (size_t)r);
  }
  if (r == 0) return read_failed(L, s, STATUS_EOF);
  if (r != -EAGAIN || s->flags & MSG_DONTWAIT) return read_failed(L, s, (int)r);
  if (task_late(s->sched, deadline)) return read_failed(L, s, STATUS_TIMEOUT);
  struct task_wait w = {"recv", s, s->h, NET_RD, deadline, 0, NULL};
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
  struct want want = {RECV, n < SCRATCH_BYTES ? n : SCRATCH_BYTES, flags};
  if (flags & MSG_PEEK) {
    want.how = RECV_PEEK;
    return begin(L, want);
  }
  claim(L, s, want);
  if (flags & MSG_OOB) return urgent_k(L, LUA_OK, socket_deadline(s));
  return recv_once(L, s, socket_deadline(s));
}

/* Reads a format of Lua's file:read at `idx`, and its limit. */
static struct want read_format(lua_State *L, int idx, bool iterates) {
  int way = iterates ? LINES : READ;
  if (lua_type(L, idx) == LUA_TNUMBER)
    return (struct want){way + FORMAT_N, args_size(L, idx, 0, LUA_MAXINTEGER), 0};
  const char *format = luaL_optstring(L, idx, "l");
  if (*format == '*') format++; /* Lua 5.1 wrote them so */
  if (strcmp(format, "l") == 0)
    return (struct want){way + FORMAT_LINE, limit(L, idx + 1, LINE_MAX_BYTES), 0};
  if (strcmp(format, "L") == 0)
    return (struct want){way + FORMAT_LINE_END, limit(L, idx + 1, LINE_MAX_BYTES), 0};
  if (strcmp(format, "n") == 0) return (struct want){way + FORMAT_NUMBER, 0, 0};
  if (strcmp(format, "a") == 0 && !iterates)
    return (struct want){way + FORMAT_ALL, limit(L, idx + 1, ALL_MAX_BYTES), 0};
  if (strcmp(format, "a") == 0)
    luaL_argerror(L, idx, "\"a\" has no next line; use read(\"a\")");
  luaL_argerror(L, idx,
                lua_pushfstring(
                    L, "'%s' is none of \"l\", \"L\", \"n\", \"a\" or a number", format));
  return (struct want){0};
}

/* sock:read([format [, {max=bytes}]]) -> string | nil, err, code. "l" (a line, the
 * default), "L" (with its end), "n" (a number), "a" (all), or a number of bytes.     [y] */
static int read_method(lua_State *L) {
  struct want want = read_format(L, 2, false);
  lua_settop(L, SLOT_SOCKET);
  return begin(L, want);
}

/* sock:read_exact(n) -> n bytes | nil, err, code; err.partial counts what is there   [y] */
static int read_exact_method(lua_State *L) {
  size_t n = args_size(L, 2, 0, LUA_MAXINTEGER);
  lua_settop(L, SLOT_SOCKET);
  if (n == 0) {
    struct socket *s = socket_check(L, SLOT_SOCKET);
    interrupt_check(L, s->sched, "read_exact", s);
    lua_pushliteral(L, "");
    return task_step(L, s->sched, 1, 0);
  }
  return begin(L, (struct want){EXACT, n, 0});
}

/* sock:read_until(delimiter [, {max=bytes}]) -> the bytes before it, which is consumed
 * | nil, err, code                                                                   [y] */
static int read_until_method(lua_State *L) {
  size_t len;
  luaL_checklstring(L, SLOT_DELIMITER, &len);
  luaL_argcheck(L, len > 0, SLOT_DELIMITER, "the delimiter is empty");
  size_t max = limit(L, 3, LINE_MAX_BYTES);
  lua_settop(L, SLOT_DELIMITER);
  return begin(L, (struct want){UNTIL, max, 0});
}

/* sock:peek([n]) -> up to n bytes that stay in the buffer | nil, err, code           [y] */
static int peek_method(lua_State *L) {
  size_t n = lua_isnoneornil(L, 2) ? PIECE_BYTES : args_size(L, 2, 1, LUA_MAXINTEGER);
  lua_settop(L, SLOT_SOCKET);
  return begin(L, (struct want){PEEK, n, 0});
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
  struct want want = read_format(L, 2, true);
  lua_settop(L, SLOT_SOCKET);
  return begin(L, want);
}

/* sock:lines([format [, {max=bytes}]]) -> iterator; ends with the stream, raises any other
 * failure.                                                                               */
static int lines_method(lua_State *L) {
  socket_check(L, 1);
  lua_settop(L, 3);
  read_format(L, 2, true); /* a bad format raises here, not later */
  lua_settop(L, 3);
  lua_pushlightuserdata(L, sched_of(L));
  lua_insert(L, 1);
  lua_pushcclosure(L, next_line, 4);
  return 1;
}

static int next_piece(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  struct socket *s = socket_check(L, SLOT_SOCKET);
  claim(L, s, (struct want){PIECES, PIECE_BYTES, 0});
  return recv_once(L, s, socket_deadline(s));
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
  sched_functions(L, methods);
}
