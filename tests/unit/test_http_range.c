/* Ranges: what a Range field asks for of a thing of some size, and Content-Range. */
#include "proto/http_range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/edge.h"

static struct http_range ranges[HTTP_RANGE_MAX];

static int parse(const char *text, int64_t size) {
  size_t len = strlen(text);
  return http_range_parse(edge_bytes(text, len), len, size, ranges);
}

static void single_ranges_are_cut_to_the_size(void **state) {
  static const struct {
    const char *text;
    int64_t size, first, last;
  } rows[] = {
      {"bytes=0-0",                            1000,      0,             0            },
      {"bytes=0-499",                          1000,      0,             499          },
      {"BYTES=500-",                           1000,      500,           999          },
      {"bytes=-1",                             1000,      999,           999          },
      {"bytes=-2000",                          1000,      0,             999          },
      {"bytes=999-5000",                       1000,      999,           999          },
      {"bytes=0-9223372036854775807",          1000,      0,             999          },
      {"bytes=1-99999999999999999999999999",   1000,      1,             999          },
      {"bytes=-99999999999999999999999999",    1000,      0,             999          },
      {"bytes=0000000000000000000000000001-2", 1000,      1,             2            },
      {"bytes= , 1-2 ,",                       1000,      1,             2            },
      {"bytes=9223372036854775806-",           INT64_MAX, INT64_MAX - 1, INT64_MAX - 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (parse(rows[i].text, rows[i].size) != 1) fail_msg("%s", rows[i].text);
    assert_int_equal(ranges[0].first, rows[i].first);
    assert_int_equal(ranges[0].last, rows[i].last);
  }
}

static void several_ranges_keep_their_order(void **state) {
  assert_int_equal(parse("bytes=500-600,0-0,2000-,-1", 1000), 3);
  assert_int_equal(ranges[0].first, 500);
  assert_int_equal(ranges[1].first, 0);
  assert_int_equal(ranges[2].first, 999);
  assert_int_equal(http_range_total(ranges, 3), 101 + 1 + 1);
}

static void ranges_past_the_end_are_told_apart_from_bad_ones(void **state) {
  static const struct {
    const char *text;
    int64_t size;
    int want;
  } rows[] = {
      {"bytes=1000-",                 1000,      HTTP_RANGE_PAST},
      {"bytes=1000-2000,5000-",       1000,      HTTP_RANGE_PAST},
      {"bytes=99999999999999999999-", INT64_MAX, HTTP_RANGE_PAST},
      {"bytes=-0",                    1000,      HTTP_RANGE_PAST},
      {"bytes=0-",                    0,         HTTP_RANGE_PAST},
      {"bytes=-5",                    0,         HTTP_RANGE_PAST},
      {"bytes=5-4",                   1000,      HTTP_RANGE_NONE},
      {"bytes=0-1,5-4",               1000,      HTTP_RANGE_NONE},
      {"bytes=",                      1000,      HTTP_RANGE_NONE},
      {"bytes=,",                     1000,      HTTP_RANGE_NONE},
      {"bytes=-",                     1000,      HTTP_RANGE_NONE},
      {"bytes=a-b",                   1000,      HTTP_RANGE_NONE},
      {"bytes=0",                     1000,      HTTP_RANGE_NONE},
      {"bytes=0-1-2",                 1000,      HTTP_RANGE_NONE},
      {"bytes=+0-1",                  1000,      HTTP_RANGE_NONE},
      {"bytes=0 - 1",                 1000,      HTTP_RANGE_NONE},
      {"bytes =0-1",                  1000,      HTTP_RANGE_NONE},
      {"bytes",                       1000,      HTTP_RANGE_NONE},
      {"lines=0-1",                   1000,      HTTP_RANGE_NONE},
      {"",                            1000,      HTTP_RANGE_NONE},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (parse(rows[i].text, rows[i].size) != rows[i].want) fail_msg("%s", rows[i].text);
}

static void more_than_16_ranges_are_ignored_as_a_whole(void **state) {
  char text[8 + 1000 * 3 + 1] = "bytes=";
  for (int i = 0; i < 1000; i++) {
    strcat(text, i ? ",0-" : "0-");
    assert_int_equal(parse(text, 1000), i < HTTP_RANGE_MAX ? i + 1 : HTTP_RANGE_NONE);
  }
}

static void sums_of_ranges_do_not_overflow(void **state) {
  assert_int_equal(parse("bytes=0-,0-,0-", INT64_MAX), 3);
  assert_int_equal(http_range_total(ranges, 3), INT64_MAX);
}

static void content_ranges_are_written_and_read(void **state) {
  char out[HTTP_RANGE_TEXT];
  struct http_range r = {0, 499};
  int64_t size;
  assert_int_equal(http_range_format(&r, 1234, out), strlen("bytes 0-499/1234"));
  assert_string_equal(out, "bytes 0-499/1234");
  http_range_format(NULL, 1234, out);
  assert_string_equal(out, "bytes */1234");
  r = (struct http_range){INT64_MAX - 1, INT64_MAX - 1};
  assert_true(http_range_format(&r, INT64_MAX, out) < HTTP_RANGE_TEXT);
  assert_int_equal(http_range_content(out, strlen(out), &r, &size), 0);
  assert_int_equal(r.last, INT64_MAX - 1);
  assert_int_equal(http_range_content("bytes 5-9/*", 11, &r, &size), 0);
  assert_int_equal(r.first, 5);
  assert_int_equal(size, -1);
}

static void bad_content_ranges_are_refused(void **state) {
  static const char *const rows[] = {
      "",
      "bytes",
      "bytes ",
      "bytes */10",
      "bytes 5-4/10",
      "bytes 0-10/10",
      "bytes 0-9/",
      "bytes 0-9",
      "bytes -9/10",
      "bytes 0-/10",
      "bytes 0-9/10 ",
      "bytes 0-9/**",
      "lines 0-9/10",
      "bytes 0-99999999999999999999/*",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct http_range r;
    int64_t size;
    size_t len = strlen(rows[i]);
    if (http_range_content(edge_bytes(rows[i], len), len, &r, &size) == 0)
      fail_msg("%s was taken", rows[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(single_ranges_are_cut_to_the_size),
      cmocka_unit_test(several_ranges_keep_their_order),
      cmocka_unit_test(ranges_past_the_end_are_told_apart_from_bad_ones),
      cmocka_unit_test(more_than_16_ranges_are_ignored_as_a_whole),
      cmocka_unit_test(sums_of_ranges_do_not_overflow),
      cmocka_unit_test(content_ranges_are_written_and_read),
      cmocka_unit_test(bad_content_ranges_are_refused),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
