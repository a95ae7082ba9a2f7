/* What the kernel tells beside a message's bytes, as fields of a Lua table. */
#ifndef API_ANCILLARY_H
#define API_ANCILLARY_H

#include <lua.h>
#include <sys/socket.h>

/* Sets the fields that the element stands for in the table on top; none for an element
 * that is not known.                                                      [-0, +0, m] */
void ancillary_set(lua_State *L, const struct cmsghdr *c);

#endif
