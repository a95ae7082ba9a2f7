/* What a system call may answer: the seam's operations, and the errors that the man pages
 * of the calls under them list. EINTR is absent: it never passes a backend; so is
 * EAGAIN, which promises an event. */
#ifndef CAMPAIGN_ERRNOS_H
#define CAMPAIGN_ERRNOS_H

#include "support/fault_net.h"

enum { ERRNOS_MAX = 16 };

struct errnos {
  enum fault_op op;
  const char *page;
  int statuses[ERRNOS_MAX]; /* negative, ended by 0 */
};

extern const struct errnos errnos[];
extern const int errnos_count;

#endif
