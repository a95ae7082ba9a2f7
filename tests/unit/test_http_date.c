/* Dates of HTTP, compared to the C library's calendar. */
#include "proto/http_date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "support/edge.h"

static int64_t read_date(const char *text, int64_t now) {
  int64_t time = -1;
  size_t len = strlen(text);
  int r = http_date_parse(edge_bytes(text, len), len, now, &time);
  if (r < 0) fail_msg("%s was refused", text);
  return time;
}

static void the_three_forms_mean_one_time(void **state) {
  const int64_t now = 784111777;
  assert_int_equal(read_date("Sun, 06 Nov 1994 08:49:37 GMT", now), now);
  assert_int_equal(read_date("Sunday, 06-Nov-94 08:49:37 GMT", now), now);
  assert_int_equal(read_date("Sun Nov  6 08:49:37 1994", now), now);
  assert_int_equal(read_date("Sun Nov 16 08:49:37 1994", now), now + 10 * 86400);
}

/* RFC 9110 section 5.6.7. */
static void two_digits_are_never_more_than_50_years_ahead(void **state) {
  const int64_t in_2026 = 1790000000;
  assert_int_equal(read_date("Friday, 31-Jul-76 00:00:00 GMT", in_2026),
                   read_date("Fri, 31 Jul 2076 00:00:00 GMT", 0));
  assert_int_equal(read_date("Sunday, 31-Jul-77 00:00:00 GMT", in_2026),
                   read_date("Sun, 31 Jul 1977 00:00:00 GMT", 0));
}

static void every_time_is_what_the_c_library_says(void **state) {
  const int64_t first = -62167219200, last = 253402300799;
  for (int i = 0; i < 20000; i++) {
    char mine[HTTP_DATE_LEN + 1], theirs[64];
    int64_t time = first + (int64_t)rng_below(&edge_rng, (uint64_t)(last - first + 1));
    if (i == 0) time = first;
    if (i == 1) time = last;
    time_t t = (time_t)time;
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(theirs, sizeof theirs, "%a, %d %b 0000 %H:%M:%S GMT", &tm);
    for (int k = 0, year = tm.tm_year + 1900; k < 4; k++, year /= 10)
      theirs[15 - k] = (char)('0' + year % 10);
    http_date_format(time, mine);
    assert_string_equal(mine, theirs);
    assert_int_equal(read_date(mine, 0), time);
  }
}

static void times_outside_are_moved_inside(void **state) {
  char out[HTTP_DATE_LEN + 1];
  http_date_format(INT64_MIN, out);
  assert_string_equal(out, "Sat, 01 Jan 0000 00:00:00 GMT");
  http_date_format(INT64_MAX, out);
  assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void what_is_no_date_is_refused(void **state) {
  static const char *const rows[] = {
      "",
      "Sun",
      "Sun, 06 Nov 1994 08:49:37",
      "Sun, 06 Nov 1994 08:49:37 UTC",
      "Sun, 06 Nov 1994 08:49:37 GMT ",
      " Sun, 06 Nov 1994 08:49:37 GMT",
      "sun, 06 nov 1994 08:49:37 gmt",
      "Son, 06 Nov 1994 08:49:37 GMT",
      "Sun, 6 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 94 08:49:37 GMT",
      "Sun, 06 Nov +994 08:49:37 GMT",
      "Sun, 00 Nov 1994 08:49:37 GMT",
      "Sun, 31 Nov 1994 08:49:37 GMT",
      "Wed, 29 Feb 1995 08:49:37 GMT",
      "Thu, 29 Feb 1900 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:00:00 GMT",
      "Sun, 06 Nov 1994 08:60:00 GMT",
      "Sun, 06 Nov 1994 08:49:61 GMT",
      "Sunday, 06-Nov-1994 08:49:37 GMT",
      "Sunday 06-Nov-94 08:49:37 GMT",
      "Sun Nov 6 08:49:37 1994",
      "Sun Nov 06 08:49:37 1994 GMT",
      "784111777",
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    int64_t time = 42;
    size_t len = strlen(rows[i]);
    const char *text = edge_bytes(rows[i], len);
    if (http_date_parse(text, len, 0, &time) == 0) fail_msg("%s was taken", rows[i]);
    assert_int_equal(time, 42);
  }
}

static void leap_days_and_leap_seconds_are_taken(void **state) {
  assert_int_equal(read_date("Tue, 29 Feb 2000 00:00:00 GMT", 0), 951782400);
  assert_int_equal(read_date("Sat, 31 Dec 2016 23:59:60 GMT", 0), 1483228800);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_three_forms_mean_one_time),
      cmocka_unit_test(two_digits_are_never_more_than_50_years_ahead),
      cmocka_unit_test(every_time_is_what_the_c_library_says),
      cmocka_unit_test(times_outside_are_moved_inside),
      cmocka_unit_test(what_is_no_date_is_refused),
      cmocka_unit_test(leap_days_and_leap_seconds_are_taken),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
