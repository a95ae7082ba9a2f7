/* What net.http.files needs from C: ready answers, small files with their heads in one
 * send, paths, preconditions and ranges. */
#include <errno.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "api/error.h"
#include "api/file_class.h"
#include "api/http_write.h"
#include "base/status.h"
#include "proto/http_range.h"
#include "proto/http_value.h"
#include "proto/uri.h"

/* --- ready answers ---------------------------------------------------------------------- */

/* An Accept-Encoding that excludes plain bytes; one without a parameter cannot. */
static bool excludes_plain(const char *accept, size_t len) {
  return memchr(accept, ';', len) && http_value_quality(accept, len, "identity") == 0;
}

/* Fields with which the answer may be another one. */
static bool asks_more(const struct http1_head *h, const char *bytes) {
  for (uint32_t i = 0; i < h->field_count; i++) {
    struct slice value = h->fields[i].value;
    switch (h->fields[i].id) {
    case HTTP1_FIELD_ACCEPT_ENCODING:
      if (excludes_plain(bytes + value.at, value.len)) return true;
      break;
    case HTTP1_FIELD_RANGE:
    case HTTP1_FIELD_IF_MATCH:
    case HTTP1_FIELD_IF_NONE_MATCH:
    case HTTP1_FIELD_IF_MODIFIED_SINCE:
    case HTTP1_FIELD_IF_UNMODIFIED_SINCE: return true;
    default: break;
    }
  }
  return false;
}

/* A GET of HTTP/1.1 without a body, on a connection that stays and that nobody else is
 * sending on. */
static bool is_plain(const struct http_conn *c, const struct http1_head *h,
                     const char *bytes) {
  const struct http_shared *shared = c->shared;
  return !c->client && h->method_id == HTTP1_GET && h->form == HTTP1_ORIGIN &&
         h->minor == 1 && h->keep_alive && h->body == HTTP1_BODY_NONE &&
         c->serial + 1 < shared->requests_max && !shared->stopping &&
         gate_open(&c->sock->wr, c->sock->sched) && !asks_more(h, bytes);
}

bool http_hot_take(struct http_conn *c, const struct http1_head *h, const char *bytes) {
  if (!is_plain(c, h, bytes)) return false;
  struct hot_entry *entry = hot_find(c->shared->hot, bytes + h->target.at, h->target.len);
  if (!entry) return false;
  hot_hold(entry);
  c->hot = entry;
  c->put = 0;
  http_log_begin(c);
  http_log_note(c, h, bytes);
  c->serial++;
  c->shared->requests++;
  c->shared->ready++;
  c->phase = HTTP_IDLE;
  return true;
}

void http_hot_let_go(struct http_conn *c) {
  if (!c->hot) return;
  http_log_ready(c);
  hot_release(c->hot);
  c->hot = NULL;
}

int http_hot_send(struct http_conn *c) {
  struct socket *s = c->sock;
  while (c->put < c->hot->len) {
    ssize_t r =
        hot_send(c->shared->hot, c->hot, c->put, &s->stream, s->sched->loop.net, s->h);
    if (r <= 0) return r < 0 ? (int)r : STATUS_TRUNCATED;
    c->put += (size_t)r;
  }
  http_hot_let_go(c);
  return 0;
}

/* --- small files ------------------------------------------------------------------------ */

static struct http_conn *unsent(lua_State *L) {
  struct http_conn *c = http_reply_live(L, "send");
  if (c->sent != HTTP_NOTHING) error_raise(L, "send: this request has been answered");
  return c;
}

/* Where the date of a head begins, 0 when it has none of ours. */
static size_t date_in(const struct http_conn *c, const char *head, size_t len) {
  static const char name[] = "\r\nDate: ";
  if (c->has_date) return 0;
  const char *at = memmem(head, len, name, sizeof name - 1);
  return at ? (size_t)(at - head) + sizeof name - 1 : 0;
}

