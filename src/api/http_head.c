/* Heads: exchanges and next_response wait until a whole head has come. One that came in
 * one piece, as nearly all requests do, is parsed in a place that all connections share, and
 * where it was received, in the scratch: it is "fresh". One that came in part gets a place of
 * its own, and its bytes the stream's buffer. */
#include "api/http.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

enum {
  SLOT_CONN = 1,
  SLOT_HANDLER,
  SLOT_READY,
  SLOT_ONCE,
  SLOT_ROUTES,
  SLOT_CALLED,
  SLOT_REQUEST
};

static const char *operation(const struct http_conn *c) {
  return c->client ? "response" : "request";
}

/* The end of the phase that begins now. */
static int64_t phase_end(const struct http_conn *c) {
  bool head = c->phase == HTTP_HEAD;
  int64_t ns = head ? c->shared->head_ns : c->shared->idle_ns;
  return ns == NET_NEVER ? NET_NEVER : loop_now(&c->sock->sched->loop) + ns;
}

/* --- failures --------------------------------------------------------------------------- */

static void forget_partial(struct http_conn *c) {
  free(c->partial);
  c->partial = NULL;
}

/* nil, err, code, and the status to answer where one is due. Nothing more is read, so it
 * happens once a connection and need not count. */
static int head_failed(lua_State *L, struct http_conn *c, int status, int answer) {
  forget_partial(c);
  c->phase = HTTP_ENDED;
  c->keep = false;
  if (answer) c->shared->refused++;
  http_failure(L, c, operation(c), status, NULL);
  if (!answer) return 3;
  lua_pushinteger(L, answer);
  return 4;
}

static int head_bad(lua_State *L, struct http_conn *c, ssize_t rule) {
  const struct http1_rule_row *row = http1_rule(rule);
  head_failed(L, c, STATUS_INVALID, row->status);
  lua_pushfstring(L, "%s (RFC %s)", row->text, row->section);
  lua_setfield(L, -4, "text");
  lua_pushstring(L, row->name);
  lua_setfield(L, -4, "rule");
  return 4;
}

/* --- parsing ---------------------------------------------------------------------------- */

/* Keeps what is known of a head whose rest has not come. */
static int keep_partial(struct http_conn *c) {
  struct http_shared *shared = c->shared;
  struct http_partial *p =
      malloc(sizeof *p + shared->fields_max * sizeof(struct http1_field));
  if (!p) return -ENOMEM;
  p->head = shared->head;
  p->head.fields = p->fields;
  memcpy(p->fields, shared->fields, p->head.field_count * sizeof(struct http1_field));
  c->partial = p;
  return 0;
}

/* > 0: the size of a whole head in `*out`; 0: more has to come; < 0: -rule. */
static ssize_t parse(struct http_conn *c, const char *bytes, size_t n,
                     struct http1_head **out) {
  struct http_shared *shared = c->shared;
  struct http1_head *h = c->partial ? &c->partial->head : &shared->head;
  if (!c->partial) http1_head_init(h, shared->fields, shared->fields_max);
  *out = h;
  if (c->client) return http1_response(h, &shared->limits, c->asked, bytes, n);
  return http1_request(h, &shared->limits, bytes, n);
}

/* --- the one operation ------------------------------------------------------------------ */

/* A head that only announces another (RFC 9110 section 15.2). */
static bool is_interim(const struct http_conn *c, const struct http1_head *h) {
  return c->client && h->status < 200 && h->status != 101;
}

/* Takes a head out of the buffer, or of the `fresh` bytes, whose rest is then kept. 0 or
 * -ENOMEM. */
static int take_bytes(struct http_conn *c, size_t size, size_t fresh) {
  struct socket *s = c->sock;
  if (fresh) return buf_append(&s->stream.in, s->sched->scratch + size, fresh - size);
  stream_take(&s->stream, size);
  return 0;
}

/* What `read_head` gives when a head has come; else it gives the results of its caller. */
enum { HEAD_DONE = -1 };

