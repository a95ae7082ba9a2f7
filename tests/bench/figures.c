/* What the load generator has seen. */
#include "bench/figures.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>

/* A histogram as HDR's: exact below 64 ns, above it 64 steps for each power of two, so
 * that a value is known to 1.6 %. */
enum { STEP_BITS = 6, STEPS = 1 << STEP_BITS, BUCKETS = (64 - STEP_BITS + 1) * STEPS };

struct clocks {
  int64_t wall_ns, server_ns, own_ns;
};

static struct {
  uint64_t requests, errors, lost;
  uint64_t latency[BUCKETS];
  uint64_t largest_ns;
  bool measures;
  pid_t server;
  struct clocks at_begin, within; /* within: all windows */
  const char *first_error;
} seen;

static unsigned bucket_of(uint64_t ns) {
  if (ns < STEPS) return (unsigned)ns;
  unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - STEP_BITS;
  return (shift + 1) * STEPS + (unsigned)((ns >> shift) - STEPS);
}

static uint64_t value_of(unsigned bucket) {
  if (bucket < STEPS) return bucket;
  unsigned shift = bucket / STEPS - 1;
  return (uint64_t)(bucket % STEPS + STEPS) << shift;
}

static double percentile_us(double share) {
  uint64_t total = 0, count = 0;
  for (unsigned i = 0; i < BUCKETS; i++) total += seen.latency[i];
  for (unsigned i = 0; i < BUCKETS; i++) {
    count += seen.latency[i];
    if (count > 0 && (double)count >= share * (double)total)
      return (double)value_of(i) / 1000;
  }
  return 0;
}

static int64_t clock_ns(clockid_t clock) {
  struct timespec t;
  if (clock_gettime(clock, &t) < 0) return 0;
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int64_t figures_now(void) {
  return clock_ns(CLOCK_MONOTONIC);
}

int64_t figures_own_ns(void) {
  return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* The processor time of the server, all its threads, also of those that have ended. */
static int64_t server_ns(void) {
  clockid_t clock;
  if (seen.server == 0 || clock_getcpuclockid(seen.server, &clock) != 0) return 0;
  return clock_ns(clock);
}

void figures_begin(pid_t server) {
  seen.measures = true;
  seen.server = server;
  seen.at_begin = (struct clocks){0, server_ns(), figures_own_ns()};
  seen.at_begin.wall_ns = figures_now();
}

void figures_end(void) {
  seen.within.wall_ns += figures_now() - seen.at_begin.wall_ns;
  seen.within.server_ns += server_ns() - seen.at_begin.server_ns;
  seen.within.own_ns += figures_own_ns() - seen.at_begin.own_ns;
  seen.measures = false;
}

void figures_answered(int64_t sent_ns, int64_t now_ns) {
  uint64_t took = (uint64_t)(now_ns - sent_ns);
  if (!seen.measures) return;
  seen.requests++;
  seen.latency[bucket_of(took)]++;
  if (took > seen.largest_ns) seen.largest_ns = took;
}

void figures_wrong(const char *what) {
  seen.errors++;
  if (!seen.first_error) seen.first_error = what;
}

void figures_lost(void) {
  seen.lost++;
}

uint64_t figures_requests(void) {
  return seen.requests;
}

uint64_t figures_errors(void) {
  return seen.errors;
}

uint64_t figures_lost_count(void) {
  return seen.lost;
}

const char *figures_first_error(void) {
  return seen.first_error;
}

void figures_print(void) {
  double seconds = (double)seen.within.wall_ns / 1e9;
  printf("\"requests\": %lu, \"seconds\": %.6f, \"rate\": %.1f, \"p50_us\": %.1f, "
         "\"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
         "\"errors\": %lu, \"lost\": %lu, \"first_error\": \"%s\", "
         "\"server_cpu_ns\": %ld, \"load_cpu_ns\": %ld",
         seen.requests, seconds, seconds > 0 ? (double)seen.requests / seconds : 0,
         percentile_us(0.5), percentile_us(0.9), percentile_us(0.99),
         percentile_us(0.999), (double)seen.largest_ns / 1000, seen.errors, seen.lost,
         seen.first_error ? seen.first_error : "", (long)seen.within.server_ns,
         (long)seen.within.own_ns);
}
