/* The modules of lua/ that travel inside the program, compiled (docs/decisions/0013). The
 * table is made at build time by embed.c; it ends with a row whose name is NULL. Read-only;
 * lives as long as the program. */
#ifndef API_EMBEDDED_H
#define API_EMBEDDED_H

#include <stddef.h>

struct embedded {
  const char *name; /* as `require` takes it: "net", "net.http" */
  const char *code; /* as lua_dump writes it, with lines and names */
  size_t size;
};

extern const struct embedded embedded_modules[];

#endif
