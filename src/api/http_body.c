/* Bodies: framed by a length, by chunks, or by the end of the connection. They are read in
 * pieces as they come, or as a whole up to a limit. Memory grows with what has come, never
 * with what was promised. The peer has the patience of body_timeout to begin with, and
 * gains a second for every `rate` bytes that it sends. */
#include "api/http.h"

#include <errno.h>
#include <lauxlib.h>

#include "api/args.h"
#include "base/copy.h"
#include "base/status.h"

enum { SLOT_MESSAGE = 1, SLOT_N };

enum { PIECE_BYTES = 64 * 1024 };
static const int64_t DROP_NS = 1000000000;    /* how long an unread body may take */
static const int64_t LINGER_NS = 30000000000; /* unless told */
static const int64_t SILENCE_NS = 2000000000; /* a peer that lingers may say nothing */

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";
static const char whole_key; /* in the extras: the body that was read as a whole */

void http_body_begin(struct http_conn *c, const struct http1_head *h) {
  c->body = h->body;
  c->left = h->body == HTTP1_BODY_LENGTH ? (uint64_t)h->content_length : 0;
  if (c->body == HTTP1_BODY_LENGTH && c->left == 0) c->body = HTTP1_BODY_NONE;
  c->trailers = false;
  c->expect = h->expect_continue && c->body != HTTP1_BODY_NONE;
  c->body_bytes = 0;
  c->patience_ns = c->shared->body_ns;
  c->waits_ns = 0;
  if (c->body == HTTP1_BODY_CHUNKED)
    http1_chunks_init(&c->chunks, c->shared->limits.head_max);
  if (buf_len(&c->whole)) buf_fini(&c->whole);
}

/* --- one step --------------------------------------------------------------------------- */

static ssize_t fill(struct http_conn *c) {
  struct socket *s = c->sock;
  return stream_fill(&s->stream, s->sched->loop.net, s->h, s->sched->scratch,
                     SCRATCH_BYTES);
}

static ssize_t plain_step(struct http_conn *c, char *out, size_t n) {
  struct socket *s = c->sock;
  if (c->body == HTTP1_BODY_LENGTH && n > c->left) n = (size_t)c->left;
  ssize_t r = stream_recv(&s->stream, s->sched->loop.net, s->h, out, n);
  if (r > 0 && c->body == HTTP1_BODY_LENGTH && (c->left -= (uint64_t)r) == 0)
    c->body = HTTP1_BODY_NONE;
  if (r != STATUS_EOF || c->body != HTTP1_BODY_CLOSE) return r;
  c->body = HTTP1_BODY_NONE;
  return 0;
}

/* The trailer section: checked and passed over. 1: it is through; 0: more has to come. */
static int skip_trailers(struct http_conn *c, int *rule) {
  struct http_shared *shared = c->shared;
  struct stream *st = &c->sock->stream;
  http1_head_init(&shared->head, shared->fields, shared->fields_max);
  ssize_t r = http1_trailers(&shared->head, &shared->limits, buf_bytes(&st->in),
                             buf_len(&st->in));
  if (r <= 0) {
    *rule = (int)r;
    return r < 0 ? STATUS_INVALID : 0;
  }
  stream_take(st, (size_t)r);
  c->body = HTTP1_BODY_NONE;
  return 1;
}

/* From the stream's buffer to `out`, at most `n` bytes; 0 also where more has to come. */
static ssize_t chunks_step(struct http_conn *c, char *out, size_t n, int *rule) {
  struct stream *st = &c->sock->stream;
  size_t got = 0, used, held;
  while (!c->trailers && got < n && (held = buf_len(&st->in)) > 0) {
    struct slice data;
    if (held > n - got) held = n - got;
    int r = http1_chunks_next(&c->chunks, buf_bytes(&st->in), held, &used, &data);
    if (r < 0) {
      *rule = r;
      return STATUS_INVALID;
    }
    if (r == HTTP1_CHUNK_DATA) {
      copy_bytes(out + got, buf_bytes(&st->in) + data.at, data.len);
      got += data.len;
    }
    stream_take(st, used);
    c->trailers = r == HTTP1_CHUNK_END;
  }
  return (ssize_t)got;
}

ssize_t http_body_step(struct http_conn *c, char *out, size_t n, int *rule) {
  if (c->body == HTTP1_BODY_NONE) return 0;
  if (c->body != HTTP1_BODY_CHUNKED) return plain_step(c, out, n);
  for (;;) {
    ssize_t r = chunks_step(c, out, n, rule);
    if (r < 0) return r;
    int over = c->trailers && buf_len(&c->sock->stream.in) ? skip_trailers(c, rule) : 0;
    if (over < 0) return over;
    if (r > 0 || over > 0) return r;
    r = fill(c); /* its bytes pass through the scratch, where nothing lies yet */
    if (r <= 0) return r;
  }
}

