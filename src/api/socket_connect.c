/* bind, listen, accept, connect, shutdown. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/address.h"
#include "api/args.h"
#include "api/lookup.h"
#include "api/socket.h"
#include "base/status.h"

/* Slots of bind and connect: 1 the socket, 2 the address or the lookup of it. */
enum { SLOT_SOCKET = 1, SLOT_ADDRESS };

/* Gives nil, err, code for the step `op` whose address is in slot 2, and remembers it. */
static int step_failed(lua_State *L, struct socket *s, const char *op, int status,
                       const char *name) {
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, op, STATUS_CLOSED);
  if (s->sched->current) gate_leave(s->sched->current);
  const char *whom = name ? name : luaL_tolstring(L, SLOT_ADDRESS, NULL);
  error_values(L, &(struct failure){op, status, whom, socket_transport(s)});
  bool had_succeeded = strcmp(op, "bind") == 0 ? s->bound : s->phase != SOCKET_FRESH;
  if (!had_succeeded) socket_remember(L, op, lua_absindex(L, -2));
  return task_fail(L, s->sched);
}

/* The step has succeeded: forgets that it had failed before; gives the socket. */
static int step_done(lua_State *L, struct socket *s, const char *op) {
  if (s->sched->current) gate_leave(s->sched->current);
  if (socket_has_failed(s, op)) s->failed = 0;
  lua_settop(L, SLOT_SOCKET);
  return task_step(L, s->sched, 1, 0);
}

/* Normalises the arguments of bind and connect; false when the socket is closed. */
static bool begin(lua_State *L, struct socket *s, const char *op, int flags) {
  if (s->h < 0) return false;
  socket_address_arg(L, SLOT_ADDRESS, s, flags);
  lua_settop(L, SLOT_ADDRESS);
  interrupt_check(L, s->sched, op, s);
  return true;
}

/* --- bind, listen ----------------------------------------------------------------------- */

/* A restarted server must get its port although old connections linger (socket(7)); two
 * listeners on one port still fail. */
static int allow_restart(struct socket *s) {
  int on = 1;
  if (s->reuse_chosen || !socket_is_stream(s) || s->family == AF_UNIX) return 0;
  return net_setopt(s->sched->loop.net, s->h, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

static int bind_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"bind", 0, NULL, NULL};
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "bind", STATUS_CLOSED);
  int r = lookup_resolve(L, SLOT_ADDRESS, &f);
  if (r == -EAGAIN) {
    if (!task_late(s->sched, deadline))
      return lookup_await(L, SLOT_ADDRESS, "bind", deadline, bind_k);
    r = STATUS_TIMEOUT;
  }
  if (r < 0) return step_failed(L, s, "bind", r, f.address);
  struct addr a;
  address_get(L, SLOT_ADDRESS, s->family, &a);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "bind", STATUS_CLOSED); /* by a __gc */
  r = allow_restart(s);
  if (r == 0) r = net_bind(s->sched->loop.net, s->h, &a);
  if (r < 0) return step_failed(L, s, "bind", r, NULL);
  s->bound = true;
  return step_done(L, s, "bind");
}

/* sock:bind(address) or sock:bind(host, port) -> sock | nil, err, code               [y] */
static int bind_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!begin(L, s, "bind", ADDRESS_PASSIVE))
    return socket_fail(L, SLOT_SOCKET, "bind", STATUS_CLOSED);
  return bind_k(L, LUA_OK, socket_deadline(s));
}

/* sock:listen([backlog]) -> sock | nil, err, code. The backlog is 511 unless told, and at
 * most what /proc/sys/net/core/somaxconn allows (listen(2)).                         [y] */
static int listen_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  int backlog = lua_isnoneornil(L, 2) ? 511 : (int)args_size(L, 2, 0, INT32_MAX);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "listen", STATUS_CLOSED);
  if (!socket_has_connections(s))
    return luaL_error(L, "listen: a datagram socket does not listen; bind is enough");
  socket_need(L, s, "listen", "bind");
  interrupt_check(L, s->sched, "listen", s);
  int r = net_listen(s->sched->loop.net, s->h, backlog);
  if (r == 0) {
    s->phase = SOCKET_LISTENING;
    return step_done(L, s, "listen");
  }
  lua_settop(L, SLOT_SOCKET);
  socket_failure(L, SLOT_SOCKET, "listen", r);
  socket_remember(L, "listen", lua_absindex(L, -2));
  return task_fail(L, s->sched);
}

/* --- accept ----------------------------------------------------------------------------- */

/* Slots of accept: 1 the listener, 2 the connection's object, made before it is needed. */
enum { SLOT_CONNECTION = 2 };

/* From 5 ms, doubled each time. The last is well below the second in which clients that come
 * to room are to be taken. */
enum { BACKOFF_FIRST_NS = 5 * 1000 * 1000, BACKOFF_LAST_NS = 500 * 1000 * 1000 };

