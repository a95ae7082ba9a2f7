/* What a run under a fault may end like. The process lives, gives everything back, and
 * whatever went wrong says so: a run that fails without naming its fault has lost it. */
#ifndef CAMPAIGN_VERDICT_H
#define CAMPAIGN_VERDICT_H

#include <stdbool.h>

enum {
  EXIT_MEMORY = 91,      /* memory was not given back */
  EXIT_DESCRIPTORS = 92, /* a descriptor was not */
  EXIT_SANITIZER = 99,
};

struct ending {
  int status;           /* of waitpid(2) */
  const char *text;     /* what was written to stderr */
  int usual;            /* the exit status without a fault */
  bool must_be_usual;   /* the fault may not be noticed */
  bool told;            /* an error has named the fault; else the text has to: */
  const char *words[7]; /* one of these, ended by NULL */
};

/* Sets the words for a call that failed with `status`, or, with 0, for an allocation. */
void verdict_words(struct ending *e, int status);

/* Why the ending is wrong, or NULL when it is right; lives for ever. */
const char *verdict(const struct ending *e);

#endif