/* --- waiting ---------------------------------------------------------------------------- */

/* Sends 100 Continue to a peer that waits for it; not to one that has begun to send
 * (RFC 9110 section 10.1.1). 0 or a status. */
static int invite(struct http_conn *c) {
  struct socket *s = c->sock;
  if (!c->expect) return 0;
  if (c->sent == HTTP_NOTHING && buf_len(&s->stream.in) == 0) {
    ssize_t r = stream_send(&s->stream, s->sched->loop.net, s->h, continue_line,
                            sizeof continue_line - 1);
    if (r < 0) return (int)r;
  }
  c->expect = false;
  return 0;
}

static void waited(struct http_conn *c, ssize_t got) {
  struct sched *sched = c->sock->sched;
  if (c->patience_ns == NET_NEVER) return;
  if (c->waits_ns) c->patience_ns -= loop_now(&sched->loop) - c->waits_ns;
  c->waits_ns = 0;
  if (got > 0) c->patience_ns += (int64_t)got * 1000000000 / c->shared->rate;
  if (c->patience_ns > c->shared->body_ns) c->patience_ns = c->shared->body_ns;
}

/* When the patience is over, counted from now. */
static int64_t limit(struct http_conn *c) {
  struct sched *sched = c->sock->sched;
  if (!c->waits_ns) c->waits_ns = loop_now(&sched->loop);
  return c->patience_ns == NET_NEVER ? NET_NEVER : c->waits_ns + c->patience_ns;
}

static int status_to_answer(int status) {
  if (status == STATUS_TIMEOUT) return 408;
  if (status == STATUS_OVERSIZED) return 413;
  return status == STATUS_INVALID || status == STATUS_EOF ? 400 : 0;
}

/* nil, err, code. The connection cannot go on. err.status is what a server answers; what
 * another server did is no fault of a request that is being handled meanwhile. */
static int body_failed(lua_State *L, struct http_conn *c, const char *op, int status,
                       int rule) {
  c->keep = false;
  int answer = rule ? http1_rule(rule)->status : status_to_answer(status);
  const char *text = rule ? http1_rule(rule)->text : NULL;
  if (status == STATUS_OVERSIZED) text = "the body is longer than its limit";
  if (status == STATUS_EOF) text = "the peer ended in the middle of a body";
  http_failure(L, c, op, status, text);
  if (answer && !c->client) {
    lua_pushinteger(L, answer);
    lua_setfield(L, -3, "status");
  }
  return task_fail(L, c->sock->sched);
}

/* Parks for what `r` says is missing: -EAGAIN. */
static int await(lua_State *L, struct http_conn *c, const char *op, uint32_t what,
                 lua_KFunction k) {
  struct socket *s = c->sock;
  int64_t deadline = limit(c);
  if (task_late(s->sched, deadline)) return body_failed(L, c, op, STATUS_TIMEOUT, 0);
  struct task_wait w = {op, s, s->h, what, deadline, 0, NULL};
  gate_enter(&s->rd, s->sched);
  return task_await(L, s->sched, &w, k);
}

/* --- reading in pieces ------------------------------------------------------------------ */

/* The connection of the message in slot 1, whose body can still be read. */
static struct http_conn *begin(lua_State *L, const char *op) {
  struct http_message *m = http_message_check(L, SLOT_MESSAGE);
  struct http_conn *c = m->conn;
  if (m->serial != c->serial || c->phase == HTTP_IDLE || c->phase == HTTP_HEAD)
    error_raise(L, "%s: this message is over; read its body while it is handled", op);
  socket_claim(L, c->sock, op);
  if (c->sock->h >= 0) interrupt_check(L, c->sock->sched, op, c->sock);
  return c;
}

static int read_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct http_conn *c = http_message_check(L, SLOT_MESSAGE)->conn;
  struct sched *sched = c->sock->sched;
  size_t n = (size_t)lua_tointeger(L, SLOT_N);
  int rule = 0;
  if (c->sock->h < 0) return body_failed(L, c, "body", STATUS_CLOSED, 0);
  int invited = invite(c);
  if (invited == -EAGAIN) return await(L, c, "body", NET_WR, read_k);
  if (invited < 0) return body_failed(L, c, "body", invited, 0);
  ssize_t r = http_body_step(c, socket_scratch(L, sched), n, &rule);
  waited(c, r);
  if (r == -EAGAIN) return await(L, c, "body", NET_RD, read_k);
  if (r < 0) return body_failed(L, c, "body", (int)r, rule);
  if (sched->current) gate_leave(sched->current);
  if (r == 0) {
    lua_pushnil(L);
    return 1;
  }
  c->body_bytes += (uint64_t)r;
  lua_pushlstring(L, sched->scratch, (size_t)r);
  return task_step(L, sched, 1, (size_t)r);
}

