/* Lines of the access log. */
#include "proto/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/edge.h"

static const char stamp[] = "06/Nov/1994:08:49:37 +0000";

static struct log_line line_of(const char *host, const char *method, const char *target) {
  return (struct log_line){
      .host = host,
      .stamp = stamp,
      .method = method,
      .method_len = method ? strlen(method) : 0,
      .target = target,
      .target_len = target ? strlen(target) : 0,
      .minor = 1,
      .status = 200,
      .bytes = 5,
  };
}

static void check(const struct log_line *l, const char *expected) {
  char out[4096];
  size_t max = log_line_max(l);
  assert_in_range(max, 1, sizeof out);
  size_t n = log_line_common(l, out);
  assert_in_range(n, 1, max);
  out[n] = '\0';
  assert_string_equal(out, expected);
}

static void a_stamp_is_apaches(void **state) {
  char out[LOG_LINE_STAMP + 1];
  log_line_stamp(784111777, false, out);
  assert_string_equal(out, stamp);
}

static void a_line_tells_who_asked_for_what(void **state) {
  struct log_line l = line_of("192.0.2.7", "GET", "/a?b=c");
  check(&l, "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.1\" 200 5\n");
  l.minor = 0;
  l.status = 304;
  l.bytes = 0;
  check(&l, "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.0\" 304 -\n");
  l.bytes = UINT64_MAX;
  check(&l, "192.0.2.7 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b=c HTTP/1.0\" 304 "
            "18446744073709551615\n");
}

static void what_is_not_known_is_a_dash(void **state) {
  struct log_line l = line_of("", NULL, NULL);
  l.status = 400;
  check(&l, "- - - [06/Nov/1994:08:49:37 +0000] \"-\" 400 5\n");
}

static void what_a_client_sent_cannot_be_another_line(void **state) {
  struct log_line l = line_of("::1", "G\"T", "/\\\n\x1b[1m\xc3\xa7\x7f");
  check(&l, "::1 - - [06/Nov/1994:08:49:37 +0000] \"G\\x22T "
            "/\\x5c\\x0a\\x1b[1m\\xc3\\xa7\\x7f HTTP/1.1\" 200 5\n");
}

static void check_json(const struct log_line *l, const char *expected) {
  char out[4096];
  size_t max = log_line_max(l);
  assert_in_range(max, 1, sizeof out);
  size_t n = log_line_json(l, out);
  assert_in_range(n, 1, max);
  out[n] = '\0';
  assert_string_equal(out, expected);
}

static void a_line_of_json_tells_the_same_and_how_long_it_took(void **state) {
  char time[LOG_LINE_STAMP + 1];
  log_line_stamp(784111777, true, time);
  struct log_line l = line_of("192.0.2.7:80", "GET", "/a?b=c");
  l.stamp = time;
  l.micros = 12000345;
  check_json(&l, "{\"time\":\"1994-11-06T08:49:37Z\",\"peer\":\"192.0.2.7:80\","
                 "\"method\":\"GET\",\"target\":\"/a?b=c\",\"version\":\"1.1\","
                 "\"status\":200,\"bytes\":5,\"seconds\":12.000345}\n");
  l.micros = -1;
  l.more = ",\"x\":1";
  l.more_len = 6;
  check_json(&l, "{\"time\":\"1994-11-06T08:49:37Z\",\"peer\":\"192.0.2.7:80\","
                 "\"method\":\"GET\",\"target\":\"/a?b=c\",\"version\":\"1.1\","
                 "\"status\":200,\"bytes\":5,\"x\":1}\n");
}

static void json_leaves_out_what_is_not_known(void **state) {
  struct log_line l = line_of("", NULL, NULL);
  l.stamp = "t";
  l.status = 400;
  check_json(&l, "{\"time\":\"t\",\"status\":400,\"bytes\":5}\n");
}

static void a_json_stamp_knows_every_month(void **state) {
  char out[LOG_LINE_STAMP + 1];
  for (int month = 1; month <= 12; month++) {
    char expected[LOG_LINE_STAMP + 1];
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t day = 0;
    for (int i = 1; i < month; i++) day += days[i - 1];
    log_line_stamp(day * 86400, true, out);
    snprintf(expected, sizeof expected, "1970-%02u-01T00:00:00Z", (unsigned)month % 13);
    assert_string_equal(out, expected);
  }
}

static void check_member(const char *text, size_t len, const char *expected) {
  char out[512];
  size_t n = log_line_member("x", edge_bytes(text, len), len, out);
  assert_in_range(n, 1, log_line_member_max("x", len));
  out[n] = '\0';
  assert_string_equal(out, expected);
}

static void a_member_is_escaped_as_json_or_as_bytes(void **state) {
#define MEMBER(text, expected) check_member(text, sizeof text - 1, expected)
  MEMBER("", ",\"x\":\"\"");
  MEMBER("a\"b\\\n\x7f/", ",\"x\":\"a\\\"b\\\\\\u000a\\u007f/\"");
  MEMBER("\xc3\xa7\xe2\x82\xac\xf0\x9f\x98\x80",
         ",\"x\":\"\xc3\xa7\xe2\x82\xac\xf0\x9f\x98\x80\"");
  MEMBER("\xff\"\\\n", ",\"x\":\"\\\\xff\\\\x22\\\\x5c\\\\x0a\"");
  static const char *const no_text[] = {
      "\x80",
      "\xc1\xbf",
      "\xc3",
      "\xe0\x9f\xbf",
      "\xed\xa0\x80",
      "\xe2\x82",
      "\xf0\x8f\xbf\xbf",
      "\xf4\x90\x80\x80",
      "\xf5\x80\x80\x80",
      "\xe2\x28\xa1",
  };
  for (size_t i = 0; i < sizeof no_text / sizeof *no_text; i++) {
    char out[512];
    size_t n = log_line_member("x", no_text[i], strlen(no_text[i]), out);
    for (size_t k = 0; k < n; k++) assert_in_range(out[k], 0x20, 0x7e);
  }
#undef MEMBER
}

static void escape_reads_no_byte_beyond_the_text(void **state) {
  char text[300], out[4 * sizeof text];
  for (size_t len = 0; len <= sizeof text; len++) {
    memset(text, len % 2 ? '\n' : 'a', sizeof text);
    size_t n = log_line_escape(edge_bytes(text, len), len, out);
    assert_int_equal(n, len % 2 ? 4 * len : len);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_stamp_is_apaches),
      cmocka_unit_test(a_line_tells_who_asked_for_what),
      cmocka_unit_test(what_is_not_known_is_a_dash),
      cmocka_unit_test(what_a_client_sent_cannot_be_another_line),
      cmocka_unit_test(a_line_of_json_tells_the_same_and_how_long_it_took),
      cmocka_unit_test(json_leaves_out_what_is_not_known),
      cmocka_unit_test(a_json_stamp_knows_every_month),
      cmocka_unit_test(a_member_is_escaped_as_json_or_as_bytes),
      cmocka_unit_test(escape_reads_no_byte_beyond_the_text),
  };
  return cmocka_run_group_tests_name("log_line", tests, edge_set_up, edge_tear_down);
}
