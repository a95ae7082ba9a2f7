/* Writing messages: start lines, field lines that are checked before they go, framing, and
 * the one send. A head is built in the scheduler's scratch, with the body behind it where
 * that fits, so that an answer is one send. */
#include "api/http_write.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "proto/char.h"
#include "proto/http_date.h"

/* --- reasons ---------------------------------------------------------------------------- */

static const struct {
  int status;
  const char *reason;
} reasons[] = {
    {100, "Continue"                       },
    {101, "Switching Protocols"            },
    {200, "OK"                             },
    {201, "Created"                        },
    {202, "Accepted"                       },
    {203, "Non-Authoritative Information"  },
    {204, "No Content"                     },
    {205, "Reset Content"                  },
    {206, "Partial Content"                },
    {300, "Multiple Choices"               },
    {301, "Moved Permanently"              },
    {302, "Found"                          },
    {303, "See Other"                      },
    {304, "Not Modified"                   },
    {307, "Temporary Redirect"             },
    {308, "Permanent Redirect"             },
    {400, "Bad Request"                    },
    {401, "Unauthorized"                   },
    {402, "Payment Required"               },
    {403, "Forbidden"                      },
    {404, "Not Found"                      },
    {405, "Method Not Allowed"             },
    {406, "Not Acceptable"                 },
    {407, "Proxy Authentication Required"  },
    {408, "Request Timeout"                },
    {409, "Conflict"                       },
    {410, "Gone"                           },
    {411, "Length Required"                },
    {412, "Precondition Failed"            },
    {413, "Content Too Large"              },
    {414, "URI Too Long"                   },
    {415, "Unsupported Media Type"         },
    {416, "Range Not Satisfiable"          },
    {417, "Expectation Failed"             },
    {421, "Misdirected Request"            },
    {422, "Unprocessable Content"          },
    {425, "Too Early"                      },
    {426, "Upgrade Required"               },
    {428, "Precondition Required"          },
    {429, "Too Many Requests"              },
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"  },
    {500, "Internal Server Error"          },
    {501, "Not Implemented"                },
    {502, "Bad Gateway"                    },
    {503, "Service Unavailable"            },
    {504, "Gateway Timeout"                },
    {505, "HTTP Version Not Supported"     },
    {507, "Insufficient Storage"           },
};

const char *http_reason(int status) {
  for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
    if (reasons[i].status == status) return reasons[i].reason;
  return "";
}

/* --- building --------------------------------------------------------------------------- */

void http_add_number(struct http_out *o, uint64_t n, unsigned base) {
  char digits[24];
  size_t at = sizeof digits;
  if (base == 10) { /* whose division the compiler makes a multiplication */
    do digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
  } else {
    do digits[--at] = "0123456789abcdef"[n % 16];
    while (n /= 16);
  }
  http_add(o, digits + at, sizeof digits - at);
}

#define STATUS_LINE_200 "HTTP/1.1 200 OK\r\n"
#define SERVER_LINE     "Server: soquete\r\n"
enum {
  STATUS_LINE_LEN = sizeof STATUS_LINE_200 - 1,
  SERVER_LINE_LEN = sizeof SERVER_LINE - 1,
};

/* What most answers begin with, made once a second of the wall clock. */
static void renew_begin(struct http_shared *shared) {
  time_t now = time(NULL);
  if (now == shared->begin_at) return;
  char date[HTTP_DATE_LEN + 1];
  http_date_format(now, date);
  shared->begin_len = (uint8_t)snprintf(shared->begin, sizeof shared->begin,
                                        STATUS_LINE_200 "Date: %s\r\n" SERVER_LINE, date);
  shared->begin_at = now;
}

static void add_status_line(struct http_out *o, int status) {
  const char *reason = http_reason(status);
  http_add(o, "HTTP/1.1 ", 9);
  http_add_number(o, (uint64_t)status, 10);
  http_add(o, " ", 1);
  http_add(o, reason, strlen(reason));
  http_add(o, "\r\n", 2);
}

/* The status line, the date and the server, less those that the script has set. */
static void add_begin(struct http_out *o, const struct http_conn *c) {
  struct http_shared *shared = c->shared;
  size_t from = 0, to;
  renew_begin(shared);
  to = shared->begin_len;
  if (c->status != 200) {
    add_status_line(o, c->status);
    from = STATUS_LINE_LEN;
  }
  if (c->has_date) {
    http_add(o, shared->begin + from, STATUS_LINE_LEN - from);
    from = to - SERVER_LINE_LEN;
  }
  if (c->has_server) to -= SERVER_LINE_LEN;
  http_add(o, shared->begin + from, to - from);
}

