/* The module net.http.core: what connections share, and the connections. */
#include "api/http.h"

#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/args.h"
#include "base/status.h"
#include "base/version.h"

const char http_shared_class, http_conn_class;

static const char *const shared_name = "net.http.shared";
static const char *const conn_name = "net.http.connection";

/* --- what connections share ------------------------------------------------------------- */

struct http_shared *http_shared_check(lua_State *L, int idx) {
  struct http_shared *s = lua_touserdata(L, idx);
  if (s && s->class == &http_shared_class) return s;
  luaL_typeerror(L, idx, shared_name);
  return NULL;
}

/* The field `name` of the options in slot 1: a count from `min` on, or `otherwise`. */
static lua_Integer count_option(lua_State *L, const char *name, lua_Integer min,
                                lua_Integer max, lua_Integer otherwise) {
  lua_Integer n = otherwise;
  int is_integer = 1;
  if (lua_getfield(L, 1, name) != LUA_TNIL) n = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || n < min || n > max)
    error_raise(L, "%s must be an integer from %I to %I", name, (LUAI_UACINT)min,
                (LUAI_UACINT)max);
  lua_pop(L, 1);
  return n;
}

/* Seconds, as nanoseconds; false, or infinity, is NET_NEVER. */
static int64_t time_option(lua_State *L, const char *name, double otherwise) {
  int type = lua_getfield(L, 1, name);
  if (type == LUA_TNIL)
    lua_pushnumber(L, otherwise);
  else if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1))
    lua_pushnumber(L, HUGE_VAL);
  else
    lua_pushvalue(L, -1);
  if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0))
    error_raise(L, "%s must be seconds, or false for no limit", name);
  int64_t ns = args_seconds(L, lua_gettop(L));
  lua_pop(L, 2);
  return ns;
}

/* core.shared(options) -> shared. Limits and times, as http.server documents them.       */
static int new_shared(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  uint32_t fields = (uint32_t)count_option(L, "fields", 1, 10000, 100);
  size_t size = sizeof(struct http_shared) + fields * sizeof(struct http1_field);
  struct http_shared *s = lua_newuserdatauv(L, size, HTTP_SHARED_VALUES);
  memset(s, 0, size);
  s->class = &http_shared_class;
  s->sched = sched_of(L);
  s->fields_max = fields;
  s->begin_at = s->stamp_at = -1;
  list_init(&s->conns);
  luaL_setmetatable(L, shared_name);
  s->limits.line_max = (uint32_t)count_option(L, "line", 16, HTTP1_HEAD_CAP, 8192);
  s->limits.head_max = (uint32_t)count_option(L, "head", 16, HTTP1_HEAD_CAP, 16384);
  s->requests_max = (uint64_t)count_option(L, "requests", 1, LUA_MAXINTEGER, 10000);
  s->body_max = (size_t)count_option(L, "body", 0, LUA_MAXINTEGER, 1 << 20);
  s->rate = (uint32_t)count_option(L, "rate", 1, INT32_MAX, 500);
  s->idle_ns = time_option(L, "idle_timeout", 60);
  s->head_ns = time_option(L, "head_timeout", 10);
  s->body_ns = time_option(L, "body_timeout", 60);
  lua_getfield(L, 1, "lenient");
  s->limits.lenient = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return 1;
}

/* shared:counts() -> open connections, requests, refused heads, ready answers, lines of
 * the log that were dropped                                                              */
static int counts(lua_State *L) {
  struct http_shared *s = http_shared_check(L, 1);
  lua_pushinteger(L, (lua_Integer)s->open);
  lua_pushinteger(L, (lua_Integer)s->requests);
  lua_pushinteger(L, (lua_Integer)s->refused);
  lua_pushinteger(L, (lua_Integer)s->ready);
  lua_pushinteger(L, (lua_Integer)http_log_dropped(s));
  return 5;
}

/* shared:keep_ready(): small files are kept as ready answers, where the kernel tells of
 * their changes.                                                                         */
static int keep_ready(lua_State *L) {
  struct http_shared *s = http_shared_check(L, 1);
  int status = 0;
  if (!s->hot && !s->stopping) s->hot = hot_new(&s->sched->loop, &status);
  return status == -ENOMEM ? error_raise(L, "files: %s", status_text(status)) : 0;
}

static int collect_shared(lua_State *L) {
  struct http_shared *s = http_shared_check(L, 1);
  hot_free(s->hot);
  s->hot = NULL;
  http_log_close(s);
  return 0;
}