/* message:read([n]) -> up to n bytes of the body | nil at its end | nil, err, code   [y] */
static int read_method(lua_State *L) {
  size_t n = lua_isnoneornil(L, 2) ? PIECE_BYTES : args_size(L, 2, 1, LUA_MAXINTEGER);
  begin(L, "body");
  lua_settop(L, SLOT_MESSAGE);
  lua_pushinteger(L, (lua_Integer)(n < SCRATCH_BYTES ? n : SCRATCH_BYTES));
  return read_k(L, LUA_OK, 0);
}

/* --- reading as a whole ----------------------------------------------------------------- */

/* Keeps the body for those who ask again, and gives it. */
static int whole_done(lua_State *L, struct http_conn *c) {
  size_t size = lua_rawlen(L, -1);
  if (c->sock->sched->current) gate_leave(c->sock->sched->current);
  if (lua_getiuservalue(L, SLOT_MESSAGE, HTTP_EXTRA) != LUA_TTABLE) {
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, SLOT_MESSAGE, HTTP_EXTRA);
    lua_replace(L, -2);
  }
  lua_pushvalue(L, -2);
  lua_rawsetp(L, -2, &whole_key);
  lua_pop(L, 1);
  return task_step(L, c->sock->sched, 1, size);
}

static int whole_k(lua_State *L, int status, lua_KContext context);

/* Others are due; the body is still this task's. */
static int step_aside(lua_State *L, struct http_conn *c) {
  struct socket *s = c->sock;
  struct task_wait w = {"body", s, s->h, NET_RD, NET_NEVER, 0, NULL};
  gate_enter(&s->rd, s->sched);
  return task_yield(L, s->sched, &w, whole_k);
}

/* Adds what has come; the body's last bytes need no buffer when they are its first. */
static int whole_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct http_conn *c = http_message_check(L, SLOT_MESSAGE)->conn;
  char *scratch = socket_scratch(L, c->sock->sched);
  uint64_t max = (uint64_t)lua_tointeger(L, SLOT_N);
  for (;;) {
    int rule = 0;
    if (c->sock->h < 0) return body_failed(L, c, "body", STATUS_CLOSED, 0);
    if (c->body_bytes > max || (c->body == HTTP1_BODY_LENGTH && c->left > max))
      return body_failed(L, c, "body", STATUS_OVERSIZED, 0);
    int invited = invite(c);
    if (invited == -EAGAIN) return await(L, c, "body", NET_WR, whole_k);
    if (invited < 0) return body_failed(L, c, "body", invited, 0);
    ssize_t r = http_body_step(c, scratch, SCRATCH_BYTES, &rule);
    waited(c, r);
    if (r == -EAGAIN) return await(L, c, "body", NET_RD, whole_k);
    if (r < 0) return body_failed(L, c, "body", (int)r, rule);
    c->body_bytes += (uint64_t)r;
    bool over = c->body == HTTP1_BODY_NONE;
    if (over && buf_len(&c->whole) == 0 && c->body_bytes <= max) {
      lua_pushlstring(L, scratch, (size_t)r);
      return whole_done(L, c);
    }
    if (buf_append(&c->whole, scratch, (size_t)r) < 0)
      return body_failed(L, c, "body", -ENOMEM, 0);
    if (!over && task_spent(L, c->sock->sched, (size_t)r)) return step_aside(L, c);
    if (!over || c->body_bytes > max) continue;
    lua_pushlstring(L, buf_bytes(&c->whole), buf_len(&c->whole));
    buf_fini(&c->whole);
    return whole_done(L, c);
  }
}

/* message:body([max]) -> the whole body | nil, err, code. A second time gives it again. [y] */
static int body_method(lua_State *L) {
  http_message_check(L, SLOT_MESSAGE);
  size_t max = lua_isnoneornil(L, 2) ? http_message_check(L, 1)->conn->shared->body_max
                                     : args_size(L, 2, 0, LUA_MAXINTEGER);
  lua_settop(L, SLOT_MESSAGE);
  if (lua_getiuservalue(L, SLOT_MESSAGE, HTTP_EXTRA) == LUA_TTABLE &&
      lua_rawgetp(L, -1, &whole_key) == LUA_TSTRING)
    return 1;
  lua_settop(L, SLOT_MESSAGE);
  begin(L, "body");
  lua_pushinteger(L, (lua_Integer)max);
  return whole_k(L, LUA_OK, 0);
}

/* --- dropping --------------------------------------------------------------------------- */

