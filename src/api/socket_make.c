/* Where sockets come from: socket, socketpair, descriptors that were inherited or taken. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include "api/args.h"
#include "api/socket.h"

static int check_one_of(lua_State *L, int idx, lua_Integer value, const int *valid,
                        const char *names) {
  for (; *valid; valid++)
    if (*valid == value) return *valid;
  return luaL_argerror(L, idx,
                       lua_pushfstring(L, "%I is none of %s", (LUAI_UACINT)value, names));
}

/* The type at `idx`; packets are for Unix sockets. */
static int check_type(lua_State *L, int idx, int family) {
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, 0};
  int type = check_one_of(L, idx, luaL_optinteger(L, idx, SOCK_STREAM), types,
                          "SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET");
  luaL_argcheck(L, type != SOCK_SEQPACKET || family == AF_UNIX, idx,
                "SOCK_SEQPACKET is for Unix sockets: net.socket(net.AF_UNIX, …)");
  return type;
}

/* net.socket([family [, type]]) -> socket | nil, err, code. AF_INET, SOCK_STREAM unless
 * told.                                                                                 */
static int make(lua_State *L) {
  static const int families[] = {AF_INET, AF_INET6, AF_UNIX, 0};
  int family = check_one_of(L, 1, luaL_optinteger(L, 1, AF_INET), families,
                            "AF_INET, AF_INET6, AF_UNIX");
  int type = check_type(L, 2, family);
  struct sched *sched = sched_of(L);
  interrupt_check(L, sched, "socket", NULL);
  struct socket *s = socket_new(L, sched, family, type);
  net_h h = net_socket(sched->loop.net, family, type, 0);
  if (h < 0)
    return error_return(L, &(struct failure){"socket", h, NULL, socket_transport(s)});
  s->h = h;
  return task_step(L, sched, 1, 0);
}

/* net.socketpair([family [, type]]) -> a, b | nil, err, code. AF_UNIX, SOCK_STREAM unless
 * told; both are connected, and have no names (socketpair(2)).                           */
static int make_pair(lua_State *L) {
  static const int families[] = {AF_UNIX, 0};
  int family = check_one_of(L, 1, luaL_optinteger(L, 1, AF_UNIX), families, "AF_UNIX");
  int type = check_type(L, 2, family);
  struct sched *sched = sched_of(L);
  interrupt_check(L, sched, "socketpair", NULL);
  struct socket *a = socket_new(L, sched, family, type);
  struct socket *b = socket_new(L, sched, family, type);
  net_h pair[2];
  int r = net_pair(sched->loop.net, family, type, pair);
  if (r < 0)
    return error_return(L, &(struct failure){"socketpair", r, NULL, socket_transport(a)});
  a->h = pair[0];
  b->h = pair[1];
  a->phase = b->phase = SOCKET_CONNECTED;
  return task_step(L, sched, 2, 0);
}

/* net.stdin() -> a stream over descriptor 0, which stays open when it is closed          */
static int standard_input(lua_State *L) {
  struct sched *sched = sched_of(L);
  struct socket *s = socket_new(L, sched, AF_UNSPEC, SOCK_STREAM);
  s->phase = SOCKET_CONNECTED;
  net_h h = net_adopt(sched->loop.net, 0, false);
  if (h < 0) return error_return(L, &(struct failure){"stdin", h, NULL, NULL});
  s->h = h;
  return 1;
}

/* --- descriptors that are there already --------------------------------------------------- */

/* An int option, or a status. */
static int asked(const struct socket *s, net_h h, int level, int name) {
  int value = 0;
  socklen_t len = sizeof value;
  int r = net_getopt(s->sched->loop.net, h, level, name, &value, &len);
  return r < 0 ? r : value;
}

/* A kind of socket that the class serves; others are read and written as files are. */
static bool is_known(int family, int type) {
  if (family == AF_UNIX && type == SOCK_SEQPACKET) return true;
  return (family == AF_INET || family == AF_INET6 || family == AF_UNIX) &&
         (type == SOCK_STREAM || type == SOCK_DGRAM);
}

void socket_become(struct socket *s, net_h h) {
  int family = asked(s, h, SOL_SOCKET, SO_DOMAIN),
      type = asked(s, h, SOL_SOCKET, SO_TYPE);
  bool known = is_known(family, type);
  struct addr a;
  s->h = h;
  s->adopted = true;
  s->family = (uint8_t)(known ? family : AF_UNSPEC);
  s->type = (uint8_t)(known ? type : SOCK_STREAM);
  s->bound = true; /* a bind that fails from here on takes nothing away */
  s->joined = s->type == SOCK_DGRAM && asked(s, h, IPPROTO_UDP, UDP_GRO) > 0;
  if (!known ||
      s->sched->loop.net->ops->name_of(s->sched->loop.net, h, NET_PEER, &a) == 0)
    s->phase = SOCKET_CONNECTED;
  else if (asked(s, h, SOL_SOCKET, SO_ACCEPTCONN) > 0)
    s->phase = SOCKET_LISTENING;
}

/* net.fdopen(fd) -> socket | nil, err, code. Takes an open descriptor, which close then
 * closes: a socket becomes what it is, a pipe or a terminal a stream. O_NONBLOCK is never
 * set on it, since it may be shared with other programs.                                 */
static int open_descriptor(lua_State *L) {
  int fd = (int)args_size(L, 1, 0, INT32_MAX);
  struct sched *sched = sched_of(L);
  interrupt_check(L, sched, "fdopen", NULL);
  struct socket *s = socket_new(L, sched, AF_UNSPEC, SOCK_STREAM);
  net_h h = net_adopt(sched->loop.net, fd, true);
  if (h >= 0) {
    socket_become(s, h);
    return task_step(L, sched, 1, 0);
  }
  lua_pushfstring(L, "descriptor %d", fd);
  return error_return(L, &(struct failure){"fdopen", h, lua_tostring(L, -1), NULL});
}

static const luaL_Reg functions[] = {
    {"fdopen",     open_descriptor},
    {"socket",     make           },
    {"socketpair", make_pair      },
    {"stdin",      standard_input },
    {NULL,         NULL           },
};

void socket_functions(lua_State *L) {
  sched_functions(L, functions);
}
