/* The access log in the Common Log Format or in JSON. A line goes into the buffer of Lua's
 * file as soon as its answer is over, also that of a ready answer, of which no script learns;
 * the buffer is written once a turn. What cannot be written is dropped and counted. */
#include <lauxlib.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>

#include "api/http.h"

struct http_log {
  struct waiter waiter;       /* ready while lines are in the buffer */
  struct loop *loop;          /* borrowed */
  luaL_Stream *file;          /* borrowed: the user value of the shared part keeps it */
  uint64_t buffered, dropped; /* lines */
};

/* --- lines ------------------------------------------------------------------------------ */

/* A Unix socket's peer is not noted, and in the common format it has no name. */
static void peer_text(const struct http_conn *c, char out[ADDR_TEXT]) {
  const struct socket *s = c->sock;
  bool json = c->shared->log_format == HTTP_LOG_JSON;
  struct addr peer;
  *out = '\0';
  if (socket_noted_peer(s, &peer))
    json ? addr_format(&peer, out) : addr_host(&peer, out);
  else if (json && s->h >= 0 &&
           net_name_of(s->sched->loop.net, s->h, NET_PEER, &peer) == 0)
    addr_format(&peer, out);
}

/* What every line has: whom it is about, when, and what came of it. */
static struct log_line begin(const struct http_conn *c, char host[ADDR_TEXT]) {
  struct http_shared *shared = c->shared;
  bool json = shared->log_format == HTTP_LOG_JSON;
  time_t now = time(NULL);
  if (now != shared->stamp_at) log_line_stamp(now, json, shared->stamp);
  shared->stamp_at = now;
  peer_text(c, host);
  struct log_line l = {.host = host, .stamp = shared->stamp, .micros = -1};
  if (json) l.micros = (loop_now(&shared->sched->loop) - c->begun_ns + 500) / 1000;
  return l;
}

/* The line of the answer to the request whose head is `h`, or to what was none. */
static struct log_line line_of(const struct http_conn *c, const struct http_message *m,
                               int status, char host[ADDR_TEXT]) {
  struct log_line l = begin(c, host);
  l.status = status;
  l.bytes = c->written;
  if (m) {
    l.method = m->bytes + m->head.method.at;
    l.method_len = m->head.method.len;
    l.target = m->bytes + m->head.target.at;
    l.target_len = m->head.target.len;
    l.minor = m->head.minor;
  }
  return l;
}

static size_t write_line(const struct http_conn *c, const struct log_line *l, char *out) {
  return c->shared->log_format == HTTP_LOG_JSON ? log_line_json(l, out)
                                                : log_line_common(l, out);
}

/* Adds the member that the first field `id` tells to c->lines, which no answer needs before
 * its head is made, or after. */
static void note_field(struct http_conn *c, const struct http1_head *h, const char *bytes,
                       enum http1_field_id id, const char *name) {
  for (uint32_t i = 0; i < h->field_count; i++) {
    const struct http1_field *f = &h->fields[i];
    char *at;
    if (f->id != id) continue;
    if (buf_reserve(&c->lines, log_line_member_max(name, f->value.len), &at) == 0)
      buf_commit(&c->lines, log_line_member(name, bytes + f->value.at, f->value.len, at));
    return;
  }
}

static void forget_noted(struct http_conn *c) {
  if (buf_len(&c->lines)) buf_fini(&c->lines);
}

void http_log_note(struct http_conn *c, const struct http1_head *h, const char *bytes) {
  if (c->shared->log_format != HTTP_LOG_JSON) return;
  forget_noted(c); /* or fields that a handler had set for an answer that never went */
  if (!h) return;
  note_field(c, h, bytes, HTTP1_FIELD_REFERER, "referer");
  note_field(c, h, bytes, HTTP1_FIELD_USER_AGENT, "user_agent");
}

/* What was noted goes with the line, and is gone then. */
static void take_noted(const struct http_conn *c, struct log_line *l) {
  l->more = buf_bytes(&c->lines);
  l->more_len = buf_len(&c->lines);
}

/* The request in slot 2, or NULL: the head was none. */
static const struct http_message *asked(lua_State *L) {
  return lua_isnoneornil(L, 2) ? NULL : http_message_check(L, 2);
}

/* conn:log_line([req [, status]]) -> the line of an answer that is over. `req` nil: of a head
 * that was none.                                                                         */
static int log_line_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  const struct http_message *m = asked(L);
  char host[ADDR_TEXT];
  luaL_Buffer b;
  struct log_line l = line_of(c, m, (int)luaL_optinteger(L, 3, c->status), host);
  http_log_note(c, m ? &m->head : NULL, m ? m->bytes : NULL);
  take_noted(c, &l);
  char *out = luaL_buffinitsize(L, &b, log_line_max(&l));
  luaL_pushresultsize(&b, write_line(c, &l, out));
  forget_noted(c);
  return 1;
}

/* conn:log_values([req [, status]]) -> status, bytes, peer, time [, seconds, method, target,
 * version, referer, user agent]: the same for a function of the script                    */
