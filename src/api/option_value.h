/* The values of socket options: from Lua to what setsockopt(2) takes, and back, by the type
 * of the option's row. Wrong kinds of values raise; an interface that is not there does
 * not. */
#ifndef API_OPTION_VALUE_H
#define API_OPTION_VALUE_H

#include <lua.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "net/addr.h"
#include "net/option.h"

enum { OPTION_VALUE_BYTES = 512 }; /* more than struct tcp_info and any label has */

union option_value {
  int number;
  unsigned int count;
  struct linger linger;
  struct timeval time;
  struct ucred cred;
  struct in_addr in;
  struct ip_mreqn mreqn;
  struct ip_mreq_source source;
  struct ipv6_mreq mreq6;
  char bytes[OPTION_VALUE_BYTES];
};

/* Reads the value at `idx`. Its length, or -ENODEV.                       [-0, +0, v] */
int option_value_read(lua_State *L, int idx, const struct option *o,
                      union option_value *v);

/* Pushes the value that getsockopt(2) gave.                               [-0, +1, m] */
void option_value_push(lua_State *L, const struct option *o, const union option_value *v,
                       socklen_t len);

/* Reads a multicast group at `idx` and an interface, or nil, at `idx` + 1, and gives the
 * row that joins or leaves it. The value's length, or -ENODEV.            [-0, +0, v] */
int option_value_group(lua_State *L, int idx, bool join, const struct option **o,
                       union option_value *v);

#endif
