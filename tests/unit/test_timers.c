/* Timers in great number: exact order, no drift, and every key that a deadline can be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rng.h"
#include "net/loop.h"
#include "support/fake_net.h"
#include "support/seed.h"

enum { MILLION = 1000000 };

/* --- the heap --- */

struct item {
  struct heap_node node;
  bool removed;
};

static void a_million_keys_come_out_in_exact_order(void **state) {
  struct item *items = calloc(MILLION, sizeof *items);
  struct rng rng;
  struct heap h;
  heap_init(&h);
  rng_init(&rng, seed_get());
  size_t left = MILLION;
  /* few keys, so that many are equal, and some of the whole range */
  for (int i = 0; i < MILLION; i++) {
    bool any = rng_below(&rng, 4) == 0;
    int64_t key = any ? (int64_t)rng_next(&rng) : (int64_t)rng_below(&rng, 50000);
    assert_int_equal(heap_insert(&h, &items[i].node, key), 0);
  }
  for (int i = 0; i < MILLION; i += 3, left--) {
    heap_remove(&h, &items[i].node);
    items[i].removed = true;
  }
  const struct heap_node *before = NULL;
  for (struct heap_node *n; (n = heap_first(&h)); before = n, left--) {
    heap_remove(&h, n);
    assert_false(((struct item *)n)->removed);
    if (!before) continue;
    assert_true(before->key <= n->key);
    if (before->key == n->key) assert_true(before < n); /* first in, first out */
  }
  assert_int_equal(left, 0);
  heap_fini(&h);
  free(items);
}

/* --- the loop --- */

struct timer {
  struct waiter w;
  int64_t due_ns;
  struct many *of;
};

struct many {
  struct net *net;
  struct loop loop;
  struct timer *timers; /* owned */
  int fired;
  const struct timer *last;
};

static void note(struct waiter *w) {
  struct timer *t = list_entry(w, struct timer, w);
  struct many *m = t->of;
  int64_t now = loop_now(&m->loop);
  assert_true(now >= t->due_ns);
  if (m->last) {
    assert_true(m->last->due_ns <= t->due_ns);
    if (m->last->due_ns == t->due_ns) assert_true(m->last < t);
  }
  m->last = t;
  m->fired++;
}

static void many_init(struct many *m, int count, void (*fire)(struct waiter *)) {
  *m = (struct many){.net = fake_net_new()};
  loop_init(&m->loop, m->net);
  m->timers = calloc((size_t)count, sizeof *m->timers);
  assert_non_null(m->timers);
  for (int i = 0; i < count; i++) {
    m->timers[i].of = m;
    waiter_init(&m->timers[i].w, fire);
  }
}

static void many_fini(struct many *m) {
  assert_int_equal(m->loop.timers.count, 0);
  loop_fini(&m->loop);
  net_free(m->net);
  free(m->timers);
}

static void start(struct timer *t, int64_t due_ns) {
  t->due_ns = due_ns;
  assert_int_equal(loop_wait(&t->of->loop, &t->w, -1, 0, due_ns), 0);
}

static void a_million_timers_fire_in_exact_order_and_never_early(void **state) {
  struct many m;
  struct rng rng;
  many_init(&m, MILLION, note);
  rng_init(&rng, seed_get());
  int64_t now = loop_now(&m.loop);
  for (int i = 0; i < MILLION; i++) /* about twenty share a microsecond */
    start(&m.timers[i], now + (int64_t)rng_below(&rng, 50000) * 1000);
  int cancelled = 0;
  for (int i = 0; i < MILLION; i += 10, cancelled++) loop_cancel(&m.loop, &m.timers[i].w);
  while (m.fired < MILLION - cancelled) assert_true(loop_turn(&m.loop) >= 0);
  many_fini(&m);
}

/* A timer that sets itself anew from when it was due, not from when it came. */
enum { PERIOD_NS = 1000003, TICKS = 100000 };

static void tick(struct waiter *w) {
  struct timer *t = list_entry(w, struct timer, w);
  struct many *m = t->of;
  int64_t late = loop_now(&m->loop) - t->due_ns;
  assert_true(late >= 0 && late < PERIOD_NS);
  fake_net_advance(m->net, PERIOD_NS / 3); /* work takes time */
  if (++m->fired < TICKS) start(t, t->due_ns + PERIOD_NS);
}

static void a_periodic_timer_does_not_drift(void **state) {
  struct many m;
  many_init(&m, 1, tick);
  int64_t begin = loop_now(&m.loop);
  start(&m.timers[0], begin + PERIOD_NS);
  while (m.fired < TICKS) assert_true(loop_turn(&m.loop) >= 0);
  assert_int_equal(m.timers[0].due_ns, begin + (int64_t)TICKS * PERIOD_NS);
  many_fini(&m);
}

static void every_number_is_a_deadline(void **state) {
  static const int64_t past[] = {INT64_MIN, -1000, -2, 0, 1};
  static const int64_t future[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
  struct many m;
  many_init(&m, 8, note);
  for (int i = 0; i < 3; i++) start(&m.timers[5 + i], future[i]);
  for (int i = 0; i < 5; i++) start(&m.timers[i], past[i]);
  assert_int_equal(loop_turn(&m.loop), 5);
  assert_int_equal(m.loop.timers.count, 3);
  for (int i = 0; i < 3; i++) loop_cancel(&m.loop, &m.timers[5 + i].w);
  many_fini(&m);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_million_keys_come_out_in_exact_order),
      cmocka_unit_test(a_million_timers_fire_in_exact_order_and_never_early),
      cmocka_unit_test(a_periodic_timer_does_not_drift),
      cmocka_unit_test(every_number_is_a_deadline),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
