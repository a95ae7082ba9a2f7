/* Misspelt names: a table whose missing keys raise and name the nearest right one. */
#ifndef API_NAMES_H
#define API_NAMES_H

#include <lua.h>

/* Makes the table on top strict; `whose` ("a socket", "net") begins the message.
 *                                                                         [-0, +0, m] */
void names_strict(lua_State *L, const char *whose);

/* Pushes the key of the table at `idx` that is nearest to `name`, or nil. Among equals the
 * alphabetically first.                                                   [-0, +1, m] */
void names_nearest(lua_State *L, int idx, const char *name);

/* Raises: the table at `idx`, whose names they are, has no key `name`.     [-0, +0, v] */
int names_refuse(lua_State *L, int idx, const char *whose, const char *name);

#endif
