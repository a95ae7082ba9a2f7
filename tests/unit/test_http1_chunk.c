/* Chunked bodies: what comes out, whatever the cuts, and what is refused. */
#include "proto/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/edge.h"

enum { EXTRA_MAX = 300 };

struct outcome {
  int result;
  size_t used;
  char data[4096];
  size_t len;
};

/* Decodes in pieces of 1 to `most` bytes, each at the edge of readable memory. */
static struct outcome decode(const char *text, size_t len, size_t most) {
  struct outcome o = {.result = HTTP1_CHUNK_MORE};
  struct http1_chunks c;
  http1_chunks_init(&c, EXTRA_MAX);
  while (o.result == HTTP1_CHUNK_MORE && o.used < len) {
    size_t n = 1 + rng_below(&edge_rng, most), used;
    if (n > len - o.used) n = len - o.used;
    const char *p = edge_bytes(text + o.used, n), *end = p + n;
    do {
      struct slice data;
      o.result = http1_chunks_next(&c, p, (size_t)(end - p), &used, &data);
      assert_true(used <= (size_t)(end - p) && data.at + data.len <= used);
      memcpy(o.data + o.len, p + data.at, data.len);
      o.len += data.len;
      o.used += used;
      p += used;
    } while (o.result == HTTP1_CHUNK_DATA);
  }
  return o;
}

/* Decodes in every way; all have to agree. */
static struct outcome decode_all_ways(const char *text, size_t len) {
  struct outcome whole = decode(text, len, 1);
  for (int i = 0; i < 30; i++) {
    struct outcome o = decode(text, len, 1 + len / (size_t)(i + 1));
    assert_int_equal(o.result, whole.result);
    assert_int_equal(o.used, whole.used);
    assert_int_equal(o.len, whole.len);
    assert_memory_equal(o.data, whole.data, o.len);
  }
  return whole;
}

static void chunks_are_joined_and_their_frames_taken_away(void **state) {
  static const struct {
    const char *text, *body;
    size_t left; /* bytes behind the last chunk's line */
  } rows[] = {
      {"0\r\n\r\n",                                                      "",              2},
      {"5\r\nhello\r\n0\r\n\r\nGET",                                     "hello",         5},
      {"1\r\na\r\n002\r\nbc\r\nA\r\n0123456789\r\n0000\r\nX: y\r\n\r\n", "abc0123456789",
       8                                                                                   },
      {"00000000000000000000002\r\nab\r\n0\r\n",                         "ab",            0}, /* zeroes are no overflow */
      {"2;a;b=c;d=\"e f\"\r\nab\r\n0 ; x\r\n",                           "ab",            0}, /* 9112 7.1.1 */
      {"2\t;\xe9\r\n\r\n\r\n0\r\n",                                      "\r\n",          0},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t len = strlen(rows[i].text);
    struct outcome o = decode_all_ways(rows[i].text, len);
    assert_int_equal(o.result, HTTP1_CHUNK_END);
    assert_int_equal(o.len, strlen(rows[i].body));
    assert_memory_equal(o.data, rows[i].body, o.len);
    assert_int_equal(len - o.used, rows[i].left);
  }
}

static void a_body_that_is_cut_short_never_ends(void **state) {
  static const char text[] = "5;x\r\nhello\r\n0\r\n";
  for (size_t n = 0; n < sizeof text - 1; n++) {
    struct outcome o = decode(text, n, n + 1);
    assert_int_equal(o.result, HTTP1_CHUNK_MORE);
    assert_int_equal(o.used, n);
  }
}

