/* Trials: which of two ways goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/trial.h"

enum { RUN_IN = 1000, SETTLE = 100, WINDOW = 500, SLOW_NS = 60000 };

static const struct trial_plan plan = {RUN_IN, SETTLE, WINDOW, SLOW_NS};

/* Bytes that each way has moved, until the trial was over. */
struct course {
  size_t bytes[TRIAL_WAYS];
  int changes;
};

/* Moves 50 bytes at a time, each taking so many ns. */
static struct course course_of(struct trial *t, int usual_ns, int other_ns) {
  struct course c = {{0}, 0};
  while (t->runs) {
    enum trial_way way = t->way;
    c.bytes[way] += 50;
    trial_note(t, way, 50, 50 * (way == TRIAL_USUAL ? usual_ns : other_ns));
    c.changes += t->way != way;
  }
  return c;
}

static enum trial_way winner(int usual_ns, int other_ns) {
  struct trial t;
  trial_begin(&t, &plan);
  course_of(&t, usual_ns, other_ns);
  return t.way;
}

static void the_faster_way_wins(void **state) {
  assert_int_equal(winner(10, 5), TRIAL_OTHER);
  assert_int_equal(winner(5, 10), TRIAL_USUAL);
}

static void the_usual_way_stays_unless_the_other_is_clearly_faster(void **state) {
  assert_int_equal(winner(100, 100), TRIAL_USUAL);
  assert_int_equal(winner(104, 100), TRIAL_USUAL);
  assert_int_equal(winner(105, 100), TRIAL_OTHER);
}

static void both_ways_have_as_many_windows_in_turns(void **state) {
  struct trial t;
  trial_begin(&t, &plan);
  struct course c = course_of(&t, 1, 2);
  assert_int_equal(t.count[TRIAL_USUAL], TRIAL_WINDOWS);
  assert_int_equal(t.count[TRIAL_OTHER], TRIAL_WINDOWS);
  assert_int_equal(c.changes, TRIAL_WINDOWS + 1); /* the last is back to the usual way */
  assert_int_equal(c.bytes[TRIAL_USUAL], RUN_IN + 5 * WINDOW + 2 * SETTLE);
  assert_int_equal(c.bytes[TRIAL_OTHER], 5 * WINDOW + 3 * SETTLE);
}

/* Gives the windows costs; of each way, the n-th is what the array says. */
static enum trial_way winner_of(const int usual_ns[TRIAL_WINDOWS],
                                const int other_ns[TRIAL_WINDOWS]) {
  struct trial t;
  trial_begin(&t, &plan);
  while (t.runs) {
    const int *costs = t.way == TRIAL_USUAL ? usual_ns : other_ns;
    trial_note(&t, t.way, 50, (int64_t)50 * costs[t.count[t.way]]);
  }
  return t.way;
}

static void one_odd_window_of_either_way_decides_nothing(void **state) {
  assert_int_equal(winner_of((int[]){10, 10, 10, 2, 10}, (int[]){8, 8, 19, 8, 8}),
                   TRIAL_OTHER);
  assert_int_equal(winner_of((int[]){10, 10, 19, 10, 10}, (int[]){10, 3, 10, 10, 10}),
                   TRIAL_USUAL);
}

static void windows_that_differ_more_than_the_ways_do_decide_nothing(void **state) {
  assert_int_equal(winner_of((int[]){10, 6, 10, 7, 10}, (int[]){8, 8, 8, 8, 8}),
                   TRIAL_USUAL);
  assert_int_equal(winner_of((int[]){10, 10, 10, 10, 10}, (int[]){8, 12, 8, 12, 8}),
                   TRIAL_USUAL);
}

static void slow_windows_end_it_for_the_usual_way(void **state) {
  struct trial t;
  trial_begin(&t, &plan);
  struct course c = course_of(&t, 150, 10); /* the network's pace: 75,000 ns a window */
  assert_int_equal(t.way, TRIAL_USUAL);
  assert_int_equal(c.bytes[TRIAL_OTHER], 0);
  assert_int_equal(winner(1, 150), TRIAL_USUAL);
}

