/* net.poll: one task waits for many sockets, as select(2) does. Each socket has one waiter
 * of the loop a direction, so what is polled must not be waited for by another task. */
#ifndef API_POLL_H
#define API_POLL_H

#include <lua.h>

/* Adds poll to the table on top.                                          [-0, +0, m] */
void poll_functions(lua_State *L);

#endif
