/* TCP_INFO (tcp(7)) as a table whose field names carry their units. What an older kernel
 * does not tell has no field. */
#ifndef API_INFO_H
#define API_INFO_H

#include <lua.h>
#include <stddef.h>

/* Pushes the table for the `len` bytes that the kernel gave.              [-0, +1, m] */
void info_push(lua_State *L, const void *bytes, size_t len);

#endif
