/* The modules of lua/ that travel inside the program, as source text. The table is made
 * at build time by embed.sh; it ends with a row whose name is NULL. Every text is followed
 * by a zero byte that `size` does not count. Read-only; lives as long as the program. */
#ifndef API_EMBEDDED_H
#define API_EMBEDDED_H

#include <stddef.h>

struct embedded {
  const char *name; /* as `require` takes it: "net", "net.http" */
  const char *text;
  size_t size;
};

extern const struct embedded embedded_modules[];

#endif