/* How the body of an answer is framed (RFC 9112 section 6), and its length: -1 unknown. */
static void add_framing(struct http_out *o, struct http_conn *c, int64_t length) {
  bool never = c->status == 204 || c->status < 200;
  bool empty = never || c->status == 205 || c->status == 304;
  if (c->status == 205) c->promised = 0; /* RFC 9110 section 15.3.6 */
  if (c->promised >= 0) length = c->promised;
  c->framing = empty || c->head_only ? HTTP_NO_BODY : HTTP_LENGTH;
  if (never || (c->status == 304 && c->promised < 0)) return;
  if (length >= 0) {
    c->promised = length;
    http_add(o, "Content-Length: ", 16);
    http_add_number(o, (uint64_t)length, 10);
    http_add(o, "\r\n", 2);
  } else if (c->old) {
    if (!c->head_only) c->framing = HTTP_UNTIL_CLOSE;
    c->keep = c->keep && c->head_only;
  } else {
    if (!c->head_only) c->framing = HTTP_CHUNKED;
    http_add(o, "Transfer-Encoding: chunked\r\n", 28);
  }
}

void http_add_head(struct http_out *o, struct http_conn *c, int status, int64_t length) {
  struct http_shared *shared = c->shared;
  c->status = status;
  c->sent = HTTP_PART;
  add_begin(o, c);
  if (buf_len(&c->lines)) {
    http_add(o, buf_bytes(&c->lines), buf_len(&c->lines));
    buf_fini(&c->lines);
  }
  if (!c->has_type && length > 0 && status != 204 && status != 205 && status != 304)
    http_add(o, "Content-Type: text/plain; charset=utf-8\r\n", 41);
  add_framing(o, c, length);
  if (shared->stopping || c->serial >= shared->requests_max) c->keep = false;
  const char *connection = !c->keep ? "Connection: close\r\n" : "";
  if (c->keep && c->old) connection = "Connection: keep-alive\r\n";
  if (status == 101) connection = "Connection: Upgrade\r\n";
  http_add(o, connection, strlen(connection));
  http_add(o, "\r\n", 2);
}

void http_write_begin(struct http_conn *c, const struct http1_head *request) {
  c->sent = HTTP_NOTHING;
  c->framing = HTTP_NO_BODY;
  c->head_only = request && request->method_id == HTTP1_HEAD;
  c->old = request && request->minor == 0;
  c->keep = c->wants_more = request && request->keep_alive;
  c->has_date = c->has_server = c->has_type = false;
  c->status = 0;
  c->promised = -1;
  c->written = 0;
  if (buf_len(&c->lines)) buf_fini(&c->lines);
}

/* --- field lines ------------------------------------------------------------------------ */

/* RFC 9110 section 5.5: no control bytes but the tab; CR, LF and NUL would let a value
 * become another line. */
