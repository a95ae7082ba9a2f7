/* Arguments from Lua, checked before any cast (NaN, infinities and huge values included). */
#ifndef API_ARGS_H
#define API_ARGS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>

struct sched;

/* Seconds at `idx` as nanoseconds: nil, none and infinity are NET_NEVER, negative ones 0;
 * NaN and other types raise. Beyond 292 years is NET_NEVER too.           [-0, +0, v] */
int64_t args_seconds(lua_State *L, int idx);

/* The deadline that many seconds from now.                                [-0, +0, v] */
int64_t args_deadline(lua_State *L, int idx, struct sched *s);

/* A byte count at `idx`, from `min` to `max`; raises with the value otherwise. */
size_t args_size(lua_State *L, int idx, lua_Integer min, lua_Integer max);

/* Checks that the table at `idx` has no field but those of `names`, which end with NULL and
 * are told when it has: a misspelt option must not pass for none.         [-0, +0, v] */
void args_fields(lua_State *L, int idx, const char *const names[]);

#endif
