/* Moves of many bytes: options, turns, ticks, figures. */
#include "api/bulk.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

#include "api/args.h"
#include "api/error.h"
#include "api/socket.h"

static const char *const class = "net.bulk";

enum { BULK_TICK = 1, BULK_SOCKET, BULK_USER_VALUES = BULK_SOCKET };
enum { SECOND_NS = 1000000000 };

/* --- options -------------------------------------------------------------------------- */

lua_Integer bulk_option(lua_State *L, int options, const char *op, const char *name) {
  int is_integer;
  if (lua_isnoneornil(L, options)) return -1;
  if (lua_getfield(L, options, name) == LUA_TNIL) {
    lua_pop(L, 1);
    return -1;
  }
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || lua_type(L, -1) != LUA_TNUMBER || n < 0)
    luaL_error(L, "%s: %s is %s; a whole number, 0 or more, is needed", op, name,
               luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return n;
}

int64_t bulk_seconds(lua_State *L, int options, const char *op, const char *name) {
  if (lua_getfield(L, options, name) != LUA_TNIL) {
    lua_Number seconds = lua_tonumber(L, -1);
    if (lua_type(L, -1) != LUA_TNUMBER || isnan(seconds) || seconds < 0)
      luaL_error(L, "%s: %s is %s; a number of seconds, 0 or more, is needed", op, name,
                 luaL_tolstring(L, -1, NULL));
  }
  int64_t ns = args_seconds(L, lua_gettop(L));
  lua_pop(L, 1);
  return ns;
}

/* Reads on_tick and every; on_tick becomes a user value of the move on top. */
static void read_tick(lua_State *L, int options, struct bulk *b) {
  int64_t every = bulk_seconds(L, options, b->op, "every");
  if (every == 0) {
    lua_getfield(L, options, "every");
    luaL_error(L, "%s: every is too small: %s; a nanosecond, 1e-9, is the least", b->op,
               luaL_tolstring(L, -1, NULL));
  }
  if (lua_getfield(L, options, "on_tick") == LUA_TNIL) {
    lua_pop(L, 1);
    return;
  }
  if (!lua_isfunction(L, -1))
    luaL_error(L, "%s: on_tick is a %s, not a function", b->op, luaL_typename(L, -1));
  lua_setiuservalue(L, -2, BULK_TICK);
  b->every_ns = every == NET_NEVER ? SECOND_NS : every;
}

static void read_options(lua_State *L, int options, struct bulk *b) {
  lua_Integer bytes = bulk_option(L, options, b->op, "bytes");
  b->seconds_ns = bulk_seconds(L, options, b->op, "seconds");
  if (bytes >= 0) b->limit = (uint64_t)bytes;
  read_tick(L, options, b);
}

void *bulk_new(lua_State *L, int options, const char *op, struct gate *gate,
               size_t size) {
  struct bulk *b = lua_newuserdatauv(L, size, BULK_USER_VALUES);
  memset(b, 0, size);
  b->sched = sched_get(L);
  b->op = op;
  b->limit = UINT64_MAX;
  b->limit_by = "bytes";
  b->seconds_ns = b->every_ns = b->tick_ns = b->wake_ns = NET_NEVER;
  b->sends = gate == &socket_check(L, 1)->wr;
  gate_keep_init(&b->keep, gate);
  luaL_setmetatable(L, class);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, BULK_SOCKET);
  if (!lua_isnoneornil(L, options)) read_options(L, options, b);
  lua_toclose(L, -1);
  return b;
}

/* --- turns ---------------------------------------------------------------------------- */

/* Moments as unsigned numbers: NET_NEVER is the last. */
static bool is_past(int64_t moment_ns, int64_t now_ns) {
  return (uint64_t)moment_ns <= (uint64_t)now_ns;
}

/* When its seconds are over. */
static int64_t until(const struct bulk *b) {
  return loop_after(b->begin_ns, b->seconds_ns);
}

/* When on_tick is due next: what was missed is left out, and after the end nothing is due. */
static int64_t next_tick(const struct bulk *b, int64_t now) {
  if (b->ended || b->every_ns == NET_NEVER) return NET_NEVER;
  int64_t ticks = (now - b->begin_ns) / b->every_ns;
  return loop_after(b->begin_ns + ticks * b->every_ns, b->every_ns);
}

void bulk_resume(struct bulk *b) {
  int64_t now = loop_now(&b->sched->loop);
  gate_take_back(&b->keep, b->sched);
  if (b->tells) b->tick_ns = next_tick(b, now);
  b->tells = false;
  b->aside_ns = now + BULK_TURN_NS;
  b->unseen = 0;
}

static void begin(struct bulk *b, int64_t now) {
  b->begin_ns = b->told_ns = now;
  b->tick_ns = next_tick(b, now);
}

/* Notes what ends it, once. */
static void note_end(struct bulk *b, int64_t now) {
  if (!b->ended && b->bytes >= b->limit) b->ended = b->limit_by;
  if (!b->ended && is_past(until(b), now)) b->ended = "seconds";
  if (b->ended && !b->end_ns) b->end_ns = now;
}