#define BAD(rule, text) \
  { HTTP1_BAD_##rule, text, sizeof(text) - 1 }

static void broken_framing_is_refused(void **state) {
  static const struct {
    enum http1_rule rule;
    const char *text;
    size_t len;
  } rows[] = {
      BAD(CHUNK_SIZE, "\r\n"),
      BAD(CHUNK_SIZE, "x\r\n"),
      BAD(CHUNK_SIZE, "+5\r\nhello"),
      BAD(CHUNK_SIZE, "-1\r\n"),
      BAD(CHUNK_SIZE, "0x5\r\nhello"),
      BAD(CHUNK_SIZE, "1_0\r\n"),
      BAD(CHUNK_SIZE, " 5\r\nhello"),
      BAD(CHUNK_SIZE, ";a\r\n"),
      BAD(CHUNK_SIZE, "8000000000000000\r\n"),
      BAD(CHUNK_SIZE, "ffffffffffffffff\r\n"),
      BAD(CHUNK_SIZE, "10000000000000005\r\nhello"),
      BAD(CHUNK_SIZE, "5\nhello"),
      BAD(CHUNK_SIZE, "5\0\r\nhello"),
      BAD(CHUNK_LINE, "5 \r\nhello"),
      BAD(CHUNK_LINE, "5 5\r\nhello"),
      BAD(CHUNK_LINE, "5\rhello"),
      BAD(CHUNK_LINE, "5;a\nhello"),
      BAD(CHUNK_LINE, "5;a\0\r\nhello"),
      BAD(CHUNK_LINE, "5;a\x7f\r\nhello"),
      BAD(CHUNK_LINE, "5;a\r\r\nhello"),
      BAD(CHUNK_END, "5\r\nhello0\r\n"),
      BAD(CHUNK_END, "5\r\nhello\n0\r\n"),
      BAD(CHUNK_END, "5\r\nhello\r0\r\n"),
      BAD(CHUNK_END, "5\r\nhello \r\n0\r\n"),
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct outcome o = decode_all_ways(rows[i].text, rows[i].len);
    if (o.result != -(int)rows[i].rule)
      fail_msg("%s: %s", rows[i].text, http1_rule(o.result)->name);
    assert_true(o.used < rows[i].len);
    assert_true(o.len <= 5);
  }
}

static void the_largest_size_is_2_to_the_63_less_1(void **state) {
  struct outcome o = decode_all_ways("7fffffffffffffff\r\nab", 20);
  assert_int_equal(o.result, HTTP1_CHUNK_MORE);
  assert_int_equal(o.len, 2);
}

static void a_size_line_may_fill_its_limit_and_no_more(void **state) {
  char text[HTTP1_CHUNK_LINE_MAX + 8];
  memset(text, '0', sizeof text);
  memcpy(text + HTTP1_CHUNK_LINE_MAX, "\r\n", 2);
  assert_int_equal(decode_all_ways(text, HTTP1_CHUNK_LINE_MAX + 2).result,
                   HTTP1_CHUNK_END);
  memcpy(text + HTTP1_CHUNK_LINE_MAX, "0\r\n", 3);
  assert_int_equal(decode_all_ways(text, HTTP1_CHUNK_LINE_MAX + 3).result,
                   -HTTP1_BAD_CHUNK_LINE);
}

static void extensions_count_toward_one_limit_for_the_whole_body(void **state) {
  char text[4096];
  size_t len = 0, each = strlen(";abcdefgh");
  for (size_t i = 0; i < EXTRA_MAX / each; i++)
    len += (size_t)sprintf(text + len, "1;abcdefgh\r\nx\r\n");
  assert_int_equal(decode_all_ways(text, len).result, HTTP1_CHUNK_MORE);
  len += (size_t)sprintf(text + len, "1;abcdefgh\r\nx\r\n");
  struct outcome o = decode_all_ways(text, len);
  assert_int_equal(o.result, -HTTP1_BAD_CHUNK_EXTENSIONS);
  assert_int_equal(http1_rule(o.result)->status, 431);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(chunks_are_joined_and_their_frames_taken_away),
      cmocka_unit_test(a_body_that_is_cut_short_never_ends),
      cmocka_unit_test(broken_framing_is_refused),
      cmocka_unit_test(the_largest_size_is_2_to_the_63_less_1),
      cmocka_unit_test(a_size_line_may_fill_its_limit_and_no_more),
      cmocka_unit_test(extensions_count_toward_one_limit_for_the_whole_body),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