/* accept(2): failures of one connection, not of the listener. */
static bool concerns_one_client(int status) {
  static const int statuses[] = {-ECONNABORTED, -EPROTO,      -EPERM,    -ENETDOWN,
                                 -ENOPROTOOPT,  -EHOSTDOWN,   -ENONET,   -EHOSTUNREACH,
                                 -EOPNOTSUPP,   -ENETUNREACH, -ETIMEDOUT};
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i] == status) return true;
  return false;
}

static bool means_exhaustion(int status) {
  return status == -EMFILE || status == -ENFILE || status == -ENOMEM ||
         status == -ENOBUFS;
}

/* Told once, and again when it had been over for a minute: at the limit each client that
 * leaves makes room for one. */
static void tell_exhaustion(struct sched *s, int status) {
  const int64_t minute_ns = 60 * (int64_t)1000000000, now = loop_now(&s->loop);
  if (!s->exhausted_ns || now - s->exhausted_ns > minute_ns)
    fprintf(stderr, "soquete: accept: %s (%s); new clients have to wait\n",
            status_text(status), status_name(status));
  s->exhausted_ns = now;
}

/* The time of the next try when the process or the machine has run out of something: the
 * listener must neither spin nor end. */
static int64_t back_off(struct socket *s, int status) {
  tell_exhaustion(s->sched, status);
  int64_t ns = (int64_t)BACKOFF_FIRST_NS << s->backoffs;
  if (ns < BACKOFF_LAST_NS) s->backoffs++;
  if (ns > BACKOFF_LAST_NS) ns = BACKOFF_LAST_NS;
  return loop_now(&s->sched->loop) + ns;
}

static int accept_k(lua_State *L, int status, lua_KContext deadline);

/* Waits for a client, or for the end of a back-off. */
static int accept_wait(lua_State *L, struct socket *s, int r, int64_t deadline) {
  struct task_wait w = {"accept", s, s->h, NET_RD, deadline, 0, NULL};
  gate_enter(&s->rd, s->sched);
  if (r != -EAGAIN) {
    w.h = -1;
    w.wake_ns = back_off(s, r);
  }
  return task_await(L, s->sched, &w, accept_k);
}

/* [socket, connection] -> the connection and its peer. */
static int accepted(lua_State *L, struct socket *s, struct socket *conn) {
  struct addr peer = {0};
  s->backoffs = 0;
  if (s->sched->current) gate_leave(s->sched->current);
  conn->phase = SOCKET_CONNECTED;
  if (net_name_of(s->sched->loop.net, conn->h, NET_PEER, &peer) < 0)
    peer = (struct addr){sizeof(sa_family_t), {.sa.sa_family = (sa_family_t)s->family}};
  addr_unmap(&peer);
  socket_note_peer(conn, &peer);
  address_push(L, s->sched, &peer);
  return task_step(L, s->sched, 2, 0);
}

static int accept_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "accept", STATUS_CLOSED);
  if (!gate_open(&s->rd, s->sched)) {
    struct task_wait w = {"accept", s, -1, 0, deadline, 0, NULL};
    if (task_late(s->sched, deadline))
      return socket_fail(L, SLOT_SOCKET, "accept", STATUS_TIMEOUT);
    return task_queue(L, s->sched, &s->rd, &w, accept_k);
  }
  if (lua_gettop(L) < SLOT_CONNECTION) socket_new(L, s->sched, s->family, s->type);
  struct socket *conn = socket_check(L, SLOT_CONNECTION);
  net_h h;
  do h = net_accept(s->sched->loop.net, s->h);
  while (concerns_one_client(h));
  if (h >= 0) {
    conn->h = h;
    return accepted(L, s, conn);
  }
  if (h != -EAGAIN && !means_exhaustion(h))
    return socket_fail(L, SLOT_SOCKET, "accept", h);
  if (task_late(s->sched, deadline)) {
    if (h != -EAGAIN) tell_exhaustion(s->sched, h);
    return socket_fail(L, SLOT_SOCKET, "accept", STATUS_TIMEOUT);
  }
  return accept_wait(L, s, h, deadline);
}

/* sock:accept() -> connection, peer | nil, err, code. Deals with clients that gave up and
 * with a lack of descriptors itself.                                                 [y] */
static int accept_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  lua_settop(L, SLOT_SOCKET);
  if (s->h >= 0) {
    socket_need(L, s, "accept", "bind");
    socket_need(L, s, "accept", "listen");
    if (s->phase != SOCKET_LISTENING)
      return luaL_error(L, "accept: this socket does not listen; call listen first");
    interrupt_check(L, s->sched, "accept", s);
  }
  return accept_k(L, LUA_OK, socket_deadline(s));
}

/* --- connect ---------------------------------------------------------------------------- */

/* A connect that is still under way to another address is given up first: the kernel
 * would go on with it (connect(2): AF_UNSPEC dissolves the association). */
static void begin_anew(struct socket *s, const struct addr *to) {
  struct addr none = {sizeof(sa_family_t), {.sa.sa_family = AF_UNSPEC}};
  union socket_peer before = s->peer;
  socket_note_peer(s, to);
  if (s->connecting && memcmp(&before, &s->peer, sizeof before) != 0)
    net_connect(s->sched->loop.net, s->h, &none);
}

