/* The class net.socket: a handle of the seam with its buffer, its gates and its history.
 * socket.c names and closes it, socket_make.c makes it; the other files socket_*.c hold the
 * operations. */
#ifndef API_SOCKET_H
#define API_SOCKET_H

#include <lauxlib.h>
#include <lua.h>

#include "api/error.h"
#include "api/task.h"
#include "net/stream.h"

enum socket_phase {
  SOCKET_FRESH,
  SOCKET_LISTENING,
  SOCKET_CONNECTED, /* streams: connected or accepted; datagrams: has a fixed peer */
};

/* The INET or INET6 address of whom connect or accept has met, for messages: asking the
 * kernel is too late once the connection is gone. */
union socket_peer {
  sa_family_t family; /* AF_UNSPEC: nobody, or one of a Unix socket, who can be asked */
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
};

/* Each connection has one, so it is small; what each operation touches comes first. */
struct socket {
  const void *class;   /* identity of this struct: &socket_class */
  struct sched *sched; /* borrowed */
  net_h h;             /* -1: closed */
  uint8_t family, type;
  uint8_t how;            /* the reading operation, as socket_read.c numbers them */
  uint8_t phase : 6;      /* enum socket_phase */
  bool adopted : 1;       /* the descriptor came from elsewhere, and may be shared */
  bool ahead : 1;         /* its last recv was full: the next one reads ahead */
  bool bound : 1;         /* bind has succeeded */
  bool connecting : 1;    /* a connect has begun and not ended: to `peer` */
  bool taking : 1;        /* a result is being made: finalizers must not read */
  bool reuse_chosen : 1;  /* the script has set SO_REUSEADDR itself */
  bool joined : 1;        /* the kernel may join its datagrams: UDP_GRO was set */
  bool no_trains : 1;     /* UDP_SEGMENT was refused: its datagrams go one by one */
  uint8_t failed : 2;     /* the step that failed, see socket_remember; 0: none */
  uint8_t backoffs;       /* how often accept has found descriptors run out, in a row */
  uint16_t flags;         /* of the reading operation: MSG_DONTWAIT, MSG_OOB */
  union socket_peer peer; /* here it fills a gap */
  struct gate rd, wr;
  int64_t timeout_ns;   /* of each operation; NET_NEVER */
  size_t want;          /* bytes that a reading operation wants, or its limit */
  struct stream stream; /* of a datagram socket: `in` holds datagrams that were joined */
  size_t sent;          /* progress of the send that holds the gate */
};

/* The user value: the error of `failed`; once closed: "file:line" of the close. */
enum { SOCKET_PAST = 1, SOCKET_USER_VALUES = SOCKET_PAST };

enum { SOCKET_TEXT = ADDR_TEXT * 2 + 8 };

extern const char socket_class;

/* Makes the class.                                                        [-0, +0, m] */
void socket_open(lua_State *L);

/* Relaying (socket_relay.c): its class, and relay_state for the table on top.
 *                                                                         [-0, +0, m] */
void socket_relay_open(lua_State *L);
void socket_relay_functions(lua_State *L);

/* Adds fdopen, socket, socketpair and stdin to the table on top (socket_make.c).
 *                                                                         [-0, +0, m] */
void socket_functions(lua_State *L);

/* The socket at `idx`, or NULL when it is something else. */
static inline struct socket *socket_at(lua_State *L, int idx) {
  struct socket *s = lua_touserdata(L, idx);
  return s && lua_type(L, idx) == LUA_TUSERDATA && s->class == &socket_class ? s : NULL;
}

/* The socket at `idx`; raises when it is something else. */
static inline struct socket *socket_check(lua_State *L, int idx) {
  struct socket *s = socket_at(L, idx);
  if (s) return s;
  luaL_typeerror(L, idx, "socket");
  return NULL;
}

/* Pushes a socket without a handle (closed), to be filled: slot first, resource second. */
struct socket *socket_new(lua_State *L, struct sched *sched, int family, int type);

/* The descriptor's address texts for messages: the peer where there is one, else the
 * socket's own; "" when it has none. */
void socket_whom(const struct socket *s, char out[SOCKET_TEXT]);

/* Takes the handle of a descriptor into the closed socket `s`, which then is what the kernel
 * says: family, type, listening, connected. */
void socket_become(struct socket *s, net_h h);

/* "tcp" "udp" "unix" "unix datagram" "unix seqpacket" "file". */
const char *socket_transport(const struct socket *s);

static inline bool socket_is_stream(const struct socket *s) {
  return s->type == SOCK_STREAM;
}

/* Stream or SOCK_SEQPACKET: it listens, accepts and has an end. */
static inline bool socket_has_connections(const struct socket *s) {
  return s->type == SOCK_STREAM || s->type == SOCK_SEQPACKET;
}

/* Closes the handle of an open socket: wakes whoever waits on it. 0, or the error of a send
 * that was queued. */
int socket_drop(struct socket *s);

/* The deadline of an operation that begins now. */
static inline int64_t socket_deadline(const struct socket *s) {
  if (s->timeout_ns == NET_NEVER) return NET_NEVER;
  return loop_now(&s->sched->loop) + s->timeout_ns;
}

/* Pushes nil, err, code for an operation on the socket at slot `idx` that gave `status`;
 * a closed one tells where it was closed. Leaves the gate.                [-0, +3, m] */
