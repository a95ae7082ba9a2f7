/* Ancillary data as Lua fields: one table row an element. */
#include "api/ancillary.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "net/control.h"

static void set_integer(lua_State *L, const char *field, lua_Integer n) {
  lua_pushinteger(L, n);
  lua_setfield(L, -2, field);
}

static void set_credentials(lua_State *L, const void *data) {
  struct ucred cred;
  memcpy(&cred, data, sizeof cred);
  lua_createtable(L, 0, 3);
  set_integer(L, "pid", cred.pid);
  set_integer(L, "uid", cred.uid);
  set_integer(L, "gid", cred.gid);
  lua_setfield(L, -2, "credentials");
}

static void set_time_us(lua_State *L, const void *data) {
  struct timeval t;
  memcpy(&t, data, sizeof t);
  set_integer(L, "time_us", (lua_Integer)t.tv_sec * 1000000 + t.tv_usec);
}

static void set_time_ns(lua_State *L, const void *data) {
  struct timespec t;
  memcpy(&t, data, sizeof t);
  set_integer(L, "time_ns", (lua_Integer)t.tv_sec * 1000000000 + t.tv_nsec);
}

static void set_dropped(lua_State *L, const void *data) {
  uint32_t dropped;
  memcpy(&dropped, data, sizeof dropped);
  set_integer(L, "dropped", dropped);
}

static void set_int(lua_State *L, const char *field, const void *data) {
  int n;
  memcpy(&n, data, sizeof n);
  set_integer(L, field, n);
}

static void set_ttl(lua_State *L, const void *data) {
  set_int(L, "ttl", data);
}

static void set_tos(lua_State *L, const void *data) {
  set_integer(L, "tos", *(const unsigned char *)data);
}

static void set_class(lua_State *L, const void *data) {
  set_int(L, "tos", data);
}

static void set_local(lua_State *L, int family, const void *ip, unsigned interface) {
  char text[INET6_ADDRSTRLEN];
  lua_pushstring(L, inet_ntop(family, ip, text, sizeof text));
  lua_setfield(L, -2, "local_host");
  set_integer(L, "interface", interface);
}

static void set_pktinfo(lua_State *L, const void *data) {
  struct in_pktinfo info;
  memcpy(&info, data, sizeof info);
  set_local(L, AF_INET, &info.ipi_addr, (unsigned)info.ipi_ifindex);
}

static void set_pktinfo6(lua_State *L, const void *data) {
  struct in6_pktinfo info;
  memcpy(&info, data, sizeof info);
  set_local(L, AF_INET6, &info.ipi6_addr, info.ipi6_ifindex);
}

static const struct {
  int level, type;
  size_t size;
  void (*set)(lua_State *, const void *);
} elements[] = {
    {SOL_SOCKET,   SCM_CREDENTIALS, sizeof(struct ucred),       set_credentials},
    {SOL_SOCKET,   SCM_TIMESTAMP,   sizeof(struct timeval),     set_time_us    },
    {SOL_SOCKET,   SCM_TIMESTAMPNS, sizeof(struct timespec),    set_time_ns    },
    {SOL_SOCKET,   SO_RXQ_OVFL,     sizeof(uint32_t),           set_dropped    },
    {IPPROTO_IP,   IP_PKTINFO,      sizeof(struct in_pktinfo),  set_pktinfo    },
    {IPPROTO_IP,   IP_TOS,          1,                          set_tos        },
    {IPPROTO_IP,   IP_TTL,          sizeof(int),                set_ttl        },
    {IPPROTO_IPV6, IPV6_HOPLIMIT,   sizeof(int),                set_ttl        },
    {IPPROTO_IPV6, IPV6_PKTINFO,    sizeof(struct in6_pktinfo), set_pktinfo6   },
    {IPPROTO_IPV6, IPV6_TCLASS,     sizeof(int),                set_class      },
};

void ancillary_set(lua_State *L, const struct cmsghdr *c) {
  for (size_t i = 0; i < sizeof elements / sizeof *elements; i++)
    if (c->cmsg_level == elements[i].level && c->cmsg_type == elements[i].type &&
        control_len(c) >= elements[i].size)
      elements[i].set(L, CMSG_DATA(c));
}
