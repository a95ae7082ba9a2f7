/* Socket options by name: one table row each. A new option is one line. An option that is
 * left out has a row too, which says why, so that a script that asks for it learns it. */
#ifndef NET_OPTION_H
#define NET_OPTION_H

#include <stddef.h>

enum option_type {
  OPTION_BOOL,      /* int, 0 or 1 */
  OPTION_BYTES,     /* raw bytes */
  OPTION_CRED,      /* struct ucred: pid, uid, gid */
  OPTION_DEVICE,    /* int: the index of an interface */
  OPTION_ERROR,     /* int errno, read and cleared (SO_ERROR) */
  OPTION_INFO,      /* struct tcp_info */
  OPTION_INT,       /* int */
  OPTION_LINGER,    /* struct linger: seconds, or off */
  OPTION_MEMBER,    /* struct ip_mreqn: an IPv4 group and an interface */
  OPTION_MEMBERSIX, /* struct ipv6_mreq: an IPv6 group and an interface */
  OPTION_OUTGOING,  /* set: struct ip_mreqn; read: struct in_addr */
  OPTION_SOURCE,    /* struct ip_mreq_source: group, sender and interface address */
  OPTION_STRING,    /* text (a congestion control, a device, a label) */
  OPTION_TIMEVAL,   /* struct timeval */
  OPTION_UINT,      /* unsigned int */
  OPTION_LEFT,      /* left out: `does` says why */
};

enum { OPTION_BOTH_WAYS, OPTION_READ_ONLY, OPTION_SET_ONLY };

struct option {
  const char *name; /* "SO_REUSEADDR" */
  int level, number;
  enum option_type type;
  int access;       /* OPTION_READ_ONLY: setsockopt is refused ... */
  const char *does; /* one line for the reference: meaning and unit */
};

/* The row of `name`, or NULL. */
const struct option *option_find(const char *name);

/* The table, sorted by name, and its length. */
const struct option *option_table(size_t *count);

#endif
