/* The class net.socket: making, naming, closing. */
#include "api/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/lookup.h"
#include "api/names.h"
#include "base/status.h"

const char socket_class;

/* --- making ------------------------------------------------------------------------- */

struct socket *socket_new(lua_State *L, struct sched *sched, int family, int type) {
  struct socket *s = lua_newuserdatauv(L, sizeof *s, SOCKET_USER_VALUES);
  memset(s, 0, sizeof *s);
  s->class = &socket_class;
  s->sched = sched;
  s->h = -1;
  s->family = (uint8_t)family;
  s->type = (uint8_t)type;
  s->timeout_ns = NET_NEVER;
  gate_init(&s->rd);
  gate_init(&s->wr);
  stream_init(&s->stream);
  sched_push(L, sched->socket_ref);
  lua_setmetatable(L, -2);
  return s;
}

/* --- naming ------------------------------------------------------------------------- */

const char *socket_transport(const struct socket *s) {
  if (s->family == AF_UNSPEC) return "file";
  if (s->type == SOCK_SEQPACKET) return "unix seqpacket";
  if (s->family == AF_UNIX) return socket_is_stream(s) ? "unix" : "unix datagram";
  return socket_is_stream(s) ? "tcp" : "udp";
}

/* The address of one side as text, past the observer; "" when there is none. */
static bool name_of(const struct socket *s, int which, char *out) {
  struct net *net = s->sched->loop.net;
  struct addr a;
  *out = '\0';
  if (s->h < 0 || s->family == AF_UNSPEC) return false;
  if (net->ops->name_of(net, s->h, which, &a) < 0) return false;
  addr_unmap(&a);
  addr_format(&a, out);
  return true;
}

static bool is_unnamed(const char *address) {
  return strcmp(address, "unix:") == 0;
}

/* The other side of a Unix socket that has no name: whom it called, as far as that is known. */
static void unnamed_peer(const struct socket *s, char out[SOCKET_TEXT]) {
  char local[ADDR_TEXT];
  name_of(s, NET_LOCAL, local);
  if (is_unnamed(local))
    strcpy(out, "unnamed Unix peer");
  else
    snprintf(out, SOCKET_TEXT, "client of %s", local);
}

void socket_whom(const struct socket *s, char out[SOCKET_TEXT]) {
  *out = '\0';
  if (s->family == AF_UNSPEC && !s->adopted)
    strcpy(out, "standard input");
  else if (s->family == AF_UNSPEC && s->h < 0)
    strcpy(out, "closed descriptor");
  else if (s->family == AF_UNSPEC)
    snprintf(out, SOCKET_TEXT, "descriptor %d", (int)s->h);
  else if (!name_of(s, NET_PEER, out))
    name_of(s, NET_LOCAL, out);
  else if (is_unnamed(out))
    unnamed_peer(s, out);
  if (is_unnamed(out)) *out = '\0';
}

enum { DESCRIPTION = 2 * ADDR_TEXT + 64 };

/* "socket (tcp, 127.0.0.1:80 → 127.0.0.1:5012)", without asking Lua for memory. */
static void describe(const struct socket *s, char out[DESCRIPTION]) {
  char local[ADDR_TEXT], peer[ADDR_TEXT];
  const char *transport = socket_transport(s);
  if (s->h < 0) {
    snprintf(out, DESCRIPTION, "socket (%s, closed)", transport);
    return;
  }
  name_of(s, NET_LOCAL, local);
  if (is_unnamed(local)) strcpy(local, "unnamed");
  const char *state = s->phase == SOCKET_LISTENING ? ", listening" : "";
  bool has_peer = name_of(s, NET_PEER, peer);
  if (is_unnamed(peer)) strcpy(peer, "unnamed");
  if (has_peer)
    snprintf(out, DESCRIPTION, "socket (%s, %s → %s)", transport, local, peer);
  else
    snprintf(out, DESCRIPTION, "socket (%s%s%s%s)", transport, *local ? ", " : "", local,
             state);
}