/* shared:stop(): connections that wait for a request end; the others close after their
 * answer.                                                                                */
static int stop(lua_State *L) {
  struct http_shared *s = http_shared_check(L, 1);
  s->stopping = true;
  hot_free(s->hot);
  s->hot = NULL;
  for (struct list *i = s->conns.next; i != &s->conns; i = i->next) {
    struct http_conn *c = list_entry(i, struct http_conn, link);
    if (c->phase != HTTP_IDLE || c->sock->h < 0) continue;
    struct waiter *w = loop_waiter(&s->sched->loop, c->sock->h, NET_RD);
    if (w) loop_ready(&s->sched->loop, w);
  }
  return 0;
}

/* --- connections ------------------------------------------------------------------------ */

int http_conn_error(lua_State *L, int idx) {
  return luaL_typeerror(L, idx, conn_name);
}

void http_failure(lua_State *L, struct http_conn *c, const char *op, int status,
                  const char *text) {
  char whom[SOCKET_TEXT];
  luaL_checkstack(L, 6, NULL);
  if (c->sock->sched->current) gate_leave(c->sock->sched->current);
  socket_whom(c->sock, whom);
  error_values(L, &(struct failure){op, status, *whom ? whom : NULL, NULL});
  if (!text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -3, "text");
}

int http_fail(lua_State *L, struct http_conn *c, const char *op, int status,
              const char *text) {
  http_failure(L, c, op, status, text);
  return task_fail(L, c->sock->sched);
}

/* core.connection(sock, shared, peer [, client]) -> connection. It owns the socket from
 * now on.                                                                                */
static int new_connection(lua_State *L) {
  struct socket *sock = socket_check(L, 1);
  struct http_shared *shared = http_shared_check(L, 2);
  bool client = lua_toboolean(L, 4);
  lua_settop(L, 3);
  luaL_argcheck(L, socket_is_stream(sock), 1, "a stream is needed");
  struct http_conn *c = lua_newuserdatauv(L, sizeof *c, HTTP_CONN_VALUES);
  memset(c, 0, sizeof *c);
  c->class = &http_conn_class;
  c->sock = sock;
  c->shared = shared;
  c->client = client;
  c->keep = true;
  c->sent = HTTP_ALL;
  c->first.deal = http_head_deal;
  c->deadline_ns = NET_NEVER;
  buf_init(&c->whole);
  buf_init(&c->lines);
  list_append(&shared->conns, &c->link);
  shared->open++;
  luaL_setmetatable(L, conn_name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, 4, HTTP_SOCKET);
  lua_pushvalue(L, 2);
  lua_setiuservalue(L, 4, HTTP_SHARED);
  lua_pushvalue(L, 3);
  lua_setiuservalue(L, 4, HTTP_PEER);
  luaL_getmetatable(L, http_message_name);
  lua_setiuservalue(L, 4, HTTP_MESSAGE_CLASS);
  luaL_getmetatable(L, http_reply_name);
  lua_setiuservalue(L, 4, HTTP_REPLY_CLASS);
  return 1;
}

static void let_go(struct http_conn *c) {
  http_hot_let_go(c);
  free(c->partial);
  c->partial = NULL;
  buf_fini(&c->whole);
  buf_fini(&c->lines);
  c->phase = HTTP_ENDED;
  if (list_empty(&c->link)) return;
  list_remove(&c->link);
  c->shared->open--;
}

/* Closes the socket as its own close does; a second time does nothing. */
static void close_socket(lua_State *L, int conn) {
  lua_getiuservalue(L, conn, HTTP_SOCKET);
  lua_getfield(L, -1, "close");
  lua_insert(L, -2);
  lua_call(L, 1, 0);
}

/* conn:close(): at once                                                                  */
static int close_method(lua_State *L) {
  let_go(http_conn_check(L, 1));
  close_socket(L, 1);
  return 0;
}

/* The socket, if nobody else holds it, is collected beside it. */
static int collect(lua_State *L) {
  let_go(http_conn_check(L, 1));
  return 0;
}

/* conn:socket() -> socket                                                                */
static int socket_method(lua_State *L) {
  http_conn_check(L, 1);
  lua_getiuservalue(L, 1, HTTP_SOCKET);
  return 1;
}

/* conn:peer() -> what the connection was made with                                       */
static int peer(lua_State *L) {
  http_conn_check(L, 1);
  lua_getiuservalue(L, 1, HTTP_PEER);
  return 1;
}

/* conn:request() -> the request that came last, or nil                                   */
static int request(lua_State *L) {
  http_conn_check(L, 1);
  lua_getiuservalue(L, 1, HTTP_REQUEST);
  return 1;
}

