/* What the load generator has seen: requests, wrong answers, latencies, processor time.
 * What comes within windows is measured, as one; of the rest, the warm-up, only errors and
 * what was lost count. Times are monotonic nanoseconds. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stdint.h>
#include <sys/types.h>

int64_t figures_now(void);

/* This process's processor time so far. */
int64_t figures_own_ns(void);

/* Begins a window; `server` is the process whose processor time is told, 0: none. */
void figures_begin(pid_t server);
void figures_end(void);

/* One answer that was complete and right. */
void figures_answered(int64_t sent_ns, int64_t now_ns);

/* One answer that was wrong; the first text is told. */
void figures_wrong(const char *what);

/* A datagram without an answer, which is sent again. */
void figures_lost(void);

uint64_t figures_requests(void);
uint64_t figures_errors(void);
uint64_t figures_lost_count(void);
const char *figures_first_error(void); /* NULL: none */

/* Writes the figures as members of a JSON object, without its braces. */
void figures_print(void);

#endif