/* Hands the head out: the message, and the reply to a request. */
static int head_done(lua_State *L, struct http_conn *c, struct http1_head *h, size_t size,
                     size_t fresh) {
  struct socket *s = c->sock;
  if (s->sched->current) gate_leave(s->sched->current);
  c->serial++;
  c->shared->requests++;
  c->phase = HTTP_BODY;
  http_log_begin(c);
  http_body_begin(c, h);
  if (!c->client) http_write_begin(c, h);
  if (c->client) c->keep = c->keep && h->keep_alive;
  if (!http_message_push(L, c, SLOT_CONN, h, size, &fresh))
    return head_failed(L, c, STATUS_CLOSED, 0);
  forget_partial(c);
  int r = take_bytes(c, size, fresh);
  if (r < 0) return head_failed(L, c, r, 0);
  if (c->client) return HEAD_DONE;
  lua_pushvalue(L, -1);
  lua_setiuservalue(L, SLOT_CONN, HTTP_REQUEST);
  http_reply_push(L, c, SLOT_CONN);
  return HEAD_DONE;
}

static int await(lua_State *L, struct http_conn *c, lua_KFunction k) {
  struct socket *s = c->sock;
  if (c->shared->stopping && !c->client && c->phase == HTTP_IDLE)
    return head_failed(L, c, STATUS_CLOSED, 0);
  if (!c->deadline_ns)
    c->deadline_ns = phase_end(c);
  else if (task_late(s->sched, c->deadline_ns))
    return head_failed(L, c, STATUS_TIMEOUT,
                       c->phase == HTTP_HEAD && !c->client ? 408 : 0);
  struct task_wait w = {operation(c), s, s->h, NET_RD, c->deadline_ns, 0, NULL};
  gate_enter(&s->rd, s->sched);
  bool may_be_ready = c->shared->hot && !hot_is_empty(c->shared->hot);
  return task_await_first(L, s->sched, &w, may_be_ready ? &c->first : NULL, k);
}

enum { TAKE_MORE, TAKE_DONE, TAKE_READY };

/* The ready answer is to be sent: TAKE_READY or -ENOMEM. */
static int take_ready(struct http_conn *c, size_t size, size_t fresh) {
  forget_partial(c);
  c->deadline_ns = NET_NEVER; /* until it has to wait for room */
  int r = take_bytes(c, size, fresh);
  return r < 0 ? r : TAKE_READY;
}

/* More of the head has to come: TAKE_MORE or -ENOMEM. */
static int take_part(struct http_conn *c, size_t fresh) {
  int r = fresh ? take_bytes(c, 0, fresh) : 0;
  if (r == 0 && !c->partial) r = keep_partial(c);
  return r < 0 ? r : TAKE_MORE;
}

/* What the buffer holds, or the `fresh` bytes: a whole head ends the operation, or a ready
 * answer is to be sent; or more has to come. Or a status. */
static int take_head(lua_State *L, struct http_conn *c, size_t fresh, int *results) {
  struct http1_head *h;
  const struct buf *in = &c->sock->stream.in;
  if (c->phase == HTTP_IDLE) {
    c->phase = HTTP_HEAD;
    c->deadline_ns = 0;
  }
  const char *bytes = fresh ? c->sock->sched->scratch : buf_bytes(in);
  bool seen = c->parsed > 0; /* by answer_ready, which had no answer */
  ssize_t r = (ssize_t)c->parsed;
  h = &c->shared->head;
  c->parsed = 0;
  if (!seen) r = parse(c, bytes, fresh ? fresh : buf_len(in), &h);
  while (r > 0 && is_interim(c, h)) {
    forget_partial(c);
    stream_take(&c->sock->stream, (size_t)r);
    c->interim += (uint32_t)r;
    if (buf_len(in) == 0) return TAKE_MORE;
    r = c->interim > c->shared->limits.head_max
            ? -HTTP1_BAD_HEAD_LONG
            : parse(c, buf_bytes(in), buf_len(in), &h);
  }
  if (r == 0) return take_part(c, fresh);
  if (r > 0 && !seen && c->shared->hot && http_hot_take(c, h, bytes))
    return take_ready(c, (size_t)r, fresh);
  *results = r < 0 ? head_bad(L, c, r) : head_done(L, c, h, (size_t)r, fresh);
  return TAKE_DONE;
}

/* Bytes that were received without the task, and still lie in the scratch. */
static size_t take_owed(struct http_conn *c) {
  struct sched *sched = c->sock->sched;
  if (sched->owed != c->sock || c->client || buf_len(&c->sock->stream.in) > 0) {
    c->parsed = 0;
    return 0;
  }
  sched->owed = NULL;
  return sched->owed_bytes;
}

/* Receives. `*fresh`: so many bytes lie in the scratch, as the buffer was empty. */
static ssize_t receive(lua_State *L, struct http_conn *c, size_t *fresh) {
  struct socket *s = c->sock;
  struct net *net = s->sched->loop.net;
  char *scratch = socket_scratch(L, s->sched);
  if (c->client || buf_len(&s->stream.in) > 0)
    return stream_fill(&s->stream, net, s->h, scratch, SCRATCH_BYTES);
  ssize_t r = stream_recv(&s->stream, net, s->h, scratch, SCRATCH_BYTES);
  if (r > 0) *fresh = (size_t)r;
  return r;
}