/* Keeps the answer for the target at `target`, when that can be. */
static void keep(lua_State *L, struct http_conn *c, const struct file_object *f,
                 const struct http_out *o, int64_t count, int target) {
  const struct file_object *root = file_class_folder(L, target + 1);
  struct hot_source source = {
      .root = root->fd,
      .path = lua_tostring(L, target + 2),
      .fd = f->fd,
      .body_len = (size_t)count,
      .head = o->bytes,
      .head_len = o->len,
      .date = date_in(c, o->bytes, o->len),
  };
  source.key = lua_tolstring(L, target, &source.key_len);
  (void)hot_put(c->shared->hot, &source); /* without it the next answer is made anew */
}

/* A file goes with its head in one send; of a large one a piece does, and sendfile, which
 * does not copy, takes the rest. */
enum { WHOLE_BYTES = 128 * 1024, FIRST_BYTES = 48 * 1024 };
_Static_assert(HTTP_LINES_MAX + 4096 + WHOLE_BYTES <= SCRATCH_BYTES, "no room");

static ssize_t add_file(struct http_out *o, const struct file_object *f, int64_t at,
                        size_t n) {
  size_t begin = o->len;
  while (n > 0) {
    ssize_t r = file_read(f->fd, o->bytes + o->len, n, at);
    if (r <= 0) return r < 0 ? r : STATUS_TRUNCATED;
    o->len += (size_t)r;
    at += r;
    n -= (size_t)r;
  }
  return (ssize_t)(o->len - begin);
}

/* core.send_file(res, status, file, offset, count [, target, folder, path]) -> true, bytes
 * of the body that went with the head | nil, err, code. The rest is for sendfile. With a
 * target the whole answer is kept ready for it.                                      [y] */
static int send_file(lua_State *L) {
  struct http_conn *c = unsent(L);
  int status = (int)luaL_checkinteger(L, 2);
  const struct file_object *f = file_class_check(L, 3);
  int64_t offset = luaL_checkinteger(L, 4), count = luaL_checkinteger(L, 5);
  struct http_out o = http_out(L, c);
  http_add_head(&o, c, status, count);
  if (lua_type(L, 6) == LUA_TSTRING && c->shared->hot && c->keep &&
      c->framing == HTTP_LENGTH)
    keep(L, c, f, &o, count, 6);
  int64_t first = c->framing == HTTP_NO_BODY ? 0 : count;
  if (first > WHOLE_BYTES) first = FIRST_BYTES;
  ssize_t r = add_file(&o, f, offset, (size_t)first);
  if (r < 0) {
    c->broken = true;
    c->keep = false;
    return http_fail(L, c, "send", (int)r, NULL);
  }
  c->written = (uint64_t)r;
  if (c->framing == HTTP_NO_BODY || r == count) c->sent = HTTP_ALL;
  return http_put(L, c, o.len, 0);
}

/* core.sent_file(res, bytes): so much of the body has gone by sendfile                    */
static int sent_file(lua_State *L) {
  struct http_conn *c = http_reply_live(L, "send");
  c->written += (uint64_t)luaL_checkinteger(L, 2);
  return 0;
}

/* core.progress(res, n) -> body bytes that have gone, bytes of the next step, n at most,
 * seconds that the peer has for it                                                       */
static int progress(lua_State *L) {
  struct http_conn *c = http_reply_live(L, "send");
  lua_Integer n = luaL_checkinteger(L, 2);
  if (n > HTTP_STEP_BYTES) n = HTTP_STEP_BYTES;
  int64_t until = http_patience(c, (size_t)n);
  lua_pushinteger(L, (lua_Integer)c->written);
  lua_pushinteger(L, n);
  if (until == NET_NEVER)
    lua_pushnil(L);
  else
    lua_pushnumber(L, (lua_Number)(until - loop_now(&c->sock->sched->loop)) / 1e9);
  return 3;
}

