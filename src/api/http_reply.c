/* The class of `res`, the reply to one request, and the answers that a server gives by
 * itself. A reply is good for its own request only: once the next has come, using it
 * raises. */
#include "api/http_write.h"

#include <lauxlib.h>
#include <string.h>

#include "api/error.h"
#include "api/names.h"
#include "proto/char.h"

const char http_reply_class;

const char http_reply_name[] = "net.http.reply";

enum { SLOT_REPLY = 1, SLOT_STATUS, SLOT_BODY, SLOT_HEADERS };

void http_reply_push(lua_State *L, struct http_conn *c, int conn) {
  struct http_reply *r = lua_newuserdatauv(L, sizeof *r, HTTP_REPLY_VALUES);
  *r = (struct http_reply){&http_reply_class, c, c->serial};
  lua_getiuservalue(L, conn, HTTP_REPLY_CLASS);
  lua_setmetatable(L, -2);
  lua_pushvalue(L, conn);
  lua_setiuservalue(L, -2, HTTP_REPLY_CONN);
}

static struct http_reply *check(lua_State *L) {
  struct http_reply *r = lua_touserdata(L, SLOT_REPLY);
  if (r && r->class == &http_reply_class) return r;
  luaL_typeerror(L, SLOT_REPLY, "response");
  return NULL;
}

/* The connection, whose present request this reply answers. */
struct http_conn *http_reply_live(lua_State *L, const char *op) {
  struct http_reply *r = check(L);
  enum http_phase phase = r->conn->phase;
  if (r->serial != r->conn->serial || phase == HTTP_IDLE || phase == HTTP_HEAD)
    error_raise(L, "%s: this request is over", op);
  struct socket *s = r->conn->sock;
  if (s->h >= 0) interrupt_check(L, s->sched, op, s);
  return r->conn;
}

static struct http_conn *unsent(lua_State *L, const char *op) {
  struct http_conn *c = http_reply_live(L, op);
  if (c->sent == HTTP_PART) error_raise(L, "%s: the head of the answer has gone", op);
  if (c->sent == HTTP_ALL) error_raise(L, "%s: this request has been answered", op);
  return c;
}

static int check_status(lua_State *L, int idx) {
  int is_integer;
  lua_Integer status = lua_tointegerx(L, idx, &is_integer);
  if (!is_integer || status < 200 || status > 999)
    error_raise(L, "a status from 200 to 999 is needed, not %s",
                luaL_tolstring(L, idx, NULL));
  return (int)status;
}

/* --- whole answers ---------------------------------------------------------------------- */

/* What a body that has not been read means for the connection. */
static void weigh_body(struct http_conn *c) {
  if (c->body != HTTP1_BODY_NONE && (c->expect || c->left > HTTP_DROP_BYTES))
    c->keep = false;
}

/* Head and body, which is at index `body` (0: none), in one send. */
static int send_whole(lua_State *L, struct http_conn *c, int status, int body) {
  size_t len = 0;
  const char *text = body ? lua_tolstring(L, body, &len) : "";
  struct http_out o = http_out(L, c);
  if (c->promised >= 0 && !c->head_only && status != 304 && (uint64_t)c->promised != len)
    return error_raise(L, "send: Content-Length says %I, but the body has %I bytes",
                       (LUAI_UACINT)c->promised, (LUAI_UACINT)len);
  weigh_body(c);
  http_add_head(&o, c, status, (int64_t)len);
  c->sent = HTTP_ALL;
  if (c->framing == HTTP_NO_BODY) len = 0;
  c->written = len;
  bool fits = len <= o.room - o.len;
  if (fits) http_add(&o, text, len);
  return http_put(L, c, o.len, fits ? 0 : body);
}

/* In `res:send(200, req:body())` an error of the body lies where headers are expected, and in
 * `res:json(req:json())` where the status is. The answer is the error's, and nothing of what
 * it tells goes to the client. */
static void pass_error(lua_State *L, int idx) {
  if (!lua_istable(L, idx) || !error_is(L, idx)) return;
  lua_pushvalue(L, idx);
  lua_error(L);
}

