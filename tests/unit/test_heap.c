/* The heap of timers, and the tables that handles index. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/rng.h"
#include "base/table.h"
#include "support/seed.h"

/* --- heap --- */

static struct heap_node *pop(struct heap *h) {
  struct heap_node *first = heap_first(h);
  if (first) heap_remove(h, first);
  return first;
}

static void heap_gives_equal_keys_in_the_order_of_insertion(void **state) {
  struct heap h;
  struct heap_node nodes[100] = {0};
  heap_init(&h);
  for (int i = 0; i < 100; i++) assert_int_equal(heap_insert(&h, &nodes[i], i % 3), 0);
  for (int key = 0; key < 3; key++) {
    for (int i = key; i < 100; i += 3) assert_ptr_equal(pop(&h), &nodes[i]);
  }
  assert_null(heap_first(&h));
  heap_fini(&h);
}

static void heap_keeps_that_order_when_its_count_wraps(void **state) {
  struct heap h;
  struct heap_node nodes[8] = {0};
  heap_init(&h);
  h.seq = UINT32_MAX - 3;
  for (int i = 0; i < 8; i++) heap_insert(&h, &nodes[i], 5);
  for (int i = 0; i < 8; i++) assert_ptr_equal(pop(&h), &nodes[i]);
  heap_fini(&h);
}

static void heap_orders_keys_over_the_whole_range(void **state) {
  static const int64_t keys[] = {INT64_MAX, 0, INT64_MIN, -1, 1};
  struct heap h;
  struct heap_node nodes[5] = {0};
  heap_init(&h);
  for (int i = 0; i < 5; i++) heap_insert(&h, &nodes[i], keys[i]);
  assert_int_equal(pop(&h)->key, INT64_MIN);
  assert_int_equal(pop(&h)->key, -1);
  assert_int_equal(pop(&h)->key, 0);
  assert_int_equal(pop(&h)->key, 1);
  assert_int_equal(pop(&h)->key, INT64_MAX);
  heap_fini(&h);
}

static void heap_removal_of_a_node_that_is_in_none_is_harmless(void **state) {
  struct heap h;
  struct heap_node a = {0}, b = {0};
  heap_init(&h);
  heap_remove(&h, &a);
  heap_insert(&h, &a, 1);
  heap_remove(&h, &b);
  assert_true(heap_holds(&a));
  assert_false(heap_holds(&b));
  heap_remove(&h, &a);
  heap_remove(&h, &a);
  assert_false(heap_holds(&a));
  assert_null(heap_first(&h));
  heap_fini(&h);
}

/* Removing a leaf of one branch can put the last node of another above its new parent. */
static void heap_moves_the_filling_node_up_where_it_belongs(void **state) {
  static const int64_t keys[] = {0, 100, 1, 101, 102, 2, 3};
  struct heap h;
  struct heap_node nodes[7] = {0};
  heap_init(&h);
  for (int i = 0; i < 7; i++) heap_insert(&h, &nodes[i], keys[i]);
  heap_remove(&h, &nodes[3]);
  static const int64_t rest[] = {0, 1, 2, 3, 100, 102};
  for (int i = 0; i < 6; i++) assert_int_equal(pop(&h)->key, rest[i]);
  heap_fini(&h);
}

enum { HEAP_NODES = 200, HEAP_STEPS = 20000 };

/* What heap_first must give, by looking at every node. */
static struct heap_node *first_by_search(struct heap_node *nodes, const int *order) {
  struct heap_node *first = NULL;
  for (int i = 0; i < HEAP_NODES; i++) {
    struct heap_node *n = &nodes[i];
    if (!heap_holds(n)) continue;
    if (!first || n->key < first->key ||
        (n->key == first->key && order[i] < order[first - nodes]))
      first = n;
  }
  return first;
}

static void heap_agrees_with_a_search_after_any_steps(void **state) {
  struct rng rng;
  struct heap h;
  struct heap_node nodes[HEAP_NODES] = {0};
  int order[HEAP_NODES] = {0};
  rng_init(&rng, seed_get());
  heap_init(&h);
  for (int step = 1; step <= HEAP_STEPS; step++) {
    uint64_t i = rng_below(&rng, HEAP_NODES);
    if (heap_holds(&nodes[i])) {
      heap_remove(&h, rng_below(&rng, 2) ? &nodes[i] : heap_first(&h));
    } else {
      heap_insert(&h, &nodes[i], (int64_t)rng_below(&rng, 50) - 25);
      order[i] = step;
    }
    assert_ptr_equal(heap_first(&h), first_by_search(nodes, order));
  }
  heap_fini(&h);
}

/* --- table --- */

static void table_rows_begin_as_zeros_and_keep_what_they_hold(void **state) {
  size_t count = 0;
  int *rows = NULL;
  for (size_t i = 0; i < 100000; i = i * 3 + 1) {
    rows = table_reach(rows, &count, sizeof *rows, i);
    assert_non_null(rows);
    assert_true(count > i);
    assert_int_equal(rows[i], 0);
    rows[i] = (int)i + 1;
  }
  for (size_t i = 0; i < 100000; i = i * 3 + 1) assert_int_equal(rows[i], i + 1);
  assert_ptr_equal(table_reach(rows, &count, sizeof *rows, 5), rows);
  table_free(rows, count, sizeof *rows);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(heap_gives_equal_keys_in_the_order_of_insertion),
    cmocka_unit_test(heap_keeps_that_order_when_its_count_wraps),
    cmocka_unit_test(heap_orders_keys_over_the_whole_range),
    cmocka_unit_test(heap_removal_of_a_node_that_is_in_none_is_harmless),
    cmocka_unit_test(heap_moves_the_filling_node_up_where_it_belongs),
    cmocka_unit_test(heap_agrees_with_a_search_after_any_steps),
    cmocka_unit_test(table_rows_begin_as_zeros_and_keep_what_they_hold),
};

int main(void) {
  seed_get();
  return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