enum bulk_next bulk_look(lua_State *L, struct bulk *b, int64_t deadline_ns) {
  int64_t now = loop_now(&b->sched->loop);
  b->unseen = 1;
  b->look_bytes = bulk_left(b) > BULK_LOOK_BYTES ? b->bytes + BULK_LOOK_BYTES : b->limit;
  if (!b->begin_ns) begin(b, now);
  note_end(b, now);
  if (is_past(b->tick_ns, now)) return BULK_TELL;
  if (b->ended) return BULK_END;
  if (is_past(deadline_ns, now)) return BULK_LATE;
  if (now < b->aside_ns) return BULK_MOVE;
  if (task_can_wait(L, b->sched)) return BULK_ASIDE;
  interrupt_check(L, b->sched, b->op, NULL);
  b->aside_ns = now + BULK_TURN_NS;
  return BULK_MOVE;
}

int64_t bulk_wake_ns(const struct bulk *b) {
  uint64_t first = (uint64_t)until(b);
  if ((uint64_t)b->tick_ns < first) first = (uint64_t)b->tick_ns;
  if ((uint64_t)b->wake_ns < first) first = (uint64_t)b->wake_ns;
  return (int64_t)first;
}

/* --- figures -------------------------------------------------------------------------- */

static void set_integer(lua_State *L, const char *field, uint64_t n) {
  lua_pushinteger(L, (lua_Integer)n);
  lua_setfield(L, -2, field);
}

static void set_number(lua_State *L, const char *field, lua_Number n) {
  lua_pushnumber(L, n);
  lua_setfield(L, -2, field);
}

static void set_text(lua_State *L, const char *field, const char *text) {
  if (!text) return;
  lua_pushstring(L, text);
  lua_setfield(L, -2, field);
}

static lua_Number seconds_of(int64_t ns) {
  return (lua_Number)ns / SECOND_NS;
}

/* Pushes the figures of the move up to `now`.                             [-0, +1, m] */
static void push_figures(lua_State *L, struct bulk *b, int64_t now) {
  int64_t end = b->end_ns ? b->end_ns : now;
  lua_Number seconds = b->begin_ns ? seconds_of(end - b->begin_ns) : 0;
  luaL_checkstack(L, 3, NULL);
  lua_createtable(L, 0, 8);
  set_integer(L, "bytes", b->bytes);
  set_integer(L, "calls", b->calls);
  set_number(L, "seconds", seconds);
  set_number(L, "bits_per_second", seconds > 0 ? (lua_Number)b->bytes * 8 / seconds : 0);
  set_text(L, "method", b->method);
  set_text(L, "ended", b->ended);
  if (b->figures) b->figures(L, b);
}

void bulk_tell(lua_State *L, int idx, lua_KContext context, lua_KFunction k) {
  struct bulk *b = lua_touserdata(L, idx);
  int64_t now = b->end_ns ? b->end_ns : loop_now(&b->sched->loop);
  luaL_checkstack(L, 4, NULL);
  lua_getiuservalue(L, idx, BULK_TICK);
  push_figures(L, b, now);
  set_integer(L, "interval_bytes", b->bytes - b->told_bytes);
  set_number(L, "interval_seconds", seconds_of(now - b->told_ns));
  if (gate_keep(&b->keep, b->sched) < 0) luaL_error(L, "%s: not enough memory", b->op);
  b->told_bytes = b->bytes;
  b->told_ns = now;
  b->tells = true;
  lua_callk(L, 1, 0, context, k);
  bulk_resume(b);
}

/* --- the end -------------------------------------------------------------------------- */

static void fini(struct bulk *b) {
  gate_let_go(&b->keep);
  if (b->fini) b->fini(b);
}

int bulk_done(lua_State *L, int idx) {
  struct bulk *b = lua_touserdata(L, idx);
  fini(b);
  if (b->sched->current) gate_leave(b->sched->current);
  push_figures(L, b, b->end_ns);
  return task_step(L, b->sched, 1, b->bytes);
}

/* Gives the error object at `err` the figures, and the bytes that a send had handed over.
 *                                                                         [-0, +0, m] */
static void tell_progress(lua_State *L, struct bulk *b, int err) {
  push_figures(L, b, loop_now(&b->sched->loop));
  lua_setfield(L, err, "figures");
  if (!b->sends) return;
  lua_pushinteger(L, (lua_Integer)b->bytes);
  lua_setfield(L, err, "sent");
}

int bulk_failed(lua_State *L, int idx) {
  struct bulk *b = lua_touserdata(L, idx);
  fini(b);
  tell_progress(L, b, lua_gettop(L) - 1);
  return task_fail(L, b->sched);
}

/* The operation has ended, or was ended by an error, which is told how far it came. */
static int close_move(lua_State *L) {
  struct bulk *b = luaL_checkudata(L, 1, class);
  fini(b);
  if (!error_is(L, 2)) return 0;
  lua_settop(L, 2);
  lua_pushliteral(L, "figures");
  if (lua_rawget(L, 2) == LUA_TNIL) tell_progress(L, b, 2);
  return 0;
}

static int collect(lua_State *L) {
  fini(luaL_checkudata(L, 1, class));
  return 0;
}

static const luaL_Reg metamethods[] = {
    {"__close", close_move},
    {"__gc",    collect   },
    {NULL,      NULL      },
};

void bulk_open(lua_State *L) {
  luaL_newmetatable(L, class);
  luaL_setfuncs(L, metamethods, 0);
  lua_pop(L, 1);
}