static int connect_k(lua_State *L, int status, lua_KContext deadline);

/* Waits for the answer, or to ask a full backlog again. */
static int connect_wait(lua_State *L, struct socket *s, int r, int64_t deadline) {
  enum { AGAIN_NS = 10 * 1000 * 1000 };
  struct task_wait w = {"connect", s, s->h, NET_WR, deadline, 0, NULL};
  if (r == -EBUSY) {
    w.h = -1;
    w.wake_ns = loop_now(&s->sched->loop) + AGAIN_NS;
  }
  return task_await(L, s->sched, &w, connect_k);
}

static int connect_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  struct failure f = {"connect", 0, NULL, NULL};
  lua_settop(L, SLOT_ADDRESS);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "connect", STATUS_CLOSED);
  int r = lookup_resolve(L, SLOT_ADDRESS, &f);
  if (r == -EAGAIN && !task_late(s->sched, deadline))
    return lookup_await(L, SLOT_ADDRESS, "connect", deadline, connect_k);
  if (r < 0)
    return step_failed(L, s, "connect", r == -EAGAIN ? STATUS_TIMEOUT : r, f.address);
  struct addr a;
  address_get(L, SLOT_ADDRESS, s->family, &a);
  if (s->h < 0)
    return socket_fail(L, SLOT_SOCKET, "connect", STATUS_CLOSED); /* by a __gc */
  begin_anew(s, &a);
  r = net_connect(s->sched->loop.net, s->h, &a);
  s->connecting = r == -EAGAIN;
  bool waits = r == -EAGAIN || r == -EBUSY;
  if (waits && !task_late(s->sched, deadline)) return connect_wait(L, s, r, deadline);
  if (r < 0) return step_failed(L, s, "connect", waits ? STATUS_TIMEOUT : r, NULL);
  s->phase = SOCKET_CONNECTED;
  return step_done(L, s, "connect");
}

/* sock:connect(address) or sock:connect(host, port) -> sock | nil, err, code. A datagram
 * socket only notes its peer (connect(2)).                                           [y] */
static int connect_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  if (!begin(L, s, "connect", 0))
    return socket_fail(L, SLOT_SOCKET, "connect", STATUS_CLOSED);
  if (s->phase == SOCKET_LISTENING)
    return luaL_error(L, "connect: this socket listens; connect with another one");
  return connect_k(L, LUA_OK, socket_deadline(s));
}

/* --- shutdown --------------------------------------------------------------------------- */

/* The end of the sending side comes after all that was sent: it waits for tasks that are
 * sending, and for bytes that the kernel has not taken yet. */
static int shutdown_k(lua_State *L, int status, lua_KContext deadline) {
  (void)status;
  struct socket *s = socket_check(L, SLOT_SOCKET);
  int how = (int)lua_tointeger(L, 2);
  if (s->h < 0) return socket_fail(L, SLOT_SOCKET, "shutdown", STATUS_CLOSED);
  bool turn = how == SHUT_RD || gate_open(&s->wr, s->sched);
  int r = turn ? net_shutdown(s->sched->loop.net, s->h, how) : -EAGAIN;
  if (r == -EAGAIN && !task_late(s->sched, deadline)) {
    struct task_wait w = {"shutdown", s, turn ? s->h : -1, NET_WR, deadline, 0, NULL};
    if (!turn) return task_queue(L, s->sched, &s->wr, &w, shutdown_k);
    gate_enter(&s->wr, s->sched);
    return task_await(L, s->sched, &w, shutdown_k);
  }
  if (r < 0)
    return socket_fail(L, SLOT_SOCKET, "shutdown", r == -EAGAIN ? STATUS_TIMEOUT : r);
  if (how != SHUT_RD) stream_end(&s->stream);
  return step_done(L, s, "shutdown");
}

/* sock:shutdown([how]) -> sock | nil, err, code. SHUT_WR unless told: the peer reads the
 * end of the stream, and this side can still receive (shutdown(2)).                  [y] */
static int shutdown_method(lua_State *L) {
  struct socket *s = socket_check(L, SLOT_SOCKET);
  lua_Integer how = luaL_optinteger(L, 2, SHUT_WR);
  luaL_argcheck(L, how == SHUT_RD || how == SHUT_WR || how == SHUT_RDWR, 2,
                "SHUT_RD, SHUT_WR or SHUT_RDWR");
  lua_settop(L, SLOT_SOCKET);
  lua_pushinteger(L, how);
  if (s->h >= 0) interrupt_check(L, s->sched, "shutdown", s);
  return shutdown_k(L, LUA_OK, socket_deadline(s));
}

static const luaL_Reg methods[] = {
    {"accept",   accept_method  },
    {"bind",     bind_method    },
    {"connect",  connect_method },
    {"listen",   listen_method  },
    {"shutdown", shutdown_method},
    {NULL,       NULL           },
};

void socket_connect_methods(lua_State *L) {
  sched_functions(L, methods);
}
