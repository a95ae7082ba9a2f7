/* Two ways to do the same, in turns: which of them is faster. It is told what has moved by
 * which way and how long that took, and tells which way is next; at the end that is the
 * better one. It has no clock, and does not know what the ways are. */
#ifndef NET_TRIAL_H
#define NET_TRIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum trial_way { TRIAL_USUAL, TRIAL_OTHER, TRIAL_WAYS };

/* The other way is better when the median of its windows is so much faster, and when, the
 * odd one of either aside, each of its windows is faster than each of the usual way. */
enum {
  TRIAL_WINDOWS = 5, /* of each way */
  TRIAL_ODD = 1,     /* of each way: what else the machine did then */
  TRIAL_GAIN = 5,    /* percent */
  TRIAL_SLOW = 3,    /* windows that take too long end it; one that does is begun again */
};

struct trial_plan {
  uint64_t run_in_bytes; /* by the usual way, before anything is timed */
  uint64_t settle_bytes; /* after a change: those that show the way before */
  uint64_t window_bytes; /* that are timed together */
  int64_t slow_ns;       /* a window that takes longer: the way is not what limits it */
};

struct trial {
  struct trial_plan plan;
  bool runs;
  enum trial_way way;                     /* that is next */
  uint64_t skip_bytes;                    /* of it, before the window begins */
  uint64_t bytes;                         /* of the window, so far */
  int64_t ns;                             /* that they took */
  int slow;                               /* windows that have taken too long */
  int count[TRIAL_WAYS];                  /* windows that are over */
  double cost[TRIAL_WAYS][TRIAL_WINDOWS]; /* theirs, in ns a byte */
};

/* It begins with the usual way. */
void trial_begin(struct trial *t, const struct trial_plan *plan);

/* So many bytes, or none, have moved by a way in so much time. What moved by another way than
 * that which is next does not count. */
void trial_note(struct trial *t, enum trial_way way, size_t bytes, int64_t ns);

/* Ends it: the usual way goes on. */
void trial_end(struct trial *t);

#endif