/* res:send(status [, body [, headers]]) -> true | nil, err, code. The whole answer.   [y] */
static int send_method(lua_State *L) {
  struct http_conn *c = unsent(L, "send");
  pass_error(L, SLOT_STATUS);
  int status = check_status(L, SLOT_STATUS);
  if (!lua_isnoneornil(L, SLOT_HEADERS)) {
    pass_error(L, SLOT_HEADERS);
    http_add_lines(L, c, SLOT_HEADERS);
  }
  if (lua_isnoneornil(L, SLOT_BODY)) return send_whole(L, c, status, 0);
  luaL_checkstring(L, SLOT_BODY);
  return send_whole(L, c, status, SLOT_BODY);
}

/* conn:answer(status [, body [, close]]) -> true | nil, err, code. What a server says by
 * itself: nothing of what a handler has prepared goes with it.                       [y] */
static int answer_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  int status = check_status(L, SLOT_STATUS);
  bool body = !lua_isnoneornil(L, SLOT_BODY);
  if (body) luaL_checkstring(L, SLOT_BODY);
  bool close = lua_toboolean(L, 4), keep = c->keep && !close;
  bool head_only = c->head_only, old = c->old;
  if (close) c->phase = HTTP_ENDED;
  http_write_begin(c, NULL);
  c->keep = keep;
  c->head_only = head_only;
  c->old = old;
  return send_whole(L, c, status, body ? SLOT_BODY : 0);
}

static int set_header(lua_State *L, const char *op, bool replace) {
  struct http_conn *c = unsent(L, op);
  size_t len;
  const char *name = luaL_checklstring(L, 2, &len);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  http_add_line(L, c, name, len, 3, replace);
  lua_settop(L, 1);
  return 1;
}

/* res:header(name, value) -> res. Replaces what was set before; a list gives a line each;
 * nil takes it back.                                                                     */
static int header_method(lua_State *L) {
  return set_header(L, "header", true);
}

/* res:add_header(name, value) -> res. Beside what was set before.                        */
static int add_header_method(lua_State *L) {
  return set_header(L, "add_header", false);
}

/* --- answers in pieces ------------------------------------------------------------------ */

/* res:write(piece) -> true | nil, err, code. The first one sends the head, with the status
 * that res.status tells. Waits for room.                                             [y] */
static int write_method(lua_State *L) {
  struct http_conn *c = http_reply_live(L, "write");
  luaL_checkstring(L, 2);
  if (c->sent == HTTP_ALL) error_raise(L, "write: this request has been answered");
  struct http_out o = http_out(L, c);
  if (c->sent == HTTP_NOTHING) {
    weigh_body(c);
    http_add_head(&o, c, c->status ? c->status : 200, -1);
  }
  return http_put_piece(L, c, &o, 2);
}

/* conn:finish() -> true | nil, err, code. Ends an answer that was sent in pieces. One that
 * is shorter than promised breaks the connection.                                    [y] */
static int finish_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  bool part = c->sent == HTTP_PART;
  lua_settop(L, 1);
  c->sent = HTTP_ALL;
  if (part && c->framing == HTTP_LENGTH && c->written < (uint64_t)c->promised)
    c->broken = true;
  if (c->framing == HTTP_UNTIL_CLOSE || c->broken) c->keep = false;
  if (part && c->framing == HTTP_CHUNKED && !c->broken) {
    memcpy(socket_scratch(L, c->sock->sched), "0\r\n\r\n", 5);
    return http_put(L, c, 5, 0);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* conn:abandon(): the answer is not ended; the peer sees that it is cut                   */
static int abandon_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  c->broken = true;
  c->keep = false;
  return 0;
}

/* conn:drop() -> whether another request may follow, once what nobody has read of the
 * body has been dropped.                                                             [y] */
static int drop_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  lua_settop(L, 1);
  if (c->phase == HTTP_ENDED || c->sock->h < 0 || c->broken) c->keep = false;
  if (c->sock->stream.wr_status < 0) c->keep = false;
  return http_drop_body(L, c);
}

/* conn:done() -> whether the next request can be read at once                            */
static int done_method(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  lua_pushboolean(L, http_is_settled(c));
  return 1;
}

/* --- another protocol ------------------------------------------------------------------- */

/* core.switch(res, protocol) -> true | nil, err, code. Answers 101 (RFC 9110 section 7.8);
 * what follows is not HTTP.                                                          [y] */