/* conn:state() -> "nothing" | "part" | "all" of the answer is sent, status, body bytes    */
static int state(lua_State *L) {
  static const char *const names[] = {"nothing", "part", "all"};
  struct http_conn *c = http_conn_check(L, 1);
  lua_pushstring(L, names[c->sent]);
  lua_pushinteger(L, c->status);
  lua_pushinteger(L, (lua_Integer)c->written);
  return 3;
}

/* conn:broken() -> whether nothing more can be sent: the peer has gone                   */
static int broken(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  const struct stream *st = &c->sock->stream;
  bool gone = st->wr_status < 0 || (st->rd_status < 0 && st->rd_status != STATUS_EOF);
  lua_pushboolean(L, c->sock->h < 0 || c->broken || gone);
  return 1;
}

/* core.invalid(op, text [, status]) -> nil, err, "invalid". `status` is what a server
 * answers. The end of an operation, see task_fail.                                  [y] */
static int invalid(lua_State *L) {
  luaL_checkstring(L, 1);
  luaL_checkstring(L, 2);
  if (!lua_isnoneornil(L, 3)) luaL_checkinteger(L, 3);
  lua_settop(L, 3);
  error_values(L, &(struct failure){lua_tostring(L, 1), STATUS_INVALID, NULL, NULL});
  lua_pushvalue(L, 2);
  lua_setfield(L, -3, "text");
  lua_pushvalue(L, 3);
  lua_setfield(L, -3, "status");
  return task_fail(L, sched_get(L));
}

/* core.failure(op, what, whom [, text]) -> nil, err, code. `what`: "closed", "oversized",
 * or an errno that io told.                                                              */
static int failure(lua_State *L) {
  static const char *const names[] = {"closed", "oversized", NULL};
  static const int statuses[] = {STATUS_CLOSED, STATUS_OVERSIZED};
  const char *op = luaL_checkstring(L, 1), *whom = luaL_checkstring(L, 3);
  int status = lua_type(L, 2) == LUA_TNUMBER
                   ? -(int)luaL_checkinteger(L, 2)
                   : statuses[luaL_checkoption(L, 2, NULL, names)];
  lua_settop(L, 4);
  error_values(L, &(struct failure){op, status, whom, NULL});
  if (lua_isnil(L, 4)) return 3;
  lua_pushvalue(L, 4);
  lua_setfield(L, -3, "text");
  return 3;
}

static const luaL_Reg functions[] = {
    {"connection", new_connection},
    {"failure",    failure       },
    {"invalid",    invalid       },
    {"shared",     new_shared    },
    {NULL,         NULL          },
};

static const luaL_Reg shared_methods[] = {
    {"counts",     counts    },
    {"keep_ready", keep_ready},
    {"stop",       stop      },
    {NULL,         NULL      },
};

static const luaL_Reg conn_methods[] = {
    {"broken",  broken       },
    {"close",   close_method },
    {"peer",    peer         },
    {"request", request      },
    {"socket",  socket_method},
    {"state",   state        },
    {NULL,      NULL         },
};

static void open_shared(lua_State *L) {
  luaL_newmetatable(L, shared_name);
  lua_pushcfunction(L, collect_shared);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  sched_functions(L, shared_methods);
  http_log_shared_methods(L);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

static void open_connection(lua_State *L) {
  luaL_newmetatable(L, conn_name);
  lua_pushcfunction(L, collect);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, close_method);
  lua_setfield(L, -2, "__close");
  lua_newtable(L);
  sched_functions(L, conn_methods);
  http_ask_methods(L);
  http_head_methods(L);
  http_linger_methods(L);
  http_log_conn_methods(L);
  http_write_methods(L);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}

int luaopen_net_http_core(lua_State *L) {
  open_shared(L);
  open_connection(L);
  lua_newtable(L);
  sched_functions(L, functions);
  http_fields_open(L);
  lua_setfield(L, -2, "message");
  http_reply_open(L);
  lua_setfield(L, -2, "reply");
  http_multipart_open(L);
  http_idle_open(L);
  http_files_functions(L);
  http_route_functions(L);
  http_text_functions(L);
  http_url_functions(L);
  lua_pushliteral(L, SOQUETE_VERSION);
  lua_setfield(L, -2, "version");
  luaL_getmetatable(L, conn_name);
  lua_getfield(L, -1, "__index");
  lua_setfield(L, -3, "methods");
  lua_pop(L, 1);
  return 1;
}
