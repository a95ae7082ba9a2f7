/* A client's connection that waits to be used again. No task is behind it: the loop looks
 * after it, and closes it when the server ends it, says something unasked, or when its time
 * is over. So it keeps no program alive. */
#include "api/http.h"

#include <errno.h>
#include <lauxlib.h>

#include "api/args.h"

static const char *const idle_name = "net.http.idle";

struct idle {
  struct waiter waiter;
  struct http_conn *conn; /* user value 1 keeps it; NULL: it was taken */
  struct loop *loop;      /* borrowed */
  int64_t deadline_ns;
  bool waits; /* it counts among the loop's background */
};

/* True when nothing has come: neither bytes nor the end. What came is lost. */
static bool is_quiet(struct socket *s) {
  char byte;
  if (s->h < 0 || s->stream.rd_status < 0 || s->stream.wr_status < 0) return false;
  if (buf_len(&s->stream.in) > 0) return false;
  return net_recv(s->sched->loop.net, s->h, &byte, 1) == -EAGAIN;
}

static void end_wait(struct idle *i) {
  if (!i->waits) return;
  i->waits = false;
  i->loop->background--;
  loop_cancel(i->loop, &i->waiter);
}

static bool begin_wait(struct idle *i) {
  net_h h = i->conn->sock->h;
  i->waits = loop_wait(i->loop, &i->waiter, h, NET_RD, i->deadline_ns) == 0;
  if (i->waits) i->loop->background++;
  return i->waits;
}

/* An event may be spurious: the connection is looked at. */
static void fire(struct waiter *w) {
  struct idle *i = list_entry(w, struct idle, waiter);
  struct socket *s = i->conn->sock;
  end_wait(i);
  if (s->h < 0) return;
  bool late = loop_now(i->loop) >= i->deadline_ns;
  if (late || !is_quiet(s) || !begin_wait(i)) socket_drop(s);
}

/* core.idle(conn, seconds) -> idle | nil when the connection cannot be used again         */
static int new_idle(lua_State *L) {
  struct http_conn *c = http_conn_check(L, 1);
  struct sched *sched = sched_of(L);
  int64_t deadline = args_deadline(L, 2, sched);
  lua_settop(L, 1);
  if (!http_is_settled(c) || !is_quiet(c->sock)) return 0;
  struct idle *i = lua_newuserdatauv(L, sizeof *i, 1);
  *i = (struct idle){.conn = c, .loop = &sched->loop, .deadline_ns = deadline};
  waiter_init(&i->waiter, fire);
  luaL_setmetatable(L, idle_name);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  return begin_wait(i) ? 1 : 0;
}

static struct idle *check(lua_State *L) {
  return luaL_checkudata(L, 1, idle_name);
}

/* idle:take() -> connection | nil when it has ended meanwhile. Once.                      */
static int take(lua_State *L) {
  struct idle *i = check(L);
  if (!i->conn) return 0;
  struct socket *s = i->conn->sock;
  end_wait(i);
  i->conn = NULL;
  if (is_quiet(s)) {
    lua_getiuservalue(L, 1, 1);
    return 1;
  }
  if (s->h >= 0) socket_drop(s);
  return 0;
}

/* idle:alive() -> whether it still waits                                                  */
static int alive(lua_State *L) {
  lua_pushboolean(L, check(L)->waits);
  return 1;
}

/* idle:close(): unless it was taken                                                       */
static int close_method(lua_State *L) {
  struct idle *i = check(L);
  if (!i->conn) return 0;
  end_wait(i);
  if (i->conn->sock->h >= 0) socket_drop(i->conn->sock);
  i->conn = NULL;
  return 0;
}

static const luaL_Reg functions[] = {
    {"idle", new_idle},
    {NULL,   NULL    },
};

static const luaL_Reg methods[] = {
    {"alive", alive       },
    {"close", close_method},
    {"take",  take        },
    {NULL,    NULL        },
};

void http_idle_open(lua_State *L) {
  sched_functions(L, functions);
  luaL_newmetatable(L, idle_name);
  lua_pushcfunction(L, close_method);
  lua_setfield(L, -2, "__gc");
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
