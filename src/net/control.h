/* Ancillary data of a message (cmsg(3)): descriptors, credentials and what the kernel tells
 * about a datagram. Received descriptors become handles at once, so that none can leak. */
#ifndef NET_CONTROL_H
#define NET_CONTROL_H

#include "net/net.h"

enum {
  CONTROL_FDS = 253,   /* descriptors that one message carries (unix(7), SCM_MAX_FD) */
  CONTROL_BYTES = 1536 /* room for them and for everything else that options ask for */
};

struct control {
  size_t len;
  union {
    struct cmsghdr first; /* for the alignment */
    char bytes[CONTROL_BYTES];
  } u;
};

void control_init(struct control *c);

/* Adds an element; `len` bytes, which must have room. */
void control_put(struct control *c, int level, int type, const void *data, size_t len);

/* The element after `at` (NULL: the first) of a received message, or NULL. */
struct cmsghdr *control_next(struct msghdr *msg, struct cmsghdr *at);

/* The bytes that an element holds. */
size_t control_len(const struct cmsghdr *c);

/* Makes handles, which the net owns, of the descriptors that a message brought. Gives how
 * many; those beyond `max`, and those that cannot become handles, are closed, and then
 * `*lost` is set. */
int control_take_fds(struct net *net, struct msghdr *msg, net_h *out, int max,
                     bool *lost);

#endif