static void a_window_that_was_slow_once_is_begun_again(void **state) {
  struct trial t;
  trial_begin(&t, &plan);
  trial_note(&t, TRIAL_USUAL, RUN_IN, 1);
  trial_note(&t, TRIAL_USUAL, WINDOW - 1, SLOW_NS + 1);
  trial_note(&t, TRIAL_USUAL, WINDOW - 1, SLOW_NS);
  assert_int_equal(t.way, TRIAL_USUAL);
  trial_note(&t, TRIAL_USUAL, 1, 0);
  assert_int_equal(t.way, TRIAL_OTHER);
  trial_note(&t, TRIAL_OTHER, SETTLE, 1);
  trial_note(&t, TRIAL_OTHER, WINDOW, SLOW_NS + 1);
  assert_int_equal(t.way, TRIAL_OTHER);
  assert_int_equal(t.count[TRIAL_OTHER], 0);
  course_of(&t, 10, 5);
  assert_int_equal(t.way, TRIAL_OTHER);
  trial_begin(&t, &plan);
  trial_note(&t, TRIAL_USUAL, RUN_IN, 1);
  for (int i = 0; i < TRIAL_SLOW; i++) {
    assert_true(t.runs);
    trial_note(&t, TRIAL_USUAL, WINDOW, SLOW_NS + 1);
  }
  assert_false(t.runs);
}

static void time_without_bytes_counts(void **state) {
  struct trial t;
  trial_begin(&t, &plan);
  trial_note(&t, TRIAL_USUAL, RUN_IN, 1);
  trial_note(&t, TRIAL_USUAL, 10, 10);
  trial_note(&t, TRIAL_USUAL, 0, SLOW_NS - 10);
  assert_int_equal(t.slow, 0);
  trial_note(&t, TRIAL_USUAL, 0, 1);
  assert_int_equal(t.slow, 1);
}

static void what_moves_by_the_way_before_does_not_count(void **state) {
  struct trial t;
  trial_begin(&t, &plan);
  trial_note(&t, TRIAL_USUAL, RUN_IN, 1);
  trial_note(&t, TRIAL_USUAL, WINDOW, 1);
  assert_int_equal(t.way, TRIAL_OTHER);
  trial_note(&t, TRIAL_USUAL, 10 * WINDOW, 10 * SLOW_NS); /* what lay in its pipe */
  assert_true(t.runs);
  assert_int_equal(t.skip_bytes, SETTLE);
  trial_note(&t, TRIAL_OTHER, SETTLE - 1, 10 * SLOW_NS);
  trial_note(&t, TRIAL_OTHER, 10, 10 * SLOW_NS);
  assert_true(t.runs);
  assert_int_equal(t.bytes, 0);
}

static void one_that_is_ended_goes_on_with_the_usual_way(void **state) {
  struct trial t;
  trial_begin(&t, &plan);
  trial_note(&t, TRIAL_USUAL, RUN_IN, 1);
  trial_note(&t, TRIAL_USUAL, WINDOW, 1);
  assert_int_equal(t.way, TRIAL_OTHER);
  trial_end(&t);
  assert_int_equal(t.way, TRIAL_USUAL);
  trial_note(&t, TRIAL_USUAL, WINDOW, 1);
  assert_int_equal(t.way, TRIAL_USUAL);
}

int main(void) {
  const struct CMUnitTest ways[] = {
      cmocka_unit_test(the_faster_way_wins),
      cmocka_unit_test(the_usual_way_stays_unless_the_other_is_clearly_faster),
      cmocka_unit_test(both_ways_have_as_many_windows_in_turns),
      cmocka_unit_test(one_odd_window_of_either_way_decides_nothing),
      cmocka_unit_test(windows_that_differ_more_than_the_ways_do_decide_nothing),
      cmocka_unit_test(slow_windows_end_it_for_the_usual_way),
      cmocka_unit_test(a_window_that_was_slow_once_is_begun_again),
      cmocka_unit_test(time_without_bytes_counts),
      cmocka_unit_test(what_moves_by_the_way_before_does_not_count),
      cmocka_unit_test(one_that_is_ended_goes_on_with_the_usual_way),
  };
  return cmocka_run_group_tests(ways, NULL, NULL);
}