static int switch_protocol(lua_State *L) {
  struct http_conn *c = unsent(L, "upgrade");
  size_t len;
  const char *protocol = luaL_checklstring(L, 2, &len);
  luaL_argcheck(L, len > 0 && char_run(protocol, len, CHAR_TOKEN) == len, 2, "a token");
  if (c->body != HTTP1_BODY_NONE)
    error_raise(L, "upgrade: read the request's body first");
  if (c->old) error_raise(L, "upgrade: the client speaks HTTP/1.0");
  lua_settop(L, 2);
  http_add_line(L, c, "Upgrade", 7, 2, true);
  struct http_out o = http_out(L, c);
  http_add_head(&o, c, 101, -1);
  c->sent = HTTP_ALL;
  c->keep = false;
  c->phase = HTTP_ENDED;
  return http_put(L, c, o.len, 0);
}

/* core.socket(res) -> the socket under it                                                */
static int socket_of(lua_State *L) {
  check(L);
  lua_getiuservalue(L, 1, HTTP_REPLY_CONN);
  lua_getiuservalue(L, -1, HTTP_SOCKET);
  return 1;
}

/* core.request_of(res) -> the request that it answers                                    */
static int request_of(lua_State *L) {
  http_reply_live(L, "response");
  lua_getiuservalue(L, 1, HTTP_REPLY_CONN);
  lua_getiuservalue(L, -1, HTTP_REQUEST);
  return 1;
}

/* --- fields ----------------------------------------------------------------------------- */

/* __index: `status`, `sent`, or a method. Upvalue 2: the methods.                        */
static int get_field(lua_State *L) {
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  const struct http_reply *r = check(L);
  const char *name = lua_tostring(L, 2);
  bool current = r->serial == r->conn->serial;
  if (name && strcmp(name, "status") == 0) {
    if (current && r->conn->status)
      lua_pushinteger(L, r->conn->status);
    else
      lua_pushnil(L);
  } else if (name && strcmp(name, "sent") == 0) {
    lua_pushboolean(L, !current || r->conn->sent != HTTP_NOTHING);
  } else {
    lua_pushvalue(L, lua_upvalueindex(2));
    names_nearest(L, -1, name ? name : "");
    if (lua_isnil(L, -1)) return error_raise(L, "res has no '%s'", name ? name : "?");
    return error_raise(L, "res has no '%s'; did you mean '%s'?", name,
                       lua_tostring(L, -1));
  }
  return 1;
}

/* res.status = n: what the first write sends                                             */
static int set_field(lua_State *L) {
  const char *name = luaL_checkstring(L, 2);
  if (strcmp(name, "status") != 0)
    return error_raise(L, "res has no field '%s' to set; keep it in req", name);
  struct http_conn *c = unsent(L, "status");
  c->status = check_status(L, 3);
  return 0;
}

static int to_string(lua_State *L) {
  const struct http_reply *r = check(L);
  bool current = r->serial == r->conn->serial;
  lua_pushfstring(L, "response (%s)",
                  current && r->conn->sent == HTTP_NOTHING ? "not sent" : "sent");
  return 1;
}

static const luaL_Reg methods[] = {
    {"add_header", add_header_method},
    {"header",     header_method    },
    {"send",       send_method      },
    {"write",      write_method     },
    {NULL,         NULL             },
};

static const luaL_Reg conn_methods[] = {
    {"abandon", abandon_method},
    {"answer",  answer_method },
    {"done",    done_method   },
    {"drop",    drop_method   },
    {"finish",  finish_method },
    {NULL,      NULL          },
};

static const luaL_Reg functions[] = {
    {"request_of", request_of     },
    {"socket_of",  socket_of      },
    {"switch",     switch_protocol},
    {NULL,         NULL           },
};

static const luaL_Reg metamethods[] = {
    {"__newindex", set_field},
    {"__tostring", to_string},
    {NULL,         NULL     },
};

void http_write_methods(lua_State *L) {
  sched_functions(L, conn_methods);
}

void http_reply_open(lua_State *L) {
  sched_functions(L, functions);
  luaL_newmetatable(L, http_reply_name);
  sched_functions(L, metamethods);
  lua_newtable(L);
  sched_functions(L, methods);
  lua_pushlightuserdata(L, sched_get(L));
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, get_field, 2);
  lua_setfield(L, -3, "__index");
  lua_remove(L, -2);
}
