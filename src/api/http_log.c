/* The access log in the Common Log Format. A line goes into the buffer of Lua's file as soon
 * as its answer is over, also that of a ready answer, of which no script learns; the buffer
 * is written once a turn. What cannot be written is dropped and counted. */
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

/* What every line has: whom it is about, when, and what came of it. */
static struct log_line begin(const struct http_conn *c, char host[ADDR_TEXT]) {
  struct http_shared *shared = c->shared;
  time_t now = time(NULL);
  struct addr peer;
  if (now != shared->stamp_at) log_line_stamp(now, shared->stamp);
  shared->stamp_at = now;
  *host = '\0';
  if (socket_noted_peer(c->sock, &peer)) addr_host(&peer, host);
  return (struct log_line){.host = host, .stamp = shared->stamp};
}

/* conn:log_line([req [, status]]) -> the line of an answer that is over. `req` nil: of a head
 * that was none.                                                                         */
static int log_line_method(lua_State *L) {
  const struct http_conn *c = http_conn_check(L, 1);
  const struct http_message *m = lua_isnoneornil(L, 2) ? NULL : http_message_check(L, 2);
  char host[ADDR_TEXT];
  luaL_Buffer b;
  struct log_line l = begin(c, host);
  l.status = (int)luaL_optinteger(L, 3, c->status);
  l.bytes = c->written;
  if (m) {
    l.method = m->bytes + m->head.method.at;
    l.method_len = m->head.method.len;
    l.target = m->bytes + m->head.target.at;
    l.target_len = m->head.target.len;
    l.minor = m->head.minor;
  }
  char *out = luaL_buffinitsize(L, &b, log_line_max(&l));
  luaL_pushresultsize(&b, log_line_common(&l, out));
  return 1;
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

void http_log_ready(const struct http_conn *c) {
  struct http_log *log = c->shared->log;
  const struct hot_entry *e = c->hot;
  char host[ADDR_TEXT], few[1024];
  if (!log) return;
  struct log_line l = begin(c, host);
  size_t head = e->len - e->body_len, max;
  l.method = "GET";
  l.method_len = 3;
  l.target = e->key;
  l.target_len = e->key_len;
  l.minor = 1;
  l.status = 200;
  l.bytes = c->put > head ? c->put - head : 0;
  char *out = (max = log_line_max(&l)) <= sizeof few ? few : malloc(max);
  if (out)
    put(log, out, log_line_common(&l, out));
  else
    log->dropped++;
  if (out != few) free(out);
}

/* shared:log_to(file): lines of ready answers go to this file of Lua's, and so can others */
static int log_to(lua_State *L) {
  struct http_shared *shared = http_shared_check(L, 1);
  luaL_Stream *file = luaL_checkudata(L, 2, LUA_FILEHANDLE);
  luaL_argcheck(L, !shared->log, 1, "it has a log");
  struct http_log *log = calloc(1, sizeof *log);
  if (!log) return luaL_error(L, "not enough memory");
  waiter_init(&log->waiter, fire);
  log->loop = &shared->sched->loop;
  log->file = file;
  shared->log = log;
  lua_settop(L, 2);
  lua_setiuservalue(L, 1, HTTP_SHARED_LOG);
  return 0;
}

/* shared:log(line): adds a line                                                          */
static int add_line(lua_State *L) {
  struct http_shared *shared = http_shared_check(L, 1);
  size_t len;
  const char *line = luaL_checklstring(L, 2, &len);
  if (shared->log) put(shared->log, line, len);
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
    {"log_line", log_line_method},
    {NULL,       NULL           },
};

static const luaL_Reg shared_methods[] = {
    {"log",    add_line},
    {"log_to", log_to  },
    {NULL,     NULL    },
};

void http_log_conn_methods(lua_State *L) {
  luaL_setfuncs(L, conn_methods, 0);
}

void http_log_shared_methods(lua_State *L) {
  luaL_setfuncs(L, shared_methods, 0);
}