static int to_string(lua_State *L) {
  char text[DESCRIPTION];
  describe(socket_check(L, 1), text);
  lua_pushstring(L, text);
  return 1;
}

static int get_name(lua_State *L, const char *op, int which) {
  struct socket *s = socket_check(L, 1);
  struct addr a;
  if (s->h < 0) return socket_fail(L, 1, op, STATUS_CLOSED);
  int r = net_name_of(s->sched->loop.net, s->h, which, &a);
  if (r < 0) return socket_fail(L, 1, op, r);
  address_push(L, s->sched, &a);
  return 1;
}

/* sock:getsockname() -> address | nil, err, code                                         */
static int getsockname_method(lua_State *L) {
  return get_name(L, "getsockname", NET_LOCAL);
}

/* sock:getpeername() -> address | nil, err, code                                         */
static int getpeername_method(lua_State *L) {
  return get_name(L, "getpeername", NET_PEER);
}

/* sock:fileno() -> descriptor | nil, err, code                                           */
static int fileno_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  if (s->h < 0) return socket_fail(L, 1, "fileno", STATUS_CLOSED);
  lua_pushinteger(L, s->h);
  return 1;
}

/* --- addresses ------------------------------------------------------------------------ */

/* ipv6(7): an AF_INET6 socket reaches IPv4 by mapped addresses, unless IPV6_V6ONLY is set. */
static bool takes_both_families(const struct socket *s) {
  int only_ipv6 = 1;
  socklen_t size = sizeof only_ipv6;
  if (s->family != AF_INET6 || s->h < 0) return false;
  int r =
      net_getopt(s->sched->loop.net, s->h, IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, &size);
  return r == 0 && !only_ipv6;
}

void socket_address_arg(lua_State *L, int idx, const struct socket *s, int flags) {
  if (address_arg(L, idx, s->family, s->type, flags)) return;
  if (takes_both_families(s)) lookup_widen(L, idx);
}

void socket_address_option(lua_State *L, int options, const struct socket *s,
                           const char *op) {
  if (lua_getfield(L, options, "to") == LUA_TNIL) return;
  if (lua_type(L, -1) != LUA_TSTRING && !address_at(L, -1))
    luaL_error(L, "%s: to is %s; an address, or \"host:port\", is needed", op,
               luaL_tolstring(L, -1, NULL));
  socket_address_arg(L, lua_gettop(L), s, 0);
}

/* --- failures ------------------------------------------------------------------------- */

/* Says in the error on top where the socket at `idx` was closed. */
static void tell_closer(lua_State *L, int idx) {
  if (lua_getiuservalue(L, idx, SOCKET_PAST) == LUA_TSTRING)
    lua_pushfstring(L, "closed at %s", lua_tostring(L, -1));
  else
    lua_pushnil(L);
  if (!lua_isnil(L, -1))
    lua_setfield(L, -3, "text");
  else
    lua_pop(L, 1);
  lua_pop(L, 1);
}

void socket_note_peer(struct socket *s, const struct addr *peer) {
  struct addr a;
  addr_copy(&a, peer);
  memset(&s->peer, 0, sizeof s->peer);
  addr_unmap(&a);
  if (addr_family(&a) == AF_INET || addr_family(&a) == AF_INET6)
    memcpy(&s->peer, &a.u, a.len);
}

bool socket_noted_peer(const struct socket *s, struct addr *out) {
  if (s->peer.family == AF_UNSPEC) return false;
  out->len = s->peer.family == AF_INET6 ? sizeof s->peer.in6 : sizeof s->peer.in;
  memcpy(&out->u, &s->peer, sizeof s->peer);
  return true;
}

/* The text of the peer that was noted. */
static bool noted_peer(const struct socket *s, char out[SOCKET_TEXT]) {
  struct addr a;
  if (!socket_noted_peer(s, &a)) return false;
  addr_format(&a, out);
  return true;
}

