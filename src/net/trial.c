/* Trials of two ways. */
#include "net/trial.h"

void trial_begin(struct trial *t, const struct trial_plan *plan) {
  *t = (struct trial){.plan = *plan, .runs = true, .skip_bytes = plan->run_in_bytes};
}

void trial_end(struct trial *t) {
  t->runs = false;
  t->way = TRIAL_USUAL;
}

/* Sets down what a window has cost, the cheapest first. */
static void set_down(struct trial *t, double cost) {
  double *costs = t->cost[t->way];
  int at = t->count[t->way]++;
  for (; at > 0 && costs[at - 1] > cost; at--) costs[at] = costs[at - 1];
  costs[at] = cost;
}

static bool other_is_better(const struct trial *t) {
  const double *usual = t->cost[TRIAL_USUAL], *other = t->cost[TRIAL_OTHER];
  double gain = usual[TRIAL_WINDOWS / 2] / other[TRIAL_WINDOWS / 2];
  return gain * 100 >= 100 + TRIAL_GAIN &&
         other[TRIAL_WINDOWS - 1 - TRIAL_ODD] <= usual[TRIAL_ODD];
}

/* Usual, other, other, usual, usual, other ...: what drifts strikes both alike. */
static enum trial_way way_of(int window) {
  return (window + 1) / 2 % 2 ? TRIAL_OTHER : TRIAL_USUAL;
}

static void begin_window(struct trial *t) {
  int window = t->count[TRIAL_USUAL] + t->count[TRIAL_OTHER];
  enum trial_way way = way_of(window);
  t->bytes = 0;
  t->ns = 0;
  if (window == TRIAL_WAYS * TRIAL_WINDOWS) {
    trial_end(t);
    if (other_is_better(t)) t->way = TRIAL_OTHER;
    return;
  }
  if (way != t->way) t->skip_bytes = t->plan.settle_bytes;
  t->way = way;
}

void trial_note(struct trial *t, enum trial_way way, size_t bytes, int64_t ns) {
  if (!t->runs || way != t->way) return;
  if (t->skip_bytes > 0) {
    t->skip_bytes -= bytes < t->skip_bytes ? bytes : t->skip_bytes;
    return;
  }
  t->bytes += bytes;
  t->ns += ns;
  if (t->ns > t->plan.slow_ns) {
    begin_window(t);
    if (++t->slow == TRIAL_SLOW) trial_end(t);
  } else if (t->bytes >= t->plan.window_bytes) {
    set_down(t, (double)t->ns / (double)t->bytes);
    begin_window(t);
  }
}
