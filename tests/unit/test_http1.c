/* Requests that are taken, and what they are read as; the parts that requests and
 * responses share. Every input arrives in every way that bytes can. */
#include "proto/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "proto/http1_scan.h"
#include "support/guard.h"
#include "support/http1_ways.h"
#include "support/seed.h"

#define BYTES(text) text, sizeof(text) - 1

/* ---- what is taken ---- */

static struct ways w;
static const char *text;

static void take(const char *request) {
  text = request;
  ssize_t r = ways_check(&w, WAYS_REQUEST, request, strlen(request));
  if (r != (ssize_t)strlen(request))
    fail_msg("%s: %zd, %s", request, r, http1_rule(r)->name);
}

static void assert_slice(struct slice s, const char *want) {
  assert_int_equal(s.len, strlen(want));
  assert_memory_equal(text + s.at, want, s.len);
}

static void a_request_is_read_into_slices(void **state) {
  take("POST /a/b?c=d?e HTTP/1.1\r\nHost: x.y:80\r\nX-A: \t 1 2\t\r\nCONTENT-length: "
       "007\r\n"
       "Empty:\r\n\r\n");
  assert_slice(w.head.method, "POST");
  assert_int_equal(w.head.method_id, HTTP1_POST);
  assert_slice(w.head.target, "/a/b?c=d?e");
  assert_slice(w.head.path, "/a/b");
  assert_slice(w.head.query, "c=d?e");
  assert_slice(w.head.host, "x.y:80");
  assert_int_equal(w.head.form, HTTP1_ORIGIN);
  assert_int_equal(w.head.minor, 1);
  assert_int_equal(w.head.body, HTTP1_BODY_LENGTH);
  assert_int_equal(w.head.content_length, 7);
  assert_true(w.head.keep_alive);
  assert_int_equal(w.head.field_count, 4);
  assert_slice(w.fields[1].name, "X-A");
  assert_slice(w.fields[1].value, "1 2");
  assert_int_equal(w.fields[1].id, HTTP1_FIELD_OTHER);
  assert_int_equal(w.fields[2].id, HTTP1_FIELD_CONTENT_LENGTH);
  assert_slice(w.fields[3].value, "");
}

static void targets_are_split_by_their_form(void **state) {
  static const struct {
    const char *line;
    enum http1_form form;
    const char *path, *query, *host;
  } rows[] = {
      {"GET /",                     HTTP1_ORIGIN,    "/",            "",         "h"        },
      {"GET //a",                   HTTP1_ORIGIN,    "//a",          "",         "h"        },
      {"GET /?",                    HTTP1_ORIGIN,    "/",            "",         "h"        },
      {"GET /[a]|{b}^`\\?[]{}|^\\", HTTP1_ORIGIN,    "/[a]|{b}^`\\", "[]{}|^\\", "h"        },
      {"GET http://a.b:8/c?d",      HTTP1_ABSOLUTE,  "/c",           "d",        "a.b:8"    },
      {"GET HTTPS://[::1]",         HTTP1_ABSOLUTE,  "",             "",         "[::1]"    },
      {"OPTIONS http://a?b",        HTTP1_ABSOLUTE,  "",             "b",        "a"        },
      {"OPTIONS *",                 HTTP1_ASTERISK,  "",             "",         "h"        },
      {"CONNECT a:443",             HTTP1_AUTHORITY, "",             "",         "a:443"    },
      {"CONNECT [::1]:443",         HTTP1_AUTHORITY, "",             "",         "[::1]:443"},
      {"X-ODD!#$%&'*+.^_`|~ /a",    HTTP1_ORIGIN,    "/a",           "",         "h"        },
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char request[200];
    snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: h\r\n\r\n", rows[i].line);
    take(request);
    assert_int_equal(w.head.form, rows[i].form);
    assert_slice(w.head.path, rows[i].path);
    assert_slice(w.head.query, rows[i].query);
    assert_slice(w.head.host, rows[i].host);
  }
}