/* Reads and drops what is left of a body, within bounds. Slot 1: the connection. */
static int drop_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct http_conn *c = http_conn_check(L, 1);
  struct socket *s = c->sock;
  char *scratch = socket_scratch(L, s->sched);
  for (;;) {
    int rule = 0;
    ssize_t r =
        s->h < 0 ? STATUS_CLOSED : http_body_step(c, scratch, SCRATCH_BYTES, &rule);
    if (r == -EAGAIN && !task_late(s->sched, deadline)) {
      struct task_wait w = {"body", s, s->h, NET_RD, deadline, 0, NULL};
      gate_enter(&s->rd, s->sched);
      return task_await(L, s->sched, &w, drop_k);
    }
    if (r > 0) c->body_bytes += (uint64_t)r;
    if (r > 0 && (c->dropped += (uint64_t)r) <= HTTP_DROP_BYTES) continue;
    if (s->sched->current) gate_leave(s->sched->current);
    if (r != 0) c->keep = false;
    lua_pushboolean(L, c->keep);
    return 1;
  }
}

int http_drop_body(lua_State *L, struct http_conn *c) {
  bool worth = c->keep && !c->expect && c->left <= HTTP_DROP_BYTES;
  if (c->body == HTTP1_BODY_NONE || !worth) {
    c->keep = c->keep && c->body == HTTP1_BODY_NONE;
    lua_pushboolean(L, c->keep);
    return 1;
  }
  lua_settop(L, 1);
  c->dropped = 0;
  return drop_k(L, LUA_OK, loop_now(&c->sock->sched->loop) + DROP_NS);
}

/* --- lingering -------------------------------------------------------------------------- */

/* A close with unread bytes makes the kernel send a reset, which can destroy the answer on
 * its way. So the sending side ends first, and what still comes is dropped until the peer
 * ends too, falls silent, or has had its time. Its bytes are not counted: many a client
 * reads no answer before it has sent all of a body. */
static int end_sending(struct http_conn *c) {
  struct socket *s = c->sock;
  if (s->stream.wr_status != 0) return 0;
  int r = net_shutdown(s->sched->loop.net, s->h, SHUT_WR);
  if (r != -EAGAIN) stream_end(&s->stream);
  return r;
}

/* > 0: others are due, and more may have come; 0: it is over; < 0: a status. What comes
 * moves the deadline up to the connection's own. */
static ssize_t drop_share(lua_State *L, struct http_conn *c, int64_t *deadline_ns) {
  struct sched *sched = c->sock->sched;
  ssize_t r;
  do {
    r = net_recv(sched->loop.net, c->sock->h, sched->scratch, SCRATCH_BYTES);
    if (r <= 0) return r;
    if (task_late(sched, c->deadline_ns)) return 0;
    *deadline_ns = loop_now(&sched->loop) + SILENCE_NS;
    if (*deadline_ns > c->deadline_ns) *deadline_ns = c->deadline_ns;
  } while (!task_spent(L, sched, (size_t)r));
  return r;
}

static int linger_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct http_conn *c = http_conn_check(L, 1);
  struct socket *s = c->sock;
  struct task_wait w = {"close", s, s->h, NET_RD, deadline, 0, NULL};
  socket_scratch(L, s->sched);
  ssize_t r = s->h < 0 ? 0 : end_sending(c);
  if (r == -EAGAIN) w.what = NET_WR;
  if (r == 0 && s->h >= 0) r = drop_share(L, c, &w.deadline_ns);
  if (r == -EAGAIN && !task_late(s->sched, w.deadline_ns)) {
    gate_enter(&s->rd, s->sched);
    return task_await(L, s->sched, &w, linger_k);
  }
  if (s->sched->current) gate_leave(s->sched->current);
  return r > 0 ? task_yield(L, s->sched, &w, linger_k) : 0;
}

/* conn:linger([seconds]): before a close; does nothing when the peer will send no more. So
 * long at most, 30 unless told.                                                      [y] */
static int linger_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  int64_t longest = lua_isnoneornil(L, 2) ? LINGER_NS : args_seconds(L, 2);
  lua_settop(L, 1);
  if (c->sock->h < 0 || c->sock->stream.rd_status < 0) return 0;
  if (c->status == 101) return 0;
  bool clean = c->phase == HTTP_BODY && !c->wants_more;
  if (clean && c->body == HTTP1_BODY_NONE && buf_len(&c->sock->stream.in) == 0) return 0;
  int64_t now = loop_now(&c->sock->sched->loop);
  c->deadline_ns = now + longest;
  return linger_k(L, LUA_OK, now + (longest < SILENCE_NS ? longest : SILENCE_NS));
}

static const luaL_Reg conn_methods[] = {
    {"linger", linger_method},
    {NULL,     NULL         },
};

static const luaL_Reg methods[] = {
    {"body", body_method},
    {"read", read_method},
    {NULL,   NULL       },
};

void http_body_methods(lua_State *L) {
  sched_functions(L, methods);
}

void http_linger_methods(lua_State *L) {
  sched_functions(L, conn_methods);
}
