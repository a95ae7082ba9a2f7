/* Addresses as Lua sees them. */
#include "api/address.h"

#include <arpa/inet.h>
#include <lauxlib.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "api/error.h"
#include "api/lookup.h"
#include "api/task.h"

static const char *const class = "net.address";
static const char identity; /* of struct address */

/* The identity comes first, as in a socket: comparing it takes less time than comparing
 * metatables, and a datagram's address is looked at several times. */
struct address {
  const void *identity; /* &identity */
  struct addr a;        /* cut to its length */
};

/* --- objects -------------------------------------------------------------------------- */

const struct addr *address_at(lua_State *L, int idx) {
  const struct address *object = lua_touserdata(L, idx);
  bool is_address = lua_type(L, idx) == LUA_TUSERDATA &&
                    lua_rawlen(L, idx) >= offsetof(struct address, a) &&
                    object->identity == &identity;
  return is_address ? &object->a : NULL;
}

/* Where the interned table keeps the class: no address has a negative number. */
enum { CLASS_AT = -1 };

/* How the interned table names an IPv4 address: a number is found without making a string. */
static lua_Integer number_of(const struct addr *a) {
  return (lua_Integer)ntohl(a->u.in.sin_addr.s_addr) << 16 | ntohs(a->u.in.sin_port);
}

/* [interned table] -> [interned table, object or nil] */
static void get_interned(lua_State *L, const struct addr *a) {
  if (addr_family(a) == AF_INET) {
    lua_rawgeti(L, -1, number_of(a));
    return;
  }
  lua_pushlstring(L, (const char *)&a->u, a->len);
  lua_rawget(L, -2);
}

/* [interned table, object] -> the same, with the object in the table. */
static void set_interned(lua_State *L, const struct addr *a) {
  if (addr_family(a) == AF_INET) {
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, number_of(a));
    return;
  }
  lua_pushlstring(L, (const char *)&a->u, a->len);
  lua_pushvalue(L, -2);
  lua_rawset(L, -4);
}

/* [interned table] -> [interned table, a new object] */
static void push_new(lua_State *L, const struct addr *a) {
  size_t size = offsetof(struct addr, u) + a->len;
  struct address *object = lua_newuserdatauv(L, offsetof(struct address, a) + size, 0);
  object->identity = &identity;
  memcpy(&object->a, a, size);
  lua_rawgeti(L, -2, CLASS_AT);
  lua_setmetatable(L, -2);
}

void address_push(lua_State *L, const struct sched *s, const struct addr *a) {
  struct addr plain;
  if (addr_family(a) == AF_INET6) {
    addr_copy(&plain, a);
    addr_unmap(&plain);
    a = &plain;
  }
  luaL_checkstack(L, 4, NULL);
  sched_push(L, s->addresses_ref);
  get_interned(L, a);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    push_new(L, a);
    set_interned(L, a);
  }
  lua_remove(L, -2);
}

static const struct addr *check(lua_State *L, int idx) {
  const struct addr *object = address_at(L, idx);
  if (!object) luaL_typeerror(L, idx, class);
  return object;
}

/* A whole struct from the object, which is cut to its length. */
static struct addr whole(const struct addr *object) {
  struct addr a;
  memset(&a, 0, sizeof a);
  memcpy(&a, object, offsetof(struct addr, u) + object->len);
  return a;
}

const struct addr *address_for(const struct addr *object, int family, struct addr *room) {
  if (family != AF_INET6 || addr_family(object) != AF_INET) return object;
  *room = whole(object);
  addr_map(room);
  return room;
}

void address_get(lua_State *L, int idx, int family, struct addr *out) {
  *out = whole(check(L, idx));
  if (family == AF_INET6) addr_map(out);
}

/* --- arguments ------------------------------------------------------------------------ */

/* Raises at the script's line: what is wrong with the address, and the value given. */
static int bad(lua_State *L, int idx, const char *why) {
  const char *given = luaL_tolstring(L, idx, NULL);
  error_where(L);
  lua_pushfstring(L, "%s: bad address '%s': %s", lua_tostring(L, -1), given, why);
  return lua_error(L);
}

/* The port argument at `idx` + 1, removed; -1 when there is none. */
static int take_port(lua_State *L, int idx) {
  if (lua_isnoneornil(L, idx + 1)) return -1;
  int is_integer;
  lua_Integer port = lua_tointegerx(L, idx + 1, &is_integer);
  if (!is_integer || port < 0 || port > 65535)
    bad(L, idx + 1, "the port must be a whole number from 0 to 65535");
  lua_remove(L, idx + 1);
  return (int)port;
}

static void read_text(lua_State *L, int idx, struct addr_text *text) {
  size_t len;
  const char *given = luaL_checklstring(L, idx, &len), *why = NULL;
  if (addr_split(given, len, text, &why) < 0) bad(L, idx, why);
  int port = take_port(L, idx);
  if (port >= 0 && text->port >= 0) bad(L, idx, "the port is given twice");
  if (port >= 0 && text->is_unix) bad(L, idx, "a Unix address has no port");
  if (port >= 0) text->port = port;
}

