/* Messages as scripts see them: `req` and a client's answer. A message is one block: the
 * parsed head, its fields, and the head's bytes. A field of it is pushed when it is read,
 * and those that cost something are kept in the table of extras, where the script's own
 * fields lie too. */
#include "api/http.h"

#include <lauxlib.h>
#include <string.h>
#include <strings.h>

#include "proto/char.h"
#include "proto/uri.h"

const char http_message_class;

const char http_message_name[] = "net.http.message";
static const char *const headers_name = "net.http.headers";

struct http_message *http_message_check(lua_State *L, int idx) {
  struct http_message *m = lua_touserdata(L, idx);
  if (m && m->class == &http_message_class) return m;
  luaL_typeerror(L, idx, "request or response");
  return NULL;
}

bool http_message_push(lua_State *L, struct http_conn *c, int conn,
                       const struct http1_head *h, size_t size, size_t *fresh) {
  size_t fields = h->field_count * sizeof(struct http1_field);
  struct socket *s = c->sock;
  if (*fresh) socket_owe(s, *fresh);
  s->taking = true; /* a finalizer may run, and must not take the bytes */
  struct http_message *m =
      lua_newuserdatauv(L, sizeof *m + fields + size, HTTP_MESSAGE_VALUES);
  s->taking = false;
  if (s->h < 0) return false;
  if (s->sched->owed != s) *fresh = 0;
  if (*fresh) s->sched->owed = NULL;
  m->class = &http_message_class;
  m->conn = c;
  m->serial = c->serial;
  m->head = *h;
  m->head.fields = m->fields;
  m->bytes = (const char *)m->fields + fields;
  m->size = (uint32_t)size;
  memcpy(m->fields, h->fields, fields);
  memcpy((char *)m->fields + fields,
         *fresh ? s->sched->scratch : buf_bytes(&s->stream.in), size);
  lua_getiuservalue(L, conn, HTTP_MESSAGE_CLASS);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, conn);
  lua_setiuservalue(L, -2, HTTP_CONN);
  return true;
}

static void push_slice(lua_State *L, const struct http_message *m, struct slice s) {
  lua_pushlstring(L, m->bytes + s.at, s.len);
}

static bool is_request(const struct http_message *m) {
  return m->head.status == 0;
}

/* --- what is computed ------------------------------------------------------------------- */

/* A field is pushed by a function; `keep`: it is worth keeping. */
struct lazy {
  const char *name;
  void (*push)(lua_State *L, const struct http_message *m);
  bool keep;
};

static void push_chunked(lua_State *L, const struct http_message *m) {
  lua_pushboolean(L, m->head.body == HTTP1_BODY_CHUNKED);
}

/* The message is at slot 1: the headers keep it. */
static void push_headers(lua_State *L, const struct http_message *m) {
  (void)m;
  lua_newuserdatauv(L, sizeof(void *), 1);
  luaL_setmetatable(L, headers_name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
}

static void push_host(lua_State *L, const struct http_message *m) {
  if (m->head.host.len)
    push_slice(L, m, m->head.host);
  else
    lua_pushnil(L);
}

static void push_keep_alive(lua_State *L, const struct http_message *m) {
  lua_pushboolean(L, m->head.keep_alive);
}

/* Bytes that the body will have; nil: not known before its end. */
static void push_length(lua_State *L, const struct http_message *m) {
  if (m->head.body == HTTP1_BODY_NONE)
    lua_pushinteger(L, 0);
  else if (m->head.body == HTTP1_BODY_LENGTH)
    lua_pushinteger(L, m->head.content_length);
  else
    lua_pushnil(L);
}

static void push_method(lua_State *L, const struct http_message *m) {
  if (is_request(m))
    push_slice(L, m, m->head.method);
  else
    lua_pushnil(L);
}

/* What stands for a path that is empty (RFC 9112 section 3.2); NULL: CONNECT has none. */
static const char *empty_path(const struct http_message *m) {
  if (!is_request(m) || m->head.form == HTTP1_AUTHORITY) return NULL;
  return m->head.form == HTTP1_ASTERISK ? "*" : "/";
}

/* Decoded once; nil where it has a '%' without two hexadecimal digits. */
static void push_path(lua_State *L, const struct http_message *m) {
  struct slice path = m->head.path;
  if (path.len == 0) {
    lua_pushstring(L, empty_path(m));
    return;
  }
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, path.len);
  ssize_t n = uri_decode(m->bytes + path.at, path.len, URI_PERCENT, out);
  luaL_pushresultsize(&b, n < 0 ? 0 : (size_t)n);
  if (n < 0) lua_pushnil(L);
}