static void a_query_that_is_empty_differs_from_none(void **state) {
  take("GET /? HTTP/1.1\r\nHost: a\r\n\r\n");
  assert_int_not_equal(w.head.query.at, 0);
  take("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert_int_equal(w.head.query.at, 0);
}

static void what_fields_say_is_worked_out(void **state) {
  static const struct {
    const char *version, *fields;
    bool keep_alive, upgrade, expect;
    enum http1_body body;
  } rows[] = {
      {"1.1", "",                                                true,  false, false, HTTP1_BODY_NONE   },
      {"1.2", "",                                                true,  false, false, HTTP1_BODY_NONE   },
      {"1.1", "Connection: close\r\n",                           false, false, false, HTTP1_BODY_NONE   },
      {"1.1", "Connection: x, CLOSE ,y\r\n",                     false, false, false, HTTP1_BODY_NONE   },
      {"1.1", "Connection: closed\r\n",                          true,  false, false, HTTP1_BODY_NONE   },
      {"1.1", "Connection: keep-alive, close\r\n",               false, false, false, HTTP1_BODY_NONE   },
      {"1.0", "",                                                false, false, false, HTTP1_BODY_NONE   },
      {"1.0", "Connection: Keep-Alive\r\n",                      true,  false, false, HTTP1_BODY_NONE   },
      {"1.0", "Connection: keep-alive\r\nConnection: close\r\n", false, false, false,
       HTTP1_BODY_NONE                                                                                  },
      {"1.1", "Connection: Upgrade\r\nUpgrade: x\r\n",           true,  true,  false,
       HTTP1_BODY_NONE                                                                                  },
      {"1.1", "Upgrade: x\r\n",                                  true,  false, false, HTTP1_BODY_NONE   },
      {"1.0", "Connection: upgrade\r\nUpgrade: x\r\n",           false, false, false,
       HTTP1_BODY_NONE                                                                                  },
      {"1.1", "Expect: 100-Continue\r\n",                        true,  false, true,  HTTP1_BODY_NONE   },
      {"1.0", "Expect: 100-continue\r\n",                        false, false, false, HTTP1_BODY_NONE   },
      {"1.0", "Expect: else\r\n",                                false, false, false, HTTP1_BODY_NONE   },
      {"1.1", "Content-Length: 0\r\n",                           true,  false, false, HTTP1_BODY_LENGTH },
      {"1.1", "Transfer-Encoding:\tCHUNKED \r\n",                true,  false, false, HTTP1_BODY_CHUNKED},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char request[200];
    snprintf(request, sizeof request, "GET / HTTP/%s\r\nHost: a\r\n%s\r\n",
             rows[i].version, rows[i].fields);
    take(request);
    assert_int_equal(w.head.keep_alive, rows[i].keep_alive);
    assert_int_equal(w.head.upgrade, rows[i].upgrade);
    assert_int_equal(w.head.expect_continue, rows[i].expect);
    assert_int_equal(w.head.body, rows[i].body);
  }
}

static void odd_requests_that_the_standard_allows_are_taken(void **state) {
  take("GET / HTTP/1.0\r\n\r\n"); /* 9112 3.2: only 1.1 has to have Host */
  assert_int_equal(w.head.minor, 0);
  take("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"); /* 9112 2.2 */
  assert_slice(w.head.method, "GET");
  take("GET / HTTP/1.1\r\nHost:\r\n\r\n"); /* 9112 3.3: a URI without authority */
  take("GET / HTTP/1.1\r\nHost: a%2db:\r\nX: \x80\xff\t1\r\n\r\n"); /* 9110 5.5 */
  take("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n");
  assert_int_equal(w.head.content_length, INT64_MAX);
}

static void bytes_behind_the_head_are_left_alone(void **state) {
  const char *two = "GET / HTTP/1.0\r\n\r\nGET /2 HTTP/9.9\r\n\n";
  assert_int_equal(ways_check(&w, WAYS_REQUEST, two, strlen(two)), 18);
}

static void a_thousand_requests_in_one_buffer_are_read_in_turn(void **state) {
  enum { COUNT = 1000 };
  static char many[COUNT * 64];
  size_t len = 0, at = 0;
  for (int i = 0; i < COUNT; i++)
    len += (size_t)sprintf(many + len, "GET /%d HTTP/1.1\r\nHost: a\r\n\r\n", i);
  for (int i = 0; i < COUNT; i++) {
    char path[16];
    text = many + at;
    ssize_t r = ways_parse(&w, WAYS_REQUEST, HTTP1_GET, text, len - at);
    assert_true(r > 0);
    snprintf(path, sizeof path, "/%d", i);
    assert_slice(w.head.path, path);
    at += (size_t)r;
  }
  assert_int_equal(at, len);
}

/* ---- parts ---- */

static void trailers_are_fields_and_an_empty_line(void **state) {
  text = "X-Sum: 1\r\nContent-Length: 9\r\n\r\n";
  assert_int_equal(ways_check(&w, WAYS_TRAILERS, text, strlen(text)), strlen(text));
  assert_int_equal(w.head.field_count, 2);
  assert_slice(w.fields[0].value, "1");
  assert_int_equal(ways_check(&w, WAYS_TRAILERS, BYTES("\r\nx")), 2);
  assert_int_equal(w.head.field_count, 0);
  assert_int_equal(ways_check(&w, WAYS_TRAILERS, BYTES("a\r\n")), -HTTP1_BAD_FIELD_COLON);
}

static void every_known_field_name_is_found_in_any_case(void **state) {
  static const char *const names[] = {
#define X(id, name) [HTTP1_FIELD_##id] = name,
      HTTP1_FIELDS(X)
#undef X
  };
  for (int id = 1; id < HTTP1_FIELD_IDS; id++) {
    char upper[64];
    size_t len = strlen(names[id]);
    assert_string_equal(http1_field_name(id), names[id]);
    assert_int_equal(http1_field_id(names[id], len), id);
    for (size_t i = 0; i <= len; i++)
      upper[i] = names[id][i] >= 'a' ? (char)(names[id][i] - 32) : names[id][i];
    assert_int_equal(http1_field_id(upper, len), id);
    upper[len - 1] ^= 1; /* another name of this length, or none */
    assert_int_not_equal(http1_field_id(upper, len), id);
  }
  assert_int_equal(http1_field_id(BYTES("x")), HTTP1_FIELD_OTHER);
  assert_int_equal(http1_field_id(BYTES("")), HTTP1_FIELD_OTHER);
}

static void every_method_name_is_its_id(void **state) {
  for (int id = 1; id < HTTP1_METHODS; id++) {
    char request[100];
    snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n",
             http1_method_name(id), id == HTTP1_CONNECT ? "a:1" : "/");
    take(request);
    assert_int_equal(w.head.method_id, id);
  }
  take("get / HTTP/1.1\r\nHost: a\r\n\r\n"); /* 9110 9.1: case counts */
  assert_int_equal(w.head.method_id, HTTP1_METHOD_OTHER);
}