/* A Unix socket takes Unix addresses, and no other socket does. */
static void check_kind(lua_State *L, int idx, int family, bool is_unix) {
  if (family == AF_UNIX && !is_unix)
    bad(L, idx, "a Unix socket needs \"unix:/path\" or \"unix:@name\"");
  if (family != AF_UNIX && family != AF_UNSPEC && is_unix)
    bad(L, idx, "only a socket of AF_UNIX takes Unix addresses");
}

bool address_arg(lua_State *L, int idx, int family, int type, int flags) {
  const struct addr *object = address_at(L, idx);
  if (object) {
    check_kind(L, idx, family, addr_family(object) == AF_UNIX);
    return true;
  }
  struct addr_text text;
  struct addr a;
  luaL_argexpected(L, lua_isstring(L, idx), idx,
                   "address (\"host:port\", or host, port)");
  read_text(L, idx, &text);
  check_kind(L, idx, family, text.is_unix);
  if (!text.is_unix && text.host_len == 0 && !(flags & ADDRESS_PASSIVE))
    bad(L, idx, "it names no host to connect or send to");
  if (!text.is_unix && text.port < 0 && flags & ADDRESS_PORTLESS) text.port = 0;
  if (!text.is_unix && text.port < 0) bad(L, idx, "it names no port");
  int r = addr_from_text(&a, &text, text.is_unix || text.host_len ? AF_UNSPEC : family);
  if (r == -ENAMETOOLONG) bad(L, idx, "a Unix path has at most 107 bytes (unix(7))");
  if (r == 0)
    address_push(L, sched_get(L), &a);
  else
    lookup_push(L, text.host, text.port, family, type, flags & ADDRESS_PASSIVE);
  lua_replace(L, idx);
  return r == 0;
}

/* --- fields --------------------------------------------------------------------------- */

static void push_family(lua_State *L, const struct addr *a) {
  lua_pushinteger(L, addr_family(a));
}

static void push_host(lua_State *L, const struct addr *a) {
  char text[ADDR_TEXT];
  if (addr_family(a) == AF_UNIX) {
    lua_pushnil(L);
    return;
  }
  addr_host(a, text);
  lua_pushstring(L, text);
}

static void push_path(lua_State *L, const struct addr *a) {
  char text[ADDR_TEXT];
  if (addr_family(a) != AF_UNIX) {
    lua_pushnil(L);
    return;
  }
  lua_pushlstring(L, text, addr_host(a, text));
}

static void push_port(lua_State *L, const struct addr *a) {
  int port = addr_port(a);
  if (port >= 0)
    lua_pushinteger(L, port);
  else
    lua_pushnil(L);
}

static void push_scope(lua_State *L, const struct addr *a) {
  if (addr_family(a) == AF_INET6 && a->u.in6.sin6_scope_id != 0)
    lua_pushinteger(L, a->u.in6.sin6_scope_id);
  else
    lua_pushnil(L);
}

static const struct {
  const char *name;
  void (*push)(lua_State *, const struct addr *);
} fields[] = {
    {"family", push_family},
    {"host",   push_host  },
    {"path",   push_path  },
    {"port",   push_port  },
    {"scope",  push_scope },
};

/* address.host, .port, .family, .scope, .path                                            */
static int get_field(lua_State *L) {
  struct addr a = whole(check(L, 1));
  const char *name = luaL_checkstring(L, 2);
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
    if (strcmp(fields[i].name, name) != 0) continue;
    fields[i].push(L, &a);
    return 1;
  }
  return luaL_error(L, "an address has no '%s': it has family, host, path, port, scope",
                    name);
}

static int set_field(lua_State *L) {
  return luaL_error(L, "an address cannot be changed: make another");
}

/* --- metamethods ---------------------------------------------------------------------- */

static int to_string(lua_State *L) {
  char text[ADDR_TEXT];
  struct addr a = whole(check(L, 1));
  addr_format(&a, text);
  lua_pushstring(L, text);
  return 1;
}

/* By family, then host bytes, then port: the order in which people sort addresses. */
static int compare(const struct addr *a, const struct addr *b) {
  int d = addr_family(a) - addr_family(b);
  if (d != 0) return d;
  if (addr_family(a) == AF_INET)
    d = memcmp(&a->u.in.sin_addr, &b->u.in.sin_addr, sizeof a->u.in.sin_addr);
  else if (addr_family(a) == AF_INET6)
    d = memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr, sizeof a->u.in6.sin6_addr);
  else
    d = memcmp(&a->u, &b->u, sizeof a->u.un);
  return d != 0 ? d : addr_port(a) - addr_port(b);
}

static int compare_args(lua_State *L) {
  struct addr a = whole(check(L, 1));
  struct addr b = whole(check(L, 2));
  return compare(&a, &b);
}

static int less(lua_State *L) {
  lua_pushboolean(L, compare_args(L) < 0);
  return 1;
}

static int less_or_equal(lua_State *L) {
  lua_pushboolean(L, compare_args(L) <= 0);
  return 1;
}

static const luaL_Reg metamethods[] = {
    {"__concat",   error_concat },
    {"__index",    get_field    },
    {"__le",       less_or_equal},
    {"__lt",       less         },
    {"__newindex", set_field    },
    {"__tostring", to_string    },
    {NULL,         NULL         },
};

void address_open(lua_State *L) {
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  luaL_newmetatable(L, class);
  luaL_setfuncs(L, metamethods, 0);
  lua_rawseti(L, -2, CLASS_AT);
  sched_get(L)->addresses_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