/* As it came, without the query. */
static void push_raw_path(lua_State *L, const struct http_message *m) {
  if (m->head.path.len)
    push_slice(L, m, m->head.path);
  else
    lua_pushstring(L, empty_path(m));
}

static void push_peer(lua_State *L, const struct http_message *m) {
  (void)m;
  lua_getiuservalue(L, 1, HTTP_CONN);
  lua_getiuservalue(L, -1, HTTP_PEER);
  lua_remove(L, -2);
}

static void push_decoded(lua_State *L, const char *text, struct slice s) {
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, s.len);
  ssize_t n = uri_decode(text + s.at, s.len, URI_FORM, out);
  if (n < 0) memcpy(out, text + s.at, s.len); /* as browsers do: what is none stays */
  luaL_pushresultsize(&b, n < 0 ? s.len : (size_t)n);
}

static void push_query(lua_State *L, const struct http_message *m) {
  const char *text = m->bytes + m->head.query.at;
  struct slice name, value;
  lua_newtable(L);
  for (size_t at = 0; uri_pair(text, m->head.query.len, &at, &name, &value);) {
    push_decoded(L, text, name);
    push_decoded(L, text, value);
    lua_rawset(L, -3);
  }
}

static void push_query_string(lua_State *L, const struct http_message *m) {
  push_slice(L, m, m->head.query);
}

static void push_raw(lua_State *L, const struct http_message *m) {
  lua_pushlstring(L, m->bytes, m->size);
}

static void push_reason(lua_State *L, const struct http_message *m) {
  if (is_request(m))
    lua_pushnil(L);
  else
    push_slice(L, m, m->head.reason);
}

static void push_status(lua_State *L, const struct http_message *m) {
  if (is_request(m))
    lua_pushnil(L);
  else
    lua_pushinteger(L, m->head.status);
}

static void push_target(lua_State *L, const struct http_message *m) {
  if (is_request(m))
    push_slice(L, m, m->head.target);
  else
    lua_pushnil(L);
}

static void push_upgrade(lua_State *L, const struct http_message *m) {
  lua_pushboolean(L, m->head.upgrade);
}

static void push_version(lua_State *L, const struct http_message *m) {
  lua_pushstring(L, m->head.minor ? "1.1" : "1.0");
}

static const struct lazy lazies[] = {
    {"chunked",      push_chunked,      false},
    {"headers",      push_headers,      true },
    {"host",         push_host,         false},
    {"keep_alive",   push_keep_alive,   false},
    {"length",       push_length,       false},
    {"method",       push_method,       false},
    {"path",         push_path,         true },
    {"peer",         push_peer,         false},
    {"query",        push_query,        true },
    {"query_string", push_query_string, false},
    {"raw",          push_raw,          false},
    {"raw_path",     push_raw_path,     false},
    {"reason",       push_reason,       false},
    {"status",       push_status,       false},
    {"target",       push_target,       false},
    {"upgrade",      push_upgrade,      false},
    {"version",      push_version,      false},
};

/* --- the message's own table ------------------------------------------------------------ */

/* Sets extras[slot 2] to the value on top, which stays. */
static void keep_extra(lua_State *L) {
  if (lua_getiuservalue(L, 1, HTTP_EXTRA) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_createtable(L, 0, 2); /* growing at once to hold the first costs more */
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, HTTP_EXTRA);
  }
  lua_pushvalue(L, 2);
  lua_pushvalue(L, -3);
  lua_rawset(L, -3);
  lua_pop(L, 1);
}