void socket_failure(lua_State *L, int idx, const char *op, int status) {
  struct socket *s = socket_check(L, idx);
  char whom[SOCKET_TEXT];
  idx = lua_absindex(L, idx);
  if (s->sched->current) gate_leave(s->sched->current);
  luaL_checkstack(L, 6, NULL);
  if (s->h < 0 || !noted_peer(s, whom)) socket_whom(s, whom);
  error_values(L,
               &(struct failure){op, status, *whom ? whom : NULL, socket_transport(s)});
  if (status == STATUS_CLOSED) {
    lua_pushvalue(L, -2);
    tell_closer(L, idx);
    lua_pop(L, 1);
  }
}

int socket_fail(lua_State *L, int idx, const char *op, int status) {
  socket_failure(L, idx, op, status);
  return task_fail(L, sched_get(L));
}

static const char *const steps[] = {"", "bind", "listen", "connect"};

bool socket_has_failed(const struct socket *s, const char *step) {
  return s->failed && strcmp(steps[s->failed], step) == 0;
}

void socket_remember(lua_State *L, const char *op, int err) {
  struct socket *s = socket_check(L, 1);
  lua_pushvalue(L, err);
  lua_setiuservalue(L, 1, SOCKET_PAST);
  s->failed = 3;
  while (s->failed && !socket_has_failed(s, op)) s->failed--;
}

void socket_need(lua_State *L, struct socket *s, const char *op, const char *step) {
  if (s->failed == 0 || s->h < 0 || !socket_has_failed(s, step)) return;
  lua_getiuservalue(L, 1, SOCKET_PAST);
  lua_getfield(L, -1, "where");
  const char *where = lua_tostring(L, -1), *what = luaL_tolstring(L, -2, NULL);
  luaL_error(L, "%s: the %s of this socket failed at %s: %s", op, step, where, what);
}

void socket_refuse_stream(lua_State *L, struct socket *s, const char *op) {
  if (s->h < 0) return;
  if (s->phase == SOCKET_LISTENING)
    luaL_error(L, "%s: this socket listens; use the one that accept gives", op);
  socket_need(L, s, op, "connect");
  if (s->phase != SOCKET_CONNECTED)
    luaL_error(L, "%s: this socket is not connected; call connect first", op);
}

void socket_need_bytes(lua_State *L, int idx) {
  luaL_argcheck(L, lua_rawlen(L, idx) > 0, idx,
                "an empty packet reads as the end of the connection (unix(7))");
}

/* Lua runs no collection, and takes no order for one, while a finalizer runs. */
static bool in_finalizer(lua_State *L) {
  return lua_gc(L, LUA_GCCOUNT) < 0;
}

void socket_refuse_finalizer(lua_State *L, const char *op) {
  if (in_finalizer(L))
    luaL_error(
        L, "%s: datagrams that are joined, and many at once, are not for finalizers", op);
}

char *socket_owed_scratch(lua_State *L, struct sched *sched) {
  struct socket *s = sched->owed;
  /* In a finalizer the string has been made; a message is still to be filled. */
  if (in_finalizer(L) && !s->taking) return sched->scratch;
  if (buf_append(&s->stream.in, sched->scratch, sched->owed_bytes) < 0)
    luaL_error(L, "%s", status_text(-ENOMEM));
  sched->owed = NULL;
  return sched->scratch;
}

void socket_settle(struct sched *sched) {
  struct socket *s = sched->owed;
  if (!s) return;
  /* Its string may just have been made, by the function that runs. */
  if (sched->running && lua_touserdata(sched->running, 1) == s) return;
  sched->owed = NULL;
  if (buf_append(&s->stream.in, sched->scratch, sched->owed_bytes) < 0)
    s->stream.rd_status = -ENOMEM;
}

void socket_refuse_reader(lua_State *L, struct socket *s, const char *op) {
  /* elsewhere than in a finalizer it is left from a push that had no memory */
  if (s->taking && in_finalizer(L))
    luaL_error(L, "%s: this stream is being read by who runs now", op);
  if (gate_open(&s->rd, s->sched)) return;
  luaL_error(L, "%s: task %d, spawned at %s, is reading this stream already", op,
             (int)s->rd.holder->id, s->rd.holder->site);
}