/* Sends the ready answer, waits for room, or steps aside after a fair share. 0: go on. */
static int send_ready(lua_State *L, struct http_conn *c, lua_KFunction k) {
  struct socket *s = c->sock;
  size_t len = c->hot->len;
  int r = http_hot_send(c);
  if (r == -EAGAIN && c->deadline_ns == NET_NEVER) c->deadline_ns = http_patience(c, len);
  if (r == -EAGAIN && task_late(s->sched, c->deadline_ns)) r = STATUS_TIMEOUT;
  struct task_wait w = {"send", s, s->h, NET_WR, c->deadline_ns, 0, NULL};
  if (r == -EAGAIN) {
    gate_enter(&s->wr, s->sched);
    return task_await(L, s->sched, &w, k);
  }
  if (r < 0) return head_failed(L, c, r, 0);
  if (s->sched->current) gate_leave(s->sched->current);
  c->deadline_ns = 0;
  return task_spent(L, s->sched, len) ? task_yield(L, s->sched, &w, k) : 0;
}

/* HEAD_DONE with the message pushed, and behind that of a request the reply to it; or the
 * end of the binding, which `k` restarts after a wait. */
static int read_head(lua_State *L, struct http_conn *c, lua_KFunction k) {
  struct socket *s = c->sock;
  size_t fresh = take_owed(c);
  for (;;) {
    if (s->h < 0) return head_failed(L, c, STATUS_CLOSED, 0);
    if (c->hot) {
      int results = send_ready(L, c, k);
      if (results) return results;
    }
    if (fresh || buf_len(&s->stream.in) > 0) {
      int results = 0, r = take_head(L, c, fresh, &results);
      fresh = 0;
      if (r == TAKE_DONE) return results;
      if (r == TAKE_READY) continue;
      if (r < 0) return head_failed(L, c, r, 0);
    }
    ssize_t r = receive(L, c, &fresh);
    if (r > 0) continue;
    if (r == -EAGAIN) return await(L, c, k);
    return head_failed(L, c, (int)r, 0);
  }
}

/* --- without the task ------------------------------------------------------------------- */

/* Answers the `n` bytes in the scratch, if a ready answer is enough. False: the rest is the
 * task's, for which all lies where read_head finds it. */
static bool answer_ready(struct http_conn *c, size_t n) {
  struct socket *s = c->sock;
  struct http1_head *h;
  ssize_t r = parse(c, s->sched->scratch, n, &h);
  if (r <= 0 || !http_hot_take(c, h, s->sched->scratch)) {
    c->parsed = r > 0 ? (size_t)r : 0;
    socket_owe(s, n);
    return false;
  }
  c->deadline_ns = NET_NEVER; /* until it has to wait for room */
  if (take_bytes(c, (size_t)r, n) < 0) s->stream.rd_status = -ENOMEM;
  if (http_hot_send(c) < 0) return false;
  c->deadline_ns = 0;
  return buf_len(&s->stream.in) == 0 && s->stream.rd_status == 0;
}

/* A ready answer needs no Lua, and resuming a task for it costs as much as the answer. */
bool http_head_deal(struct task_first *first, struct task *t) {
  enum { TIMES = 8 }; /* so often, then others are due */
  struct http_conn *c = list_entry(first, struct http_conn, first);
  struct socket *s = c->sock;
  if (!c->shared->hot || c->phase != HTTP_IDLE || s->h < 0) return false;
  if (s->sched->owed || buf_len(&s->stream.in) > 0) return false;
  for (int i = 0; i < TIMES; i++) {
    ssize_t r = stream_recv(&s->stream, s->sched->loop.net, s->h, s->sched->scratch,
                            SCRATCH_BYTES);
    if (r == -EAGAIN && i > 0) {
      c->deadline_ns = phase_end(c);
      return task_again(t, c->deadline_ns);
    }
    if (r <= 0 || !answer_ready(c, (size_t)r)) return false;
  }
  return false;
}

/* What has to be true before another head is read. */
static void begin(lua_State *L, struct http_conn *c) {
  const char *op = operation(c);
  if (c->body != HTTP1_BODY_NONE) error_raise(L, "%s: a body has not been read", op);
  socket_claim(L, c->sock, op);
  interrupt_check(L, c->sock->sched, op, c->sock);
  if (c->phase == HTTP_BODY) c->phase = HTTP_IDLE;
  c->interim = 0;
  c->deadline_ns = 0;
}