/* --- paths, preconditions, ranges ------------------------------------------------------- */

/* core.path(raw) -> clean path, whether a name in it begins with a dot | nil, status       */
static int clean_path(lua_State *L) {
  size_t len;
  const char *raw = luaL_checklstring(L, 1, &len);
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, len + 1);
  ssize_t n = uri_path(raw, len, out);
  bool hidden = n > 0 && uri_path_is_hidden(out, (size_t)n);
  luaL_pushresultsize(&b, n < 0 ? 0 : (size_t)n);
  if (n < 0) {
    lua_pushnil(L);
    lua_pushinteger(L, n == URI_PATH_UP ? 404 : 400);
  } else {
    lua_pushboolean(L, hidden);
  }
  return 2;
}

/* Names that are being made into strings; collected when that raises. */
static const char *const names_class = "net.http.names";

static int free_names(lua_State *L) {
  char **names = lua_touserdata(L, 1);
  free(*names);
  *names = NULL;
  return 0;
}

/* core.list(folder, path) -> names, those of folders with "/" behind | nil, err, code      */
static int list(lua_State *L) {
  size_t len;
  const struct file_object *root = file_class_folder(L, 1);
  const char *path = luaL_checkstring(L, 2);
  char **names = lua_newuserdatauv(L, sizeof *names, 0);
  *names = NULL;
  luaL_setmetatable(L, names_class);
  int r = file_list(root->fd, path, names, &len);
  if (r < 0) return error_return(L, &(struct failure){"list", r, path, NULL});
  lua_newtable(L);
  lua_Integer count = 0;
  for (const char *at = *names; at < *names + len; at += strlen(at) + 1) {
    lua_pushstring(L, at);
    lua_rawseti(L, -2, ++count);
  }
  free(*names);
  *names = NULL;
  return 1;
}

/* core.has_etag(list, etag, weak) -> whether an If-Match or If-None-Match list holds it     */
static int has_etag(lua_State *L) {
  size_t len, etag_len;
  const char *text = luaL_checklstring(L, 1, &len),
             *etag = luaL_checklstring(L, 2, &etag_len);
  lua_pushboolean(L, http_value_has_etag(text, len, etag, etag_len, lua_toboolean(L, 3)));
  return 1;
}

/* core.quality(accept, coding) -> how much a coding is wanted, 0 to 1000                    */
static int quality(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  lua_pushinteger(L, http_value_quality(text, len, luaL_checkstring(L, 2)));
  return 1;
}

/* core.ranges(value, size) -> {first, last, first, last ...} | nil: send the whole | false:
 * none of it is there, 416                                                                 */
static int ranges(lua_State *L) {
  size_t len;
  struct http_range found[HTTP_RANGE_MAX];
  const char *text = luaL_checklstring(L, 1, &len);
  int64_t size = luaL_checkinteger(L, 2);
  int n = http_range_parse(text, len, size, found);
  if (n == HTTP_RANGE_PAST) {
    lua_pushboolean(L, 0);
    return 1;
  }
  if (n <= 0 || http_range_total(found, n) > size) return 0;
  lua_createtable(L, 2 * n, 0);
  for (int i = 0; i < n; i++) {
    lua_pushinteger(L, found[i].first);
    lua_rawseti(L, -2, 2 * i + 1);
    lua_pushinteger(L, found[i].last);
    lua_rawseti(L, -2, 2 * i + 2);
  }
  return 1;
}

static const luaL_Reg functions[] = {
    {"has_etag",  has_etag  },
    {"list",      list      },
    {"path",      clean_path},
    {"progress",  progress  },
    {"quality",   quality   },
    {"ranges",    ranges    },
    {"send_file", send_file },
    {"sent_file", sent_file },
    {NULL,        NULL      },
};

void http_files_functions(lua_State *L) {
  luaL_newmetatable(L, names_class);
  lua_pushcfunction(L, free_names);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  sched_functions(L, functions);
}