static int log_values(lua_State *L) {
  const struct http_conn *c = http_conn_check(L, 1);
  const struct http_message *m = asked(L);
  lua_pushinteger(L, luaL_optinteger(L, 3, c->status));
  lua_pushinteger(L, (lua_Integer)c->written);
  lua_getiuservalue(L, 1, HTTP_PEER);
  lua_pushinteger(L, time(NULL));
  if (!m) return 4;
  int64_t took_ns = loop_now(&c->shared->sched->loop) - c->begun_ns;
  lua_pushnumber(L, (lua_Number)took_ns / 1e9);
  lua_pushlstring(L, m->bytes + m->head.method.at, m->head.method.len);
  lua_pushlstring(L, m->bytes + m->head.target.at, m->head.target.len);
  lua_pushstring(L, m->head.minor ? "1.1" : "1.0");
  http_message_field(L, m, "referer", 7);
  http_message_field(L, m, "user-agent", 10);
  return 10;
}

/* --- the file --------------------------------------------------------------------------- */

/* NULL once the script has closed it. */
static FILE *file_of(const struct http_log *log) {
  return log->file->closef ? log->file->f : NULL;
}

static void flush(struct http_log *log) {
  FILE *f = file_of(log); /* a close has written what was in its buffer */
  if (f && fflush(f) != 0) log->dropped += log->buffered;
  log->buffered = 0;
}

static void fire(struct waiter *w) {
  flush(list_entry(w, struct http_log, waiter));
}

/* A buffer that is full is flushed here, so that it is known which lines were in it. */
static void put(struct http_log *log, const char *line, size_t n) {
  FILE *f = file_of(log);
  if (f && __fpending(f) + n > __fbufsize(f)) flush(log);
  if (f && fwrite(line, 1, n, f) == n)
    log->buffered++;
  else
    log->dropped++;
  if (!waiter_busy(&log->waiter)) loop_ready(log->loop, &log->waiter);
}

/* Writes a line, what was noted with it. */
static void put_line(struct http_conn *c, struct log_line *l) {
  struct http_log *log = c->shared->log;
  char few[1024];
  take_noted(c, l);
  size_t max = log_line_max(l);
  char *out = max <= sizeof few ? few : malloc(max);
  if (out)
    put(log, out, write_line(c, l, out));
  else
    log->dropped++;
  if (out != few) free(out);
  forget_noted(c);
}

void http_log_ready(struct http_conn *c) {
  const struct hot_entry *e = c->hot;
  char host[ADDR_TEXT];
  if (!c->shared->log) return;
  struct log_line l = begin(c, host);
  size_t head = e->len - e->body_len;
  l.method = "GET";
  l.method_len = 3;
  l.target = e->key;
  l.target_len = e->key_len;
  l.minor = 1;
  l.status = 200;
  l.bytes = c->put > head ? c->put - head : 0;
  put_line(c, &l);
}

void http_log_answer(struct http_conn *c, const struct http_message *m, int status) {
  char host[ADDR_TEXT];
  if (!c->shared->log) return;
  struct log_line l = line_of(c, m, status, host);
  http_log_note(c, m ? &m->head : NULL, m ? m->bytes : NULL);
  put_line(c, &l);
}

/* conn:log([req [, status]]): adds the line of an answer that is over to the server's log   */
static int log_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  http_log_answer(c, asked(L), (int)luaL_optinteger(L, 3, c->status));
  return 0;
}

/* shared:log_as(format [, file]): what is logged: "common", "json" or "entry". The lines of
 * the first two go to this file of Lua's, also those of ready answers.                    */
static int log_as(lua_State *L) {
  static const char *const formats[] = {"common", "json", "entry", NULL};
  struct http_shared *shared = http_shared_check(L, 1);
  shared->log_format = (enum http_log_format)(luaL_checkoption(L, 2, NULL, formats) + 1);
  if (lua_isnoneornil(L, 3)) return 0;
  luaL_Stream *file = luaL_checkudata(L, 3, LUA_FILEHANDLE);
  luaL_argcheck(L, !shared->log, 1, "it has a log");
  struct http_log *log = calloc(1, sizeof *log);
  if (!log) return error_raise(L, "not enough memory");
  waiter_init(&log->waiter, fire);
  log->loop = &shared->sched->loop;
  log->file = file;
  shared->log = log;
  lua_settop(L, 3);
  lua_setiuservalue(L, 1, HTTP_SHARED_LOG);
  return 0;
}

uint64_t http_log_dropped(const struct http_shared *shared) {
  return shared->log ? shared->log->dropped : 0;
}

void http_log_close(struct http_shared *shared) {
  struct http_log *log = shared->log;
  if (!log) return;
  flush(log);
  loop_cancel(log->loop, &log->waiter);
  free(log);
  shared->log = NULL;
}

static const luaL_Reg conn_methods[] = {
    {"log",        log_method     },
    {"log_line",   log_line_method},
    {"log_values", log_values     },
    {NULL,         NULL           },
};

static const luaL_Reg shared_methods[] = {
    {"log_as", log_as},
    {NULL,     NULL  },
};

void http_log_conn_methods(lua_State *L) {
  luaL_setfuncs(L, conn_methods, 0);
}

void http_log_shared_methods(lua_State *L) {
  luaL_setfuncs(L, shared_methods, 0);
}
