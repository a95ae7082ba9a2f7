/* Upper case for text that comes in pieces: adds `upper` to Lua's utf8 library; and what
 * texts can do by themselves. */
#ifndef API_TEXT_H
#define API_TEXT_H

#include <lua.h>

/* Adds the functions to the global table `utf8`, which has to be open.   [-0, +0, m] */
void text_open(lua_State *L);

/* Pushes what ("").name is, or nil, whatever the script's globals are; no metamethod runs.
 *                                                                         [-0, +1, m] */
void text_push_method(lua_State *L, const char *name);

#endif
