/* Requests that are refused, each with its RFC section and the status that a server
 * answers. Every input arrives in every way that bytes can (support/http1_ways.h). */
#include "proto/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/http1_ways.h"

#define BYTES(text) text, sizeof(text) - 1

/* ---- what is refused ---- */

struct bad {
  const char *section;
  int status;
  enum http1_rule rule;
  const char *text;
  size_t len;
};

#define BAD(section, status, rule, text) \
  { section, status, HTTP1_BAD_##rule, BYTES(text) }
/* A bad line behind a good beginning. */
#define FIELD(section, status, rule, text) \
  BAD(section, status, rule, "GET / HTTP/1.1\r\nHost: a\r\n" text "\r\n\r\n")
#define HOSTS(section, status, rule, text) \
  BAD(section, status, rule, "GET / HTTP/1.1\r\n" text "\r\n\r\n")

static void assert_refused(const struct bad *row) {
  struct ways w;
  ssize_t r = ways_check(&w, WAYS_REQUEST, row->text, row->len);
  const struct http1_rule_row *rule = http1_rule(r);
  if (r != -(ssize_t)row->rule)
    fail_msg("%.*s: %zd, %s", (int)row->len, row->text, r, rule->name);
  assert_string_equal(rule->section, row->section);
  assert_int_equal(rule->status, row->status);
  assert_true(w.head.bad_at <= row->len);
}

#define REFUSED(rows) \
  for (size_t i = 0; i < sizeof(rows) / sizeof *(rows); i++) assert_refused(&(rows)[i])

static void two_ways_to_tell_the_body_are_refused(void **state) {
  static const struct bad rows[] = {
      FIELD("9112 6.1", 400, LENGTH_AND_CODING,
            "Content-Length: 5\r\nTransfer-Encoding: chunked"),
      FIELD("9112 6.1", 400, LENGTH_AND_CODING,
            "Transfer-Encoding: chunked\r\nContent-Length: 0"),
      FIELD("9112 6.3", 400, LENGTH_TWICE, "Content-Length: 5\r\nContent-Length: 5"),
      FIELD("9112 6.3", 400, LENGTH_TWICE, "Content-Length: 5\r\ncontent-length: 6"),
      FIELD("9112 6.1", 400, CODING_TWICE,
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
  };
  REFUSED(rows);
}

static void transfer_codings_other_than_chunked_are_refused(void **state) {
  static const struct bad rows[] = {
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: ,chunked"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: chunked,"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: chunked,chunked"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: chunked, gzip"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: \240chunked"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: xchunked"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: chunked;a=b"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: \"chunked\""),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding: identity"),
      FIELD("9112 6.3", 400, CODING, "Transfer-Encoding:"),
      FIELD("9112 6.1", 501, CODING_UNKNOWN, "Transfer-Encoding: gzip, chunked"),
      FIELD("9112 6.1", 501, CODING_UNKNOWN, "Transfer-Encoding: x;a=b , Chunked"),
      BAD("9112 6.1", 400, CODING_OLD,
          "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
  };
  REFUSED(rows);
}

static void lengths_are_digits_below_2_to_the_63(void **state) {
  static const struct bad rows[] = {
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: +5"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: -1"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 0x10"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 1_0"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 1 0"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length:"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 5,5"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 5.0"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 9223372036854775808"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 9999999999999999999"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 00000000000000000005"),
      FIELD("9112 6.3", 400, LENGTH, "Content-Length: 18446744073709551617"),
  };
  REFUSED(rows);
}

static void lines_end_with_cr_lf_and_hold_no_control_byte(void **state) {
  static const struct bad rows[] = {
      BAD("9112 2.2", 400, BARE_LF, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
      BAD("9112 2.2", 400, BARE_LF, "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
      FIELD("9112 2.2", 400, BARE_LF, "X: a\nY: b"),
      BAD("9112 2.2", 400, BARE_LF, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
      FIELD("9112 2.2", 400, BARE_CR, "X: a\rY: b"),
      FIELD("9112 2.2", 400, BARE_CR, "X: a\r\r"),
      BAD("9112 2.2", 400, BARE_CR, "GET / HTTP/1.1\r\rHost: a\r\n\r\n"),
      FIELD("9110 5.5", 400, CONTROL, "X: a\0b"),
      FIELD("9110 5.5", 400, CONTROL, "X: a\x7f"),
      FIELD("9110 5.5", 400, CONTROL, "X: a\x1b[31m"),
      FIELD("9110 5.5", 400, CONTROL, "X\0: a"),
      FIELD("9110 5.5", 400, CONTROL, "Transfer-Encoding: \vchunked"),
      BAD("9110 5.5", 400, CONTROL,
          "\x16\x03\x01\x02"
          "a TLS ClientHello"),
  };
  REFUSED(rows);
}

static void field_names_are_tokens_and_a_colon_follows_at_once(void **state) {
  static const struct bad rows[] = {
      FIELD("9112 5.1", 400, FIELD_COLON, "Content-Length : 5"),
      FIELD("9112 5.1", 400, FIELD_COLON, "X\t: 5"),
      FIELD("9112 5.1", 400, FIELD_COLON, "no colon"),
      FIELD("9112 5.1", 400, FIELD_COLON, "nothing"),
      FIELD("9112 5.1", 400, FIELD_NAME, ": empty"),
      FIELD("9112 5.1", 400, FIELD_NAME, "a(b): c"),
      FIELD("9112 5.1", 400, FIELD_NAME, "\303\251: c"),
      FIELD("9112 5.1", 400, FIELD_NAME, "\"a\": c"),
      FIELD("9112 5.2", 400, FOLD, "X: a\r\n b"),
      FIELD("9112 5.2", 400, FOLD, "X: a\r\n\tb"),
      FIELD("9112 5.2", 400, FOLD, " "),
      BAD("9112 5.2", 400, FOLD, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
  };
  REFUSED(rows);
}

static void request_lines_have_one_shape(void **state) {
  static const struct bad rows[] = {
      BAD("9112 2.3", 400, VERSION, "GET / HTTP/1.32\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET / HTTP/4294967295.255\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET / http/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET / HTTP/1,1\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 2.3", 400, VERSION, "GET / \r\nHost: a\r\n\r\n"),
      BAD("9110 2.5", 505, VERSION_UNKNOWN, "GET / HTTP/9.9\r\nHost: a\r\n\r\n"),
      BAD("9110 2.5", 505, VERSION_UNKNOWN, "GET / HTTP/0.9\r\n\r\n"),
      BAD("9110 2.5", 505, VERSION_UNKNOWN, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      BAD("9112 3", 400, REQUEST_LINE, "GET /\r\n"),
      BAD("9112 3", 400, REQUEST_LINE, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 3", 400, REQUEST_LINE, "GET\r\n"),
      BAD("9112 3.1", 400, METHOD, " GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 3.1", 400, METHOD, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 3.1", 400, METHOD, "G{T / HTTP/1.1\r\nHost: a\r\n\r\n"),
      BAD("9112 3.1", 400, METHOD, "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
  };
  REFUSED(rows);
}

static void targets_have_one_of_four_forms(void **state) {
#define TARGET(text) BAD("9112 3.2", 400, TARGET, text " HTTP/1.1\r\nHost: a\r\n\r\n")
  static const struct bad rows[] = {
      TARGET("GET ../secret"),
      TARGET("GET x"),
      TARGET("GET *"),
      TARGET("OPTIONS **"),
      TARGET("GET a:80"),
      TARGET("GET ?a"),
      TARGET("GET /\303\251"),
      TARGET("GET /a#b"),
      TARGET("GET /\"a\""),
      TARGET("GET /<a>"),
      TARGET("GET http:///a"),
      TARGET("GET http://"),
      TARGET("GET http://u:p@a/"),
      TARGET("GET http://a:99999/"),
      TARGET("GET http://a\\b/"),
      TARGET("GET ftp://a/"),
      TARGET("GET file:///etc/passwd"),
      TARGET("CONNECT /"),
      TARGET("CONNECT a"),
      TARGET("CONNECT :80"),
      TARGET("CONNECT http://a:80/"),
      TARGET("CONNECT a:80/"),
  };
  REFUSED(rows);
}

static void http_1_1_has_one_valid_host(void **state) {
  static const struct bad rows[] = {
      HOSTS("9112 3.2", 400, HOST_MISSING, "X: a"),
      BAD("9112 3.2", 400, HOST_MISSING, "GET http://a/ HTTP/1.1\r\n\r\n"),
      HOSTS("9112 3.2", 400, HOST_TWICE, "Host: a\r\nHost: a"),
      HOSTS("9112 3.2", 400, HOST_TWICE, "Host:\r\nhOST: b"),
      HOSTS("9112 3.2", 400, HOST, "Host: a b"),
      HOSTS("9112 3.2", 400, HOST, "Host: a/b"),
      HOSTS("9112 3.2", 400, HOST, "Host: u@a"),
      HOSTS("9112 3.2", 400, HOST, "Host: a:b"),
      HOSTS("9112 3.2", 400, HOST, "Host: a:-1"),
      HOSTS("9112 3.2", 400, HOST, "Host: a:65536"),
      HOSTS("9112 3.2", 400, HOST, "Host: a:80:80"),
      HOSTS("9112 3.2", 400, HOST, "Host: :80"),
      HOSTS("9112 3.2", 400, HOST, "Host: [::1"),
      HOSTS("9112 3.2", 400, HOST, "Host: [::1]x"),
      HOSTS("9112 3.2", 400, HOST, "Host: [::1%eth0]"),
      HOSTS("9112 3.2", 400, HOST, "Host: ::1"),
      HOSTS("9112 3.2", 400, HOST, "Host: a%zz"),
      HOSTS("9112 3.2", 400, HOST, "Host: \303\251"),
      HOSTS("9112 3.2", 400, HOST, "Host: \"a\""),
  };
  REFUSED(rows);
}

static void unknown_expectations_are_refused(void **state) {
  static const struct bad rows[] = {
      FIELD("9110 10.1.1", 417, EXPECT, "Expect: 200-ok"),
      FIELD("9110 10.1.1", 417, EXPECT, "Expect: 100-continue, x"),
      FIELD("9110 10.1.1", 417, EXPECT, "Expect:"),
  };
  REFUSED(rows);
}

/* ---- limits ---- */

/* Builds: `before`, `count` bytes of filling, `after`. */
static size_t fill(char *out, const char *before, size_t count, const char *after) {
  size_t n = strlen(before);
  memcpy(out, before, n);
  memset(out + n, 'x', count);
  memcpy(out + n + count, after, strlen(after));
  return n + count + strlen(after);
}

static void assert_rule(const char *text, size_t len, enum http1_rule rule, int status) {
  struct ways w;
  ssize_t r = ways_check(&w, WAYS_REQUEST, text, len);
  assert_string_equal(http1_rule(r)->name, http1_rule(rule)->name);
  if (rule) assert_int_equal(http1_rule(r)->status, status);
  if (!rule) assert_int_equal(r, len);
}

static void a_request_line_may_fill_its_limit_and_no_more(void **state) {
  char text[1024];
  const char *end = " HTTP/1.1\r\nHost: a\r\n\r\n";
  size_t most = WAYS_LINE_MAX - strlen("GET / HTTP/1.1");
  assert_rule(text, fill(text, "GET /", most, end), HTTP1_FINE, 0);
  assert_rule(text, fill(text, "GET /", most + 1, end), HTTP1_BAD_LINE_LONG, 414);
  assert_rule(text, fill(text, "GET /", 900, ""), HTTP1_BAD_LINE_LONG, 414);
  assert_rule(text, fill(text, "\r\nGET /", most, end), HTTP1_FINE, 0);
}

static void a_head_may_fill_its_limit_and_no_more(void **state) {
  char text[1024];
  const char *start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  size_t most = WAYS_HEAD_MAX - strlen(start) - 4;
  assert_rule(text, fill(text, start, most, "\r\n\r\n"), HTTP1_FINE, 0);
  assert_rule(text, fill(text, start, most + 1, "\r\n\r\n"), HTTP1_BAD_HEAD_LONG, 431);
  assert_rule(text, fill(text, start, 900, ""), HTTP1_BAD_HEAD_LONG, 431);
}

static void a_head_may_have_as_many_fields_as_there_is_room_for(void **state) {
  char text[1024];
  size_t n = fill(text, "GET / HTTP/1.1\r\nHost: a\r\n", 0, "");
  for (int i = 1; i < WAYS_FIELDS; i++) n += fill(text + n, "a: b\r\n", 0, "");
  assert_rule(text, n + fill(text + n, "\r\n", 0, ""), HTTP1_FINE, 0);
  assert_rule(text, n + fill(text + n, "c:\r\n\r\n", 0, ""), HTTP1_BAD_FIELDS_MANY, 431);
}

static void one_byte_at_a_time_costs_time_that_grows_with_the_bytes(void **state) {
  enum { LEN = 1 << 22 };
  static const struct http1_limits limits = {LEN, LEN, false};
  char *text = malloc(LEN);
  struct http1_field field;
  struct http1_head head;
  assert_non_null(text);
  memset(text, 'x', LEN);
  memcpy(text, "GET /", 5);
  http1_head_init(&head, &field, 1);
  /* Squared, these would be 10^13 bytes to look at. */
  for (size_t n = 0; n < LEN; n++)
    assert_int_equal(http1_request(&head, &limits, text, n), 0);
  free(text);
}

/* ---- main ---- */

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(two_ways_to_tell_the_body_are_refused),
      cmocka_unit_test(transfer_codings_other_than_chunked_are_refused),
      cmocka_unit_test(lengths_are_digits_below_2_to_the_63),
      cmocka_unit_test(lines_end_with_cr_lf_and_hold_no_control_byte),
      cmocka_unit_test(field_names_are_tokens_and_a_colon_follows_at_once),
      cmocka_unit_test(request_lines_have_one_shape),
      cmocka_unit_test(targets_have_one_of_four_forms),
      cmocka_unit_test(http_1_1_has_one_valid_host),
      cmocka_unit_test(unknown_expectations_are_refused),
      cmocka_unit_test(a_request_line_may_fill_its_limit_and_no_more),
      cmocka_unit_test(a_head_may_fill_its_limit_and_no_more),
      cmocka_unit_test(a_head_may_have_as_many_fields_as_there_is_room_for),
      cmocka_unit_test(one_byte_at_a_time_costs_time_that_grows_with_the_bytes),
  };
  return cmocka_run_group_tests(tests, ways_set_up, ways_tear_down);
}
