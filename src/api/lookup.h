/* Name lookups as Lua values: an address argument that is a name becomes a lookup object,
 * which its operation resolves, waiting where the backend needs time. */
#ifndef API_LOOKUP_H
#define API_LOOKUP_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/error.h"
#include "api/task.h"

/* Makes the class of lookup objects.                                      [-0, +0, m] */
void lookup_open(lua_State *L);

/* Pushes a lookup of `host` for `port` (-1: none).                        [-0, +1, m] */
void lookup_push(lua_State *L, const char *host, int port, int family, int type,
                 int passive);

/* Has the lookup at `idx` take the addresses of both families.            [-0, +0, v] */
void lookup_widen(lua_State *L, int idx);

/* Sees to it that an address object stands at `idx`, where address_arg left one or a
 * lookup. 0: it does; -EAGAIN: the caller has to `return lookup_await(…)`, and comes here
 * again; else a status, with the host's name in f->address.              [-0, +0, m] */
int lookup_resolve(lua_State *L, int idx, struct failure *f);

/* Waits for the answer to the lookup at `idx`.                          [-0, +0, v] [y] */
int lookup_await(lua_State *L, int idx, const char *op, int64_t deadline_ns,
                 lua_KFunction k);

/* The same as task_await_more does it; of `w` the operation, its deadline and what it has
 * sent count. */
int lookup_await_more(lua_State *L, int idx, const struct task_wait *w,
                      struct task_more *more, lua_KFunction k);

/* Pushes the name or address that an operation parked in `in` asks for; false, pushing
 * nothing, when it waits for no answer.                                 [-0, +(0|1), m] */
bool lookup_push_whom(lua_State *L, lua_State *in);

/* Adds gethostbyname, getaddrinfo and getnameinfo to the table on top.    [-0, +0, m] */
void lookup_functions(lua_State *L);

#endif
