/* Responses: what is read, where their bodies end, and what the lenient flag lets pass. */
#include "proto/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/http1_ways.h"

static struct ways w;

static void take(enum ways_kind kind, const char *text) {
  ssize_t r = ways_check(&w, kind, text, strlen(text));
  if (r != (ssize_t)strlen(text)) fail_msg("%s: %zd, %s", text, r, http1_rule(r)->name);
}

static void refuse(enum ways_kind kind, const char *text, enum http1_rule rule) {
  ssize_t r = ways_check(&w, kind, text, strlen(text));
  if (r != -(ssize_t)rule) fail_msg("%s: %zd, %s", text, r, http1_rule(r)->name);
}

static void a_status_line_is_read(void **state) {
  const char *text = "HTTP/1.1 404 Not  Found\xe9\r\nA: b\r\n\r\n";
  take(WAYS_RESPONSE, text);
  assert_int_equal(w.head.status, 404);
  assert_int_equal(w.head.minor, 1);
  assert_int_equal(w.head.reason.len, 11);
  assert_memory_equal(text + w.head.reason.at, "Not  Found\xe9", 11);
  take(WAYS_RESPONSE, "HTTP/1.0 999 \r\n\r\n");
  assert_int_equal(w.head.status, 999);
  assert_int_equal(w.head.reason.len, 0);
  take(WAYS_RESPONSE, "HTTP/1.1 200\r\n\r\n"); /* without the space of 9112 4 */
  assert_int_equal(w.head.reason.len, 0);
}

static void a_bad_status_line_is_refused(void **state) {
  static const struct {
    enum http1_rule rule;
    const char *line;
  } rows[] = {
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1"        },
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1 "       },
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1 20"     },
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1 2000 OK"},
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1 099 OK" },
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1 +20 OK" },
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1  200 OK"},
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1\t200 OK"},
      {HTTP1_BAD_STATUS_LINE,     "HTTP/1.1 200\tOK"},
      {HTTP1_BAD_STATUS_LINE,     "OK"              },
      {HTTP1_BAD_STATUS_LINE,     ""                },
      {HTTP1_BAD_VERSION,         "SSH-2.0-OpenSSH" },
      {HTTP1_BAD_VERSION,         "HTTP/1. 1200 OK" },
      {HTTP1_BAD_VERSION_UNKNOWN, "HTTP/2.0 200 OK" },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[100];
    snprintf(text, sizeof text, "%s\r\nA: b\r\n\r\n", rows[i].line);
    refuse(WAYS_RESPONSE, text, rows[i].rule);
    refuse(WAYS_LENIENT, text, rows[i].rule);
  }
}

/* RFC 9112 section 6.3, in its order. */
static void the_body_ends_where_the_standard_says(void **state) {
  static const struct {
    enum http1_method asked;
    int status;
    const char *fields;
    enum http1_body body;
    bool keep_alive;
  } rows[] = {
      {HTTP1_HEAD,    200, "Content-Length: 9\r\n",                      HTTP1_BODY_NONE,    true },
      {HTTP1_HEAD,    200, "Transfer-Encoding: chunked\r\n",             HTTP1_BODY_NONE,    true },
      {HTTP1_GET,     100, "",                                           HTTP1_BODY_NONE,    true },
      {HTTP1_GET,     103, "Link: a\r\n",                                HTTP1_BODY_NONE,    true },
      {HTTP1_GET,     204, "Content-Length: 9\r\n",                      HTTP1_BODY_NONE,    true },
      {HTTP1_GET,     304, "Content-Length: 9\r\n",                      HTTP1_BODY_NONE,    true },
      {HTTP1_CONNECT, 200, "Content-Length: 9\r\n",                      HTTP1_BODY_NONE,    true },
      {HTTP1_CONNECT, 403, "Content-Length: 9\r\n",                      HTTP1_BODY_LENGTH,  true },
      {HTTP1_GET,     200, "Transfer-Encoding: chunked\r\n",             HTTP1_BODY_CHUNKED, true },
      {HTTP1_GET,     200, "Content-Length: 0\r\n",                      HTTP1_BODY_LENGTH,  true },
      {HTTP1_GET,     200, "Content-Length: 9\r\nConnection: close\r\n", HTTP1_BODY_LENGTH,
       false                                                                                      },
      {HTTP1_GET,     200, "",                                           HTTP1_BODY_CLOSE,   false},
      {HTTP1_POST,    500, "Connection: keep-alive\r\n",                 HTTP1_BODY_CLOSE,   false},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[150];
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d x\r\n%s\r\n", rows[i].status,
                     rows[i].fields);
    assert_int_equal(ways_parse(&w, WAYS_RESPONSE, rows[i].asked, text, (size_t)n), n);
    assert_int_equal(w.head.body, rows[i].body);
    assert_int_equal(w.head.keep_alive, rows[i].keep_alive);
  }
}

static void framing_that_two_readers_may_take_in_two_ways_is_refused(void **state) {
  static const struct {
    enum http1_rule rule;
    const char *text;
  } rows[] = {
      {HTTP1_BAD_LENGTH_AND_CODING,
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"        },
      {HTTP1_BAD_LENGTH_TWICE,
       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"                 },
      {HTTP1_BAD_CODING_UNKNOWN,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"                       },
      {HTTP1_BAD_CODING_OLD,        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {HTTP1_BAD_BARE_CR,           "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 1\r\n\r\n"   },
      {HTTP1_BAD_FOLD,              "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"                },
      {HTTP1_BAD_FIELD_NAME,        "HTTP/1.1 200 OK\r\n: b\r\n\r\n"                       },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    refuse(WAYS_RESPONSE, rows[i].text, rows[i].rule);
    refuse(WAYS_LENIENT, rows[i].text, rows[i].rule);
  }
}

static void the_lenient_flag_lets_three_faults_pass(void **state) {
  static const struct {
    enum http1_rule rule; /* without the flag */
    const char *text;
  } rows[] = {
      {HTTP1_BAD_BARE_LF,      "HTTP/1.1 200 OK\nContent-Length: 5\r\n\n"       },
      {HTTP1_BAD_FIELD_COLON,  "HTTP/1.1 200 OK\r\nContent-Length \t: 5\r\n\r\n"},
      {HTTP1_BAD_LENGTH_TWICE,
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n"     },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    refuse(WAYS_RESPONSE, rows[i].text, rows[i].rule);
    take(WAYS_LENIENT, rows[i].text);
    assert_int_equal(w.head.content_length, 5);
    assert_int_equal(w.fields[0].name.len, 14);
  }
}

static void requests_are_never_read_leniently(void **state) {
  static const char text[] = "GET / HTTP/1.1\nHost: a\r\n\r\n";
  static const struct http1_limits limits = {100, 100, true};
  http1_head_init(&w.head, w.fields, WAYS_FIELDS);
  assert_int_equal(http1_request(&w.head, &limits, text, sizeof text - 1),
                   -HTTP1_BAD_BARE_LF);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_status_line_is_read),
      cmocka_unit_test(a_bad_status_line_is_refused),
      cmocka_unit_test(the_body_ends_where_the_standard_says),
      cmocka_unit_test(framing_that_two_readers_may_take_in_two_ways_is_refused),
      cmocka_unit_test(the_lenient_flag_lets_three_faults_pass),
      cmocka_unit_test(requests_are_never_read_leniently),
  };
  return cmocka_run_group_tests(tests, ways_set_up, ways_tear_down);
}
