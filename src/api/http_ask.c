/* Requests that a client sends: the head with its checks, whole or with a body in pieces. */
#include "api/http_write.h"

#include <lauxlib.h>
#include <string.h>

#include "proto/char.h"

enum { SLOT_CONN = 1, SLOT_METHOD, SLOT_TARGET, SLOT_HEADERS, SLOT_BODY };

/* A target with a space, a control byte or one above 0x7e would end the line early, or
 * mean another one to the server. */
static void check_line(lua_State *L) {
  size_t len;
  const char *method = luaL_checklstring(L, SLOT_METHOD, &len);
  if (len == 0 || char_run(method, len, CHAR_TOKEN) != len)
    error_raise(L, "request: the method is not a token");
  const char *target = luaL_checklstring(L, SLOT_TARGET, &len);
  if (len == 0 || char_run(target, len, CHAR_TARGET) != len)
    error_raise(L, "request: the target holds a byte that has to be encoded");
}

static void add_string(lua_State *L, struct http_out *o, int idx) {
  size_t len;
  const char *text = lua_tolstring(L, idx, &len);
  http_add(o, text, len);
}

/* Methods whose requests tell of an empty body too (RFC 9110 section 8.6). */
static bool has_content(const char *method) {
  return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
         strcmp(method, "PATCH") == 0;
}

/* How the body is framed: a string whole, `true` in pieces, nil not at all. */
static void add_framing(lua_State *L, struct http_out *o, struct http_conn *c) {
  bool pieces = lua_isboolean(L, SLOT_BODY) && lua_toboolean(L, SLOT_BODY);
  bool whole = !pieces && lua_isstring(L, SLOT_BODY);
  int64_t length = whole ? (int64_t)lua_rawlen(L, SLOT_BODY) : c->promised;
  if (!whole && !pieces && has_content(lua_tostring(L, SLOT_METHOD))) length = 0;
  if (whole && c->promised >= 0 && c->promised != length)
    error_raise(L, "request: Content-Length says %I, but the body has %I bytes",
                (LUAI_UACINT)c->promised, (LUAI_UACINT)length);
  c->framing = length >= 0 ? HTTP_LENGTH : pieces ? HTTP_CHUNKED : HTTP_NO_BODY;
  c->promised = length;
  c->sent = pieces ? HTTP_PART : HTTP_ALL;
  if (length >= 0) {
    http_add(o, "Content-Length: ", 16);
    http_add_number(o, (uint64_t)length, 10);
    http_add(o, "\r\n", 2);
  } else if (pieces) {
    http_add(o, "Transfer-Encoding: chunked\r\n", 28);
  }
}

/* conn:ask(method, target, headers [, body]) -> true | nil, err, code. The body is a string,
 * or true: then conn:write gives its pieces and conn:finish ends it.                 [y] */
static int ask_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  lua_settop(L, SLOT_BODY);
  check_line(L);
  http_write_begin(c, NULL);
  c->keep = c->wants_more = true;
  http_add_lines(L, c, SLOT_HEADERS);
  if (lua_type(L, SLOT_BODY) == LUA_TNUMBER) lua_tostring(L, SLOT_BODY);
  struct http_out o = http_out(L, c);
  add_string(L, &o, SLOT_METHOD);
  http_add(&o, " ", 1);
  add_string(L, &o, SLOT_TARGET);
  http_add(&o, " HTTP/1.1\r\n", 11);
  if (buf_len(&c->lines)) http_add(&o, buf_bytes(&c->lines), buf_len(&c->lines));
  buf_fini(&c->lines);
  add_framing(L, &o, c);
  if (!c->keep) http_add(&o, "Connection: close\r\n", 19);
  http_add(&o, "\r\n", 2);
  if (o.full) return error_raise(L, "request: the head is too long");
  if (c->sent == HTTP_PART || !lua_isstring(L, SLOT_BODY))
    return http_put(L, c, o.len, 0);
  bool fits = lua_rawlen(L, SLOT_BODY) <= o.room - o.len;
  if (fits) add_string(L, &o, SLOT_BODY);
  return http_put(L, c, o.len, fits ? 0 : SLOT_BODY);
}

/* conn:write(piece) -> true | nil, err, code: a piece of the body                      [y] */
static int write_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, SLOT_CONN);
  luaL_checkstring(L, 2);
  if (c->sent != HTTP_PART) return error_raise(L, "write: no request is under way");
  struct http_out o = http_out(L, c);
  return http_put_piece(L, c, &o, 2);
}

static const luaL_Reg methods[] = {
    {"ask",   ask_method  },
    {"write", write_method},
    {NULL,    NULL        },
};

void http_ask_methods(lua_State *L) {
  sched_functions(L, methods);
}