static bool is_value(const char *value, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (((uint8_t)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f) return false;
  return true;
}

static void append_line(lua_State *L, struct http_conn *c, const char *name,
                        size_t name_len, const char *value, size_t len) {
  char *at;
  size_t n = name_len + 2 + len + 2;
  if (buf_len(&c->lines) + n > HTTP_LINES_MAX)
    error_raise(L, "header '%s': more than %d bytes of headers", name, HTTP_LINES_MAX);
  if (buf_reserve(&c->lines, n, &at) < 0) error_raise(L, "%s", status_text(-ENOMEM));
  memcpy(at, name, name_len);
  memcpy(at + name_len, ": ", 2);
  memcpy(at + name_len + 2, value, len);
  memcpy(at + name_len + 2 + len, "\r\n", 2);
  buf_commit(&c->lines, n);
}

static bool is_named(const char *line, size_t n, const char *name, size_t len) {
  if (n <= len || line[len] != ':') return false;
  for (size_t i = 0; i < len; i++)
    if (char_lower(line[i]) != char_lower(name[i])) return false;
  return true;
}

/* Drops the lines of that name. */
static void remove_lines(lua_State *L, struct http_conn *c, const char *name,
                         size_t len) {
  struct buf rest;
  int status = 0;
  buf_init(&rest);
  while (status == 0 && buf_len(&c->lines) > 0) {
    const char *line = buf_bytes(&c->lines);
    size_t n = (size_t)((char *)memchr(line, '\n', buf_len(&c->lines)) + 1 - line);
    if (!is_named(line, n, name, len)) status = buf_append(&rest, line, n);
    buf_consume(&c->lines, n);
  }
  buf_fini(&c->lines);
  c->lines = rest;
  if (status < 0) error_raise(L, "%s", status_text(-ENOMEM));
}

/* The fields that decide about the message are the connection's: true when it has taken
 * the value. */
static bool take_special(lua_State *L, struct http_conn *c, enum http1_field_id id,
                         const char *value, size_t len) {
  switch (id) {
  case HTTP1_FIELD_CONTENT_LENGTH:
    c->promised = char_number(value, len);
    if (c->promised < 0) error_raise(L, "header 'Content-Length': not a number of bytes");
    return true;
  case HTTP1_FIELD_TRANSFER_ENCODING:
    error_raise(L,
                "header 'Transfer-Encoding': how a body is framed is not the script's");
    return true;
  case HTTP1_FIELD_CONNECTION:
    if (char_same(value, len, "close"))
      c->keep = false;
    else if (!char_same(value, len, "keep-alive"))
      error_raise(L, "header 'Connection': only \"close\" and \"keep-alive\"");
    return true;
  case HTTP1_FIELD_DATE: c->has_date = true; return false;
  case HTTP1_FIELD_SERVER: c->has_server = true; return false;
  case HTTP1_FIELD_CONTENT_TYPE: c->has_type = true; return false;
  default: return false;
  }
}

/* One line; the value is the string or number at `value`. */
static void add_one(lua_State *L, struct http_conn *c, const char *name, size_t len,
                    int value) {
  size_t value_len;
  int type = lua_type(L, value);
  if (type != LUA_TSTRING && type != LUA_TNUMBER)
    error_raise(L, "header '%s': a string, a number or a list of them, not %s", name,
                luaL_typename(L, value));
  const char *text = lua_tolstring(L, value, &value_len);
  if (!is_value(text, value_len))
    error_raise(L, "header '%s': the value holds a control byte", name);
  if (!take_special(L, c, http1_field_id(name, len), text, value_len))
    append_line(L, c, name, len, text, value_len);
}

void http_add_line(lua_State *L, struct http_conn *c, const char *name, size_t len,
                   int value, bool replace) {
  if (len == 0 || char_run(name, len, CHAR_TOKEN) != len)
    error_raise(L, "header '%s': the name is not a token (RFC 9110 section 5.6.2)", name);
  if (replace && buf_len(&c->lines)) remove_lines(L, c, name, len);
  if (lua_isnil(L, value)) return;
  if (lua_type(L, value) != LUA_TTABLE) {
    lua_pushvalue(L, value); /* a number is made a string in a copy */
    add_one(L, c, name, len, -1);
    lua_pop(L, 1);
    return;
  }
  lua_Integer n = (lua_Integer)lua_rawlen(L, value);
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, value, i);
    add_one(L, c, name, len, -1);
    lua_pop(L, 1);
  }
}

enum { NAMES_MAX = 64 };

struct name {
  const char *text;
  size_t len;
};

/* Host goes first (RFC 9110 section 7.2). */
static int compare(const void *a, const void *b) {
  const struct name *x = a, *y = b;
  int host = char_same(y->text, y->len, "host") - char_same(x->text, x->len, "host");
  return host ? host : strcmp(x->text, y->text);
}

void http_add_lines(lua_State *L, struct http_conn *c, int table) {
  struct name names[NAMES_MAX];
  size_t n = 0;
  if (!lua_istable(L, table))
    error_raise(L, "headers: a table is needed, not %s", luaL_typename(L, table));
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      error_raise(L, "headers: a name is a string, not %s", luaL_typename(L, -2));
    if (n < NAMES_MAX)
      names[n].text = lua_tolstring(L, -2, &names[n].len);
    else
      error_raise(L, "headers: more than %d names", NAMES_MAX);
    n++;
  }
  /* Lua's own order differs from run to run. */
  if (n > 1) qsort(names, n, sizeof *names, compare);
  for (size_t i = 0; i < n; i++) {
    lua_pushlstring(L, names[i].text, names[i].len);
    lua_rawget(L, table);
    http_add_line(L, c, names[i].text, names[i].len, lua_gettop(L), true);
    lua_pop(L, 1);
  }
}

/* --- sending ---------------------------------------------------------------------------- */

/* Slots once a send waits: 1 the connection, 2 the bytes, 3 true when it has waited. */
enum { SLOT_CONN = 1, SLOT_BYTES, SLOT_WAITED };

static int put_failed(lua_State *L, struct http_conn *c, int status) {
  c->broken = true;
  c->keep = false;
  return http_fail(L, c, "send", status, NULL);
}

static int put_done(lua_State *L, struct http_conn *c, size_t n) {
  if (c->sock->sched->current) gate_leave(c->sock->sched->current);
  lua_pushboolean(L, 1);
  return task_step(L, c->sock->sched, 1, n);
}

/* A peer has the patience of a body, and a second more for every `rate` bytes. It has that
 * for one step of a long answer, or one that stands still would be held for days. */
int64_t http_patience(const struct http_conn *c, size_t n) {
  int64_t ns = c->shared->body_ns;
  if (ns == NET_NEVER) return NET_NEVER;
  if (n > HTTP_STEP_BYTES) n = HTTP_STEP_BYTES;
  int64_t more = (int64_t)n * 1000000000 / c->shared->rate;
  return loop_now(&c->sock->sched->loop) + ns + more;
}

