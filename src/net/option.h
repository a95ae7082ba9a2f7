/* Socket options by name: one table row each. A new option is one line. */
#ifndef NET_OPTION_H
#define NET_OPTION_H

#include <stddef.h>

enum option_type {
  OPTION_BOOL,   /* int, 0 or 1 */
  OPTION_INT,    /* int */
  OPTION_LINGER, /* struct linger: seconds, or off */
  OPTION_STRING, /* bytes up to 16 (a congestion control, a device) */
  OPTION_ERROR,  /* int errno, read and cleared (SO_ERROR) */
};

struct option {
  const char *name; /* "SO_REUSEADDR" */
  int level, number;
  enum option_type type;
  int readonly;     /* setsockopt is refused */
  const char *does; /* one line for the reference: meaning and unit */
};

/* The row of `name`, or NULL. */
const struct option *option_find(const char *name);

/* The table, sorted by name, and its length. */
const struct option *option_table(size_t *count);

#endif