void socket_failure(lua_State *L, int idx, const char *op, int status);

/* The same as the end of an operation, see task_fail; gives 3.        [-0, +3, v] [y] */
int socket_fail(lua_State *L, int idx, const char *op, int status);

/* Notes whom the socket is connected to, or is about to be. */
void socket_note_peer(struct socket *s, const struct addr *peer);

/* The address that was noted; false: there is none, or a Unix address. */
bool socket_noted_peer(const struct socket *s, struct addr *out);

/* Remembers that the step `op` ("bind" "listen" "connect") of the socket at slot 1 failed with
 * the error object that lies at stack index `err`.                                              [-0, +0, m] */
void socket_remember(lua_State *L, const char *op, int err);

/* True when `step` is the one that failed. */
bool socket_has_failed(const struct socket *s, const char *step);

/* Raises when a step that `op` needs has failed before, naming it.        [-0, +0, v] */
void socket_need(lua_State *L, struct socket *s, const char *op, const char *step);

/* Raises unless the socket is a stream that is connected (or closed).     [-0, +0, v] */
void socket_refuse_stream(lua_State *L, struct socket *s, const char *op);
static inline void socket_need_stream(lua_State *L, struct socket *s, const char *op) {
  if (s->phase != SOCKET_CONNECTED || s->failed) socket_refuse_stream(L, s, op);
}

/* Refuses an empty packet at `idx`: it would read as the end.              [-0, +0, v] */
void socket_need_bytes(lua_State *L, int idx);

/* Raises when another task reads this stream, naming it.                  [-0, +0, v] */
void socket_refuse_reader(lua_State *L, struct socket *s, const char *op);
static inline void socket_claim(lua_State *L, struct socket *s, const char *op) {
  if (s->taking || !gate_open(&s->rd, s->sched)) socket_refuse_reader(L, s, op);
}

/* Where bytes are received. Bytes that could not become a string, for lack of memory, lie
 * there until then, and go back to their stream now.                      [-0, +0, m] */
char *socket_owed_scratch(lua_State *L, struct sched *sched);
static inline char *socket_scratch(lua_State *L, struct sched *sched) {
  return sched->owed ? socket_owed_scratch(L, sched) : sched->scratch;
}

/* The first n bytes of the scratch are the stream's. */
static inline void socket_owe(struct socket *s, size_t n) {
  s->stream.unkept = 0;
  s->sched->owed = s;
  s->sched->owed_bytes = n;
}

/* The same at once, for a stream that may be freed without its finalizer; without memory the
 * stream is broken. Raises nothing. */
void socket_settle(struct sched *sched);

/* Raises in a finalizer: who runs may just be taking datagrams out of memory that all
 * sockets share.                                                           [-0, +0, v] */
void socket_refuse_finalizer(lua_State *L, const char *op);

/* Raises unless it is a datagram socket; others have `instead`.            [-0, +0, v] */
void socket_need_datagrams(lua_State *L, const struct socket *s, const char *op,
                           const char *instead);

/* Whether the kernel can send datagrams of the open socket in trains; whether it has not
 * refused one yet. */
bool socket_knows_trains(struct socket *s);
bool socket_may_couple(struct socket *s);

/* Where many datagrams are received, made when it is first needed; NULL without memory. */
struct incoming *socket_incoming(struct sched *sched);

/* net_recvfrom for a socket with s->joined: a train is held, and given datagram by datagram. */
ssize_t socket_take_joined(struct socket *s, char *bytes, size_t n, struct addr *from,
                           size_t *size, int flags);

/* address_arg for an operation on the socket `s`: where it takes both families, so does the
 * lookup of a name.                                                        [-0, +0, v] */
void socket_address_arg(lua_State *L, int idx, const struct socket *s, int flags);

/* Pushes what that makes of the option `to` of the table at `options`, or nil.
 *                                                                          [-0, +1, v] */
void socket_address_option(lua_State *L, int options, const struct socket *s,
                           const char *op);

/* The MSG_ flags at `idx`; raises for those that are not among `valid`.   [-0, +0, v] */
int socket_given_flags(lua_State *L, int idx, const char *op, int valid);

/* The same, or 0 when there is no argument `idx`. */
static inline int socket_flags(lua_State *L, int idx, const char *op, int valid) {
  return lua_gettop(L) < idx ? 0 : socket_given_flags(L, idx, op, valid);
}

/* send and recv of a datagram socket; arguments from slot 2.        [-0, +1 or 3, v] [y] */
int socket_send_datagram(lua_State *L, struct socket *s, int flags);
int socket_recv_datagram(lua_State *L, struct socket *s);

/* The methods of each file, with the scheduler as upvalue.                [-0, +0, m] */
void socket_bulk_methods(lua_State *L);
void socket_read_methods(lua_State *L);
void socket_send_methods(lua_State *L);
void socket_datagram_methods(lua_State *L);
void socket_recv_into_methods(lua_State *L);
void socket_recv_many_methods(lua_State *L);
void socket_recvmsg_methods(lua_State *L);
void socket_send_many_methods(lua_State *L);
void socket_sendfile_methods(lua_State *L);
void socket_sendmsg_methods(lua_State *L);
void socket_connect_methods(lua_State *L);
void socket_option_methods(lua_State *L);

#endif