int socket_given_flags(lua_State *L, int idx, const char *op, int valid) {
  lua_Integer flags = luaL_optinteger(L, idx, 0);
  if (flags & ~(lua_Integer)valid)
    luaL_error(L, "%s: this socket does not take the flags %I", op,
               (LUAI_UACINT)(flags & ~(lua_Integer)valid));
  return (int)flags;
}

/* --- the end -------------------------------------------------------------------------- */

int socket_drop(struct socket *s) {
  net_h h = s->h;
  s->h = -1;
  loop_hangup(&s->sched->loop, h);
  gate_break(&s->rd);
  gate_break(&s->wr);
  int r = net_close(s->sched->loop.net, h);
  if (s->sched->owed == s) s->sched->owed = NULL;
  stream_fini(&s->stream);
  stream_init(&s->stream);
  return r;
}

/* nil, err, code for a close that met the error of a queued send. It never steps aside:
 * who closes many sockets does so to the end, and no loop can fail in one twice. */
static int close_failed(lua_State *L, struct socket *s, int status) {
  char text[SOCKET_TEXT];
  const char *whom = noted_peer(s, text) ? text : NULL;
  error_values(L, &(struct failure){"close", status, whom, socket_transport(s)});
  return 3;
}

/* sock:close() -> true | nil, err, code, where a send that was queued has failed. Wakes
 * whoever waits on it; a second close does nothing.                                      */
static int close_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  if (s->h >= 0) {
    s->failed = 0;
    int r = socket_drop(s); /* first: what follows may raise for lack of memory */
    error_recent_place(L, s->sched->places_ref);
    lua_setiuservalue(L, 1, SOCKET_PAST);
    if (r < 0) return close_failed(L, s, r);
  }
  lua_pushboolean(L, 1);
  return 1;
}

/* A socket that nobody closed; `warn("@on")` shows it. */
static int collect(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  if (s->h >= 0) {
    char text[DESCRIPTION];
    describe(s, text);
    lua_warning(L, text, 1);
    lua_warning(L, " was collected: nobody had closed it", 0);
    socket_drop(s);
  }
  stream_fini(&s->stream);
  return 0;
}

/* sock:settimeout(seconds) -> sock. For every coming operation; nil: none                */
static int settimeout_method(lua_State *L) {
  struct socket *s = socket_check(L, 1);
  luaL_checkany(L, 2);
  s->timeout_ns = args_seconds(L, 2);
  lua_settop(L, 1);
  return 1;
}

static int set_field(lua_State *L) {
  return luaL_error(L, "a socket has no fields to set; keep '%s' in a table of your own",
                    luaL_tolstring(L, 2, NULL));
}

static const luaL_Reg methods[] = {
    {"close",       close_method      },
    {"fileno",      fileno_method     },
    {"getpeername", getpeername_method},
    {"getsockname", getsockname_method},
    {"settimeout",  settimeout_method },
    {NULL,          NULL              },
};

static const luaL_Reg metamethods[] = {
    {"__close",    close_method},
    {"__gc",       collect     },
    {"__newindex", set_field   },
    {"__tostring", to_string   },
    {NULL,         NULL        },
};

void socket_open(lua_State *L) {
  luaL_newmetatable(L, "net.socket");
  sched_functions(L, metamethods);
  lua_newtable(L);
  sched_functions(L, methods);
  socket_bulk_methods(L);
  socket_connect_methods(L);
  socket_datagram_methods(L);
  socket_recv_many_methods(L);
  socket_send_many_methods(L);
  socket_option_methods(L);
  socket_read_methods(L);
  socket_recv_into_methods(L);
  socket_recvmsg_methods(L);
  socket_send_methods(L);
  socket_sendfile_methods(L);
  socket_sendmsg_methods(L);
  names_strict(L, "a socket");
  lua_setfield(L, -2, "__index");
  sched_get(L)->socket_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