/* __index. Upvalue 2: name -> a method, a struct lazy, or {function} that gives a field. */
static int get_field(lua_State *L) {
  const struct http_message *m = http_message_check(L, 1);
  if (lua_getiuservalue(L, 1, HTTP_EXTRA) == LUA_TTABLE) {
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL) return 1;
    lua_settop(L, 2);
  }
  lua_pushvalue(L, 2);
  int type = lua_rawget(L, lua_upvalueindex(2));
  if (type == LUA_TLIGHTUSERDATA) {
    const struct lazy *lazy = lua_touserdata(L, -1);
    lazy->push(L, m);
    if (lazy->keep) keep_extra(L);
  } else if (type == LUA_TTABLE) {
    lua_rawgeti(L, -1, 1);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    keep_extra(L);
  }
  return 1;
}

/* __newindex: the script's own fields                                                    */
static int set_field(lua_State *L) {
  http_message_check(L, 1);
  lua_settop(L, 3);
  keep_extra(L);
  return 0;
}

/* req:query_all(name) -> list of all values of that name, in their order                 */
static int query_all(lua_State *L) {
  const struct http_message *m = http_message_check(L, 1);
  const char *text = m->bytes + m->head.query.at;
  struct slice name, value;
  lua_Integer n = 0;
  luaL_checkstring(L, 2);
  lua_newtable(L);
  for (size_t at = 0; uri_pair(text, m->head.query.len, &at, &name, &value);) {
    push_decoded(L, text, name);
    bool same = lua_rawequal(L, -1, 2);
    lua_pop(L, 1);
    if (!same) continue;
    push_decoded(L, text, value);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

static int to_string(lua_State *L) {
  struct http_message *m = http_message_check(L, 1);
  if (is_request(m)) {
    push_slice(L, m, m->head.method);
    push_slice(L, m, m->head.target);
    lua_pushfstring(L, "request (%s %s)", lua_tostring(L, -2), lua_tostring(L, -1));
  } else {
    lua_pushfstring(L, "response (%d)", m->head.status);
  }
  return 1;
}

/* --- headers ---------------------------------------------------------------------------- */

/* Pushes the message of the headers in slot 1. */
static const struct http_message *headers_check(lua_State *L) {
  luaL_checkudata(L, 1, headers_name);
  lua_getiuservalue(L, 1, 1);
  return http_message_check(L, -1);
}

static bool is_named(const struct http_message *m, const struct http1_field *f,
                     const char *name, size_t len) {
  return f->name.len == len && strncasecmp(m->bytes + f->name.at, name, len) == 0;
}

/* Lower-case, as two programs that write one name differently mean the same. */
static void push_name(lua_State *L, const struct http_message *m,
                      const struct http1_field *f) {
  const char *known = http1_field_name(f->id);
  if (known) {
    lua_pushstring(L, known);
    return;
  }
  luaL_Buffer b;
  char *out = luaL_buffinitsize(L, &b, f->name.len);
  for (uint32_t i = 0; i < f->name.len; i++)
    out[i] = char_lower(m->bytes[f->name.at + i]);
  luaL_pushresultsize(&b, f->name.len);
}

/* Several lines of one name mean one list (RFC 9110 section 5.3), cookies another one
 * (RFC 6265 section 5.4). */
static void join_values(lua_State *L, const struct http_message *m, const char *name,
                        size_t len) {
  bool cookie = char_same(name, len, "cookie");
  luaL_Buffer b;
  luaL_buffinit(L, &b);
  int found = 0;
  for (uint32_t i = 0; i < m->head.field_count; i++) {
    const struct http1_field *f = &m->fields[i];
    if (!is_named(m, f, name, len)) continue;
    if (found++) luaL_addlstring(&b, cookie ? "; " : ", ", 2);
    luaL_addlstring(&b, m->bytes + f->value.at, f->value.len);
  }
  luaL_pushresult(&b);
}

void http_message_field(lua_State *L, const struct http_message *m, const char *name,
                        size_t len) {
  const struct http1_field *first = NULL;
  for (uint32_t i = 0; i < m->head.field_count; i++) {
    if (!is_named(m, &m->fields[i], name, len)) continue;
    if (first) {
      join_values(L, m, name, len);
      return;
    }
    first = &m->fields[i];
  }
  if (first)
    push_slice(L, m, first->value);
  else
    lua_pushnil(L);
}

/* headers[name] -> value | nil, whatever the case of the name. Upvalue 2: the methods.   */
static int get_header(lua_State *L) {
  const struct http_message *m = headers_check(L);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  size_t len;
  const char *name = lua_tolstring(L, 2, &len);
  http_message_field(L, m, name, len);
  return 1;
}

static int set_header(lua_State *L) {
  return error_raise(L, "the headers that came cannot be changed");
}

/* headers:all(name) -> list of the values, a line each                                   */
static int all(lua_State *L) {
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);
  const struct http_message *m = headers_check(L);
  lua_Integer n = 0;
  lua_newtable(L);
  for (uint32_t i = 0; i < m->head.field_count; i++) {
    if (!is_named(m, &m->fields[i], name, len)) continue;
    push_slice(L, m, m->fields[i].value);
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Upvalues: the scheduler, the headers, how many have been given. */
static int next_header(lua_State *L) {
  lua_settop(L, 0);
  lua_pushvalue(L, lua_upvalueindex(2));
  const struct http_message *m = headers_check(L);
  lua_Integer i = lua_tointeger(L, lua_upvalueindex(3));
  if (i >= (lua_Integer)m->head.field_count) return 0;
  lua_pushinteger(L, i + 1);
  lua_replace(L, lua_upvalueindex(3));
  push_name(L, m, &m->fields[i]);
  push_slice(L, m, m->fields[i].value);
  return 2;
}

/* pairs(headers): name, value of each line as it came; names are in lower case           */
static int each_header(lua_State *L) {
  headers_check(L);
  lua_pushlightuserdata(L, sched_of(L));
  lua_pushvalue(L, 1);
  lua_pushinteger(L, 0);
  lua_pushcclosure(L, next_header, 3);
  return 1;
}

static int count_headers(lua_State *L) {
  lua_pushinteger(L, headers_check(L)->head.field_count);
  return 1;
}

static const luaL_Reg header_methods[] = {
    {"all", all },
    {NULL,  NULL},
};

static const luaL_Reg header_metamethods[] = {
    {"__len",      count_headers},
    {"__newindex", set_header   },
    {"__pairs",    each_header  },
    {NULL,         NULL         },
};

static const luaL_Reg message_methods[] = {
    {"query_all", query_all},
    {NULL,        NULL     },
};

static const luaL_Reg message_metamethods[] = {
    {"__newindex", set_field},
    {"__tostring", to_string},
    {NULL,         NULL     },
};

/* Sets __index of the metatable below to `f` over the table on top, which stays. */
static void set_index(lua_State *L, lua_CFunction f) {
  lua_pushlightuserdata(L, sched_get(L));
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, f, 2);
  lua_setfield(L, -3, "__index");
}

void http_fields_open(lua_State *L) {
  luaL_newmetatable(L, headers_name);
  sched_functions(L, header_metamethods);
  lua_newtable(L);
  sched_functions(L, header_methods);
  set_index(L, get_header);
  lua_pop(L, 2);

  luaL_newmetatable(L, http_message_name);
  sched_functions(L, message_metamethods);
  lua_newtable(L);
  sched_functions(L, message_methods);
  http_body_methods(L);
  for (size_t i = 0; i < sizeof lazies / sizeof *lazies; i++) {
    lua_pushlightuserdata(L, (void *)&lazies[i]);
    lua_setfield(L, -2, lazies[i].name);
  }
  set_index(L, get_field);
  lua_remove(L, -2);
}
