/* The class net.address: an immutable socket address. Addresses are interned in a weak
 * table: the same address is the same object, so it can be a table key. */
#ifndef API_ADDRESS_H
#define API_ADDRESS_H

#include <lua.h>
#include <stdbool.h>

#include "net/addr.h"

struct sched;

/* Makes the class.                                                        [-0, +0, m] */
void address_open(lua_State *L);

/* Pushes the object of `a`; an IPv4-mapped one becomes plain IPv4.        [-0, +1, m] */
void address_push(lua_State *L, const struct sched *s, const struct addr *a);

/* The address object at `idx`, or NULL when it is something else. Only `len` bytes of `u`
 * are there. */
const struct addr *address_at(lua_State *L, int idx);

/* Copies the address object at `idx` for a socket of `family`: an AF_INET6 socket gets an
 * IPv4 address mapped. */
void address_get(lua_State *L, int idx, int family, struct addr *out);

/* The same without a copy where none is needed: the object's own, of which only `len` bytes
 * of `u` are there, or `room`. */
const struct addr *address_for(const struct addr *object, int family, struct addr *room);

/* Reads an address argument at `idx`: (host, port), "host:port", "[v6]:port", ":port",
 * "unix:/path" or an object. `flags`: ADDRESS_*. Raises for what cannot be an address, naming
 * it. Replaces the argument by an address object when it is numeric, which is true, else by a
 * lookup object (lookup.h), and drops the port argument.                   [-0, +0, v] */
enum {
  ADDRESS_PASSIVE = 1,  /* an empty host means any; else it raises */
  ADDRESS_PORTLESS = 2, /* no port is port 0; else it raises */
};
bool address_arg(lua_State *L, int idx, int family, int type, int flags);

#endif
