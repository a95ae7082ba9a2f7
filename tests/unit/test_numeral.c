/* Numerals: how far Lua's file:read("n") reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/numeral.h"

static void expect(const char *text, size_t length) {
  assert_int_equal(numeral_length(text, strlen(text)), length);
}

static void a_numeral_ends_where_lua_would_end_it(void **state) {
  (void)state;
  expect("12 rest", 2);
  expect("-12.5e+3x", 8);
  expect("+.5", 3);
  expect("0x1Fg", 4);
  expect("0x.8p-1z", 7);
  expect("1e5.5", 3);
  expect("1..2", 2);
  expect("007", 3);
}

static void what_only_begins_like_a_numeral_is_taken_too(void **state) {
  (void)state;
  expect("-x", 1);
  expect("0xg", 2);
  expect(".e5", 1);
  expect("1e+", 3);
}

static void what_is_no_numeral_has_no_length(void **state) {
  (void)state;
  expect("", 0);
  expect("abc", 0);
  expect("e5", 0);
  assert_int_equal(numeral_length("\0001", 2), 0);
}

static void a_numeral_is_cut_at_its_limit(void **state) {
  char text[300];
  (void)state;
  memset(text, '1', sizeof text);
  assert_int_equal(numeral_length(text, sizeof text), NUMERAL_MAX_BYTES);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_numeral_ends_where_lua_would_end_it),
      cmocka_unit_test(what_only_begins_like_a_numeral_is_taken_too),
      cmocka_unit_test(what_is_no_numeral_has_no_length),
      cmocka_unit_test(a_numeral_is_cut_at_its_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
