/* Lines of the access log. */
#include "proto/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
  log_line_stamp(784111777, out);
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
      cmocka_unit_test(escape_reads_no_byte_beyond_the_text),
  };
  return cmocka_run_group_tests_name("log_line", tests, edge_set_up, edge_tear_down);
}