/* Prepares for another exchange: the handler is pushed, what it is called with will come
 * behind. False with the end of the binding, true, pushed: the last is to be looked at. */
static bool prepare(lua_State *L, struct http_conn *c) {
  if (!http_is_settled(c) || c->phase == HTTP_ENDED || lua_toboolean(L, SLOT_ONCE)) {
    lua_pushboolean(L, 1);
    return false;
  }
  if (c->shared->log) {
    lua_getiuservalue(L, SLOT_CONN, HTTP_REQUEST);
    http_log_answer(c, lua_touserdata(L, -1), c->status);
    lua_pop(L, 1);
  }
  lua_pushnil(L); /* what fails from here on is not its failure */
  lua_setiuservalue(L, SLOT_CONN, HTTP_REQUEST);
  begin(L, c);
  lua_pushvalue(L, SLOT_HANDLER);
  return true;
}

static int exchange_k(lua_State *L, int status, lua_KContext context);
static int handled_k(lua_State *L, int status, lua_KContext context);

/* The handler, the request and the reply are on top. Where the handler is a router with a
 * fixed route for the request, that one's handler takes its place. Gives the number of
 * arguments: one more where the answer may be kept ready. */
static int choose(lua_State *L) {
  if (lua_istable(L, SLOT_ROUTES) && http_route_find(L, SLOT_ROUTES, SLOT_REQUEST)) {
    int route = lua_gettop(L);
    lua_rawgeti(L, route, 1);
    lua_copy(L, -1, SLOT_CALLED);
    lua_rawgeti(L, route, 2);
    bool ready = lua_toboolean(L, -1);
    lua_settop(L, route - 1);
    if (!ready) return 2;
  }
  if (lua_isnil(L, SLOT_READY)) return 2;
  lua_pushvalue(L, SLOT_READY);
  return 3;
}

/* Reads heads and calls the handler, which is on top, with each. */
static int exchange(lua_State *L, struct http_conn *c) {
  struct socket *s = c->sock;
  struct task_wait w = {"request", s, s->h, NET_RD, NET_NEVER, 0, NULL};
  for (;;) {
    int r = read_head(L, c, exchange_k);
    if (r != HEAD_DONE) return r;
    lua_callk(L, choose(L), 0, 0, handled_k);
    if (!prepare(L, c)) return 1;
    if (task_spent(L, s->sched, 0)) return task_yield(L, s->sched, &w, exchange_k);
  }
}

static int exchange_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  return exchange(L, http_conn_check(L, SLOT_CONN));
}

static int handled_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  return prepare(L, c) ? exchange(L, c) : 1;
}

/* conn:exchanges(handler, ready, once, routes) -> true: the last exchange, which the handler has
 * left, is to be settled or, with `once`, to be looked at | nil, err, code [, status to
 * answer]: there is no other request. Calls handler(req, res, ready) for each; `routes`: a
 * router's fixed ones, or nil.                                                       [y] */
static int exchanges(lua_State *L) {
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  lua_settop(L, SLOT_ROUTES);
  if (c->phase == HTTP_ENDED) return http_fail(L, c, "request", STATUS_CLOSED, NULL);
  begin(L, c);
  lua_pushvalue(L, SLOT_HANDLER);
  return exchange(L, c);
}

static int response_k(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  int r = read_head(L, c, response_k);
  return r == HEAD_DONE ? task_step(L, c->sock->sched, 1, 0) : r;
}

/* conn:next_response(method) -> answer | nil, err, code                              [y] */
static int next_response(lua_State *L) {
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  const char *method = luaL_checkstring(L, 2);
  c->asked = HTTP1_GET;
  if (strcmp(method, "HEAD") == 0) c->asked = HTTP1_HEAD;
  if (strcmp(method, "CONNECT") == 0) c->asked = HTTP1_CONNECT;
  lua_settop(L, SLOT_CONN);
  if (c->phase == HTTP_ENDED) return http_fail(L, c, "response", STATUS_CLOSED, NULL);
  begin(L, c);
  return response_k(L, LUA_OK, 0);
}

static const luaL_Reg methods[] = {
    {"exchanges",     exchanges    },
    {"next_response", next_response},
    {NULL,            NULL         },
};

void http_head_methods(lua_State *L) {
  sched_functions(L, methods);
}