static int put_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  struct socket *s = c->sock;
  size_t len;
  const char *bytes = lua_tolstring(L, SLOT_BYTES, &len);
  if (s->h < 0) return put_failed(L, c, STATUS_CLOSED);
  bool turn = gate_open(&s->wr, s->sched);
  ssize_t r = 0;
  if (turn && !lua_toboolean(L, SLOT_WAITED)) c->put = 0;
  size_t step = c->put / HTTP_STEP_BYTES;
  while (turn && c->put < len) {
    r = stream_send(&s->stream, s->sched->loop.net, s->h, bytes + c->put, len - c->put);
    if (r < 0) break;
    c->put += (size_t)r;
  }
  if (turn && c->put == len) return put_done(L, c, len);
  if (r < 0 && r != -EAGAIN) return put_failed(L, c, (int)r);
  if (c->put / HTTP_STEP_BYTES > step) deadline = http_patience(c, HTTP_STEP_BYTES);
  if (task_late(s->sched, deadline)) return put_failed(L, c, STATUS_TIMEOUT);
  struct task_wait w = {"send", s, turn ? s->h : -1, NET_WR, deadline, 0, NULL};
  if (!turn) return task_queue(L, s->sched, &s->wr, &w, put_k);
  lua_settop(L, SLOT_BYTES);
  lua_pushboolean(L, 1);
  gate_enter(&s->wr, s->sched);
  return task_await(L, s->sched, &w, put_k);
}

/* Slot 1 is the connection or a reply, which keeps it. */
static void push_conn(lua_State *L) {
  const struct http_conn *c = lua_touserdata(L, 1);
  if (c->class == &http_conn_class)
    lua_pushvalue(L, 1);
  else
    lua_getiuservalue(L, 1, HTTP_REPLY_CONN);
}

/* Makes a string of what is left, and sends it. */
static int put_rest(lua_State *L, struct http_conn *c, size_t from, size_t n, int tail) {
  if (tail)
    lua_pushvalue(L, tail);
  else
    lua_pushliteral(L, "");
  if (from < n) {
    lua_pushlstring(L, c->sock->sched->scratch + from, n - from);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  push_conn(L);
  lua_insert(L, SLOT_CONN);
  lua_insert(L, SLOT_BYTES);
  lua_settop(L, SLOT_BYTES);
  return put_k(L, LUA_OK, http_patience(c, lua_rawlen(L, SLOT_BYTES)));
}

int http_put(lua_State *L, struct http_conn *c, size_t n, int tail) {
  struct socket *s = c->sock;
  size_t sent = 0;
  if (s->h < 0) return put_failed(L, c, STATUS_CLOSED);
  interrupt_check(L, s->sched, "send", s);
  if (gate_open(&s->wr, s->sched) && n > 0) {
    ssize_t r = stream_send(&s->stream, s->sched->loop.net, s->h, s->sched->scratch, n);
    if (r < 0 && r != -EAGAIN) return put_failed(L, c, (int)r);
    if (r > 0) sent = (size_t)r;
  }
  if (sent == n && !tail) return put_done(L, c, n);
  return put_rest(L, c, sent, n, tail);
}

/* Counts a piece against what was promised. */
static void count(lua_State *L, struct http_conn *c, size_t len) {
  if (c->framing == HTTP_NO_BODY && len > 0 && !c->head_only)
    error_raise(L, "write: this message has no body");
  if (c->framing == HTTP_LENGTH && len > (uint64_t)c->promised - c->written)
    error_raise(L, "write: more bytes than the Content-Length of %I",
                (LUAI_UACINT)c->promised);
  if (c->framing != HTTP_NO_BODY) c->written += len;
}

/* Pushes what goes behind the scratch when the piece does not fit into it. */
static void push_long_piece(lua_State *L, const struct http_conn *c, int piece) {
  lua_pushvalue(L, piece);
  if (c->framing != HTTP_CHUNKED) return;
  lua_pushliteral(L, "\r\n");
  lua_concat(L, 2);
}

int http_put_piece(lua_State *L, struct http_conn *c, struct http_out *o, int piece) {
  size_t len;
  const char *text = lua_tolstring(L, piece, &len);
  count(L, c, len);
  if (c->framing == HTTP_NO_BODY) len = 0;
  bool chunk = c->framing == HTTP_CHUNKED && len > 0;
  if (chunk) {
    http_add_number(o, len, 16);
    http_add(o, "\r\n", 2);
  }
  if (len + 2 > o->room - o->len) {
    push_long_piece(L, c, piece);
    return http_put(L, c, o->len, lua_gettop(L));
  }
  http_add(o, text, len);
  if (chunk) http_add(o, "\r\n", 2);
  if (o->len > 0) return http_put(L, c, o->len, 0);
  lua_pushboolean(L, 1);
  return 1;
}