static void the_vectorised_scan_equals_its_portable_twin(void **state) {
  struct guard guard;
  struct rng rng;
  char bytes[100];
  guard_init(&guard, sizeof bytes);
  rng_init(&rng, seed_get());
  for (int c = 0; c < 256; c++) /* each byte at each place and length */
    for (size_t len = 1; len <= 40; len++)
      for (size_t at = 0; at < len; at++) {
        memset(bytes, 'a', len);
        bytes[at] = (char)c;
        const char *p = guard_before(&guard, bytes, len);
        for (size_t from = 0; from <= len; from++)
          assert_int_equal(http1_scan(p, from, len), http1_scan_portable(p, from, len));
      }
  for (int i = 0; i < 20000; i++) {
    size_t len = rng_below(&rng, sizeof bytes), from = rng_below(&rng, (uint32_t)len + 1);
    for (size_t k = 0; k < len; k++)
      bytes[k] = (char)(rng_below(&rng, 40) ? ' ' + rng_below(&rng, 95) : rng_next(&rng));
    const char *p = guard_before(&guard, bytes, len);
    assert_int_equal(http1_scan(p, from, len), http1_scan_portable(p, from, len));
  }
  guard_fini(&guard);
}

/* ---- main ---- */

static int set_up(void **state) {
  ways_init();
  return 0;
}

static int tear_down(void **state) {
  ways_fini();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_request_is_read_into_slices),
      cmocka_unit_test(targets_are_split_by_their_form),
      cmocka_unit_test(a_query_that_is_empty_differs_from_none),
      cmocka_unit_test(what_fields_say_is_worked_out),
      cmocka_unit_test(odd_requests_that_the_standard_allows_are_taken),
      cmocka_unit_test(bytes_behind_the_head_are_left_alone),
      cmocka_unit_test(a_thousand_requests_in_one_buffer_are_read_in_turn),
      cmocka_unit_test(trailers_are_fields_and_an_empty_line),
      cmocka_unit_test(every_known_field_name_is_found_in_any_case),
      cmocka_unit_test(every_method_name_is_its_id),
      cmocka_unit_test(the_vectorised_scan_equals_its_portable_twin),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
