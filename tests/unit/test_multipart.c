/* multipart/form-data: parts and bodies come out the same however the bytes are cut, and
 * memory beyond what the caller holds is never needed. */
#include "proto/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "proto/http1.h"
#include "support/edge.h"

enum { HEAD_MAX = 40 };

/* What came out, as text: "<head>" for a part, its body, "|" at its end, "." at the end of
 * all, "!" and the result's number where it is refused. */
struct outcome {
  char text[4096];
  size_t len;
  int result;
};

static void add(struct outcome *o, const char *bytes, size_t len) {
  memcpy(o->text + o->len, bytes, len);
  o->len += len;
}

static void note(struct outcome *o, const char *piece, size_t len) {
  if (o->result == MULTIPART_PART) add(o, "<", 1);
  add(o, piece, len);
  if (o->result == MULTIPART_PART) add(o, ">", 1);
  if (o->result == MULTIPART_PART_END) add(o, "|", 1);
  if (o->result == MULTIPART_END) add(o, ".", 1);
}

/* Pieces of 1 to `most` bytes; what is left comes again, with more behind it. */
static struct outcome scan(const char *text, size_t len, size_t most) {
  struct outcome o = {.result = MULTIPART_MORE};
  struct multipart m;
  size_t done = 0, end = 0;
  multipart_init(&m, "bound", 5, HEAD_MAX);
  while (o.result == MULTIPART_MORE && end < len) {
    end += 1 + rng_below(&edge_rng, most);
    if (end > len) end = len;
    const char *p = edge_bytes(text + done, end - done);
    do {
      size_t used;
      struct slice piece;
      o.result = multipart_next(&m, p, end - done, &used, &piece);
      assert_true(used <= end - done && piece.at + piece.len <= used);
      note(&o, p + piece.at, piece.len);
      p += used;
      done += used;
    } while (o.result > MULTIPART_MORE && o.result != MULTIPART_END);
    if (o.result == MULTIPART_MORE) assert_true(end - done <= MULTIPART_ROOM);
  }
  return o;
}

static void assert_scans(const char *text, const char *want, int result) {
  size_t len = strlen(text);
  for (size_t most = 1; most <= len + 1; most++) {
    struct outcome o = scan(text, len, most);
    o.text[o.len] = '\0';
    assert_string_equal(o.text, want);
    assert_int_equal(o.result, result);
  }
}

static void parts_come_out_whatever_the_cuts(void **state) {
  assert_scans(
      "--bound\r\nA: b\r\n\r\none\r\n--bound\r\nC: d\r\nE: f\r\n\r\ntwo\r\n--bound--",
      "<A: b\r\n\r\n>one|<C: d\r\nE: f\r\n\r\n>two|.", MULTIPART_END);
  assert_scans("--bound\r\n\r\nno head\r\n--bound--\r\nepilogue", "<\r\n>no head|.",
               MULTIPART_END);
  assert_scans("--bound\r\nA: b\r\n\r\n\r\n--bound--", "<A: b\r\n\r\n>|.", MULTIPART_END);
  assert_scans("\r\n--bound \t\r\n\r\nx\r\n--bound--", "<\r\n>x|.", MULTIPART_END);
  assert_scans("--bound--", ".", MULTIPART_END);
}

static void the_head_of_a_part_is_read_as_trailers_are(void **state) {
  static const char text[] =
      "--bound\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1";
  static const struct http1_limits limits = HTTP1_LIMITS;
  struct multipart m;
  struct http1_field field;
  struct http1_head head;
  struct slice piece;
  size_t used;
  multipart_init(&m, "bound", 5, 100);
  assert_int_equal(multipart_next(&m, text, sizeof text - 1, &used, &piece),
                   MULTIPART_PART);
  http1_head_init(&head, &field, 1);
  assert_int_equal(http1_trailers(&head, &limits, text + piece.at, piece.len), piece.len);
  assert_int_equal(field.id, HTTP1_FIELD_CONTENT_DISPOSITION);
}

static void bytes_that_begin_like_a_boundary_are_data(void **state) {
  assert_scans(
      "--bound\r\n\r\n\r\r\n\r\n-\r\n--\r\n--boun\r\n--Bound--bound\r\n--bound--",
      "<\r\n>\r\r\n\r\n-\r\n--\r\n--boun\r\n--Bound--bound|.", MULTIPART_END);
  assert_scans("--bound\r\n\r\n\n--bound\r--bound\r\n--bound--",
               "<\r\n>\n--bound\r--bound|.", MULTIPART_END);
}

static void a_body_that_is_cut_short_never_ends(void **state) {
  static const char text[] = "--bound\r\nA: b\r\n\r\none\r\n--bound--";
  for (size_t n = 0; n < sizeof text - 1; n++)
    assert_int_equal(scan(text, n, 1 + n / 2).result, MULTIPART_MORE);
}

static void junk_around_a_boundary_is_refused(void **state) {
  assert_scans("x", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("preamble\r\n--bound\r\n", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("--other\r\n\r\n", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("--boundx", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("--bound\n\n", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("--bound\rx", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("--bound-x", "", MULTIPART_BAD_BOUNDARY);
  assert_scans("--bound\r\n\r\na\r\n--bound --", "<\r\n>a|", MULTIPART_BAD_BOUNDARY);
}

static void blanks_behind_a_boundary_are_bounded(void **state) {
  char text[100];
  memcpy(text, "--bound", 7);
  memset(text + 7, ' ', 65);
  memcpy(text + 7 + 64, "\r\n\r\n", 5);
  assert_scans(text, "<\r\n>", MULTIPART_MORE);
  memcpy(text + 7 + 64, " \r\n\r\n", 6);
  assert_scans(text, "", MULTIPART_BAD_BOUNDARY);
}

static void a_head_may_fill_its_limit_and_no_more(void **state) {
  assert_scans("--bound\r\n2345678901234567890123456789012345\r\n\r\n",
               "<2345678901234567890123456789012345\r\n\r\n>", MULTIPART_MORE);
  assert_scans("--bound\r\n123456789012345678901234567890123456\r\n\r\n",
               "<123456789012345678901234567890123456\r\n\r\n>", MULTIPART_MORE);
  assert_scans("--bound\r\n1234567890123456789012345678901234567\r\n\r\n", "",
               MULTIPART_BAD_HEAD);
}

static void random_bodies_come_out_as_they_went_in(void **state) {
  for (int i = 0; i < 300; i++) {
    char text[600] = "--bound\r\n\r\n", want[600] = "<\r\n>";
    size_t n = strlen(text), k = strlen(want), len = rng_below(&edge_rng, 400);
    for (size_t j = 0; j < len; j++) /* of the bytes that boundaries are made of */
      text[n + j] = want[k + j] = "\r\n--bo\n\r-"[rng_below(&edge_rng, 9)];
    if (memmem(text + n - 2, len + 2, "\r\n--bound", 9)) continue;
    strcpy(text + n + len, "\r\n--bound--");
    strcpy(want + k + len, "|.");
    struct outcome o = scan(text, strlen(text), 1 + rng_below(&edge_rng, 50));
    assert_int_equal(o.len, strlen(want));
    assert_memory_equal(o.text, want, o.len);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_come_out_whatever_the_cuts),
      cmocka_unit_test(the_head_of_a_part_is_read_as_trailers_are),
      cmocka_unit_test(bytes_that_begin_like_a_boundary_are_data),
      cmocka_unit_test(a_body_that_is_cut_short_never_ends),
      cmocka_unit_test(junk_around_a_boundary_is_refused),
      cmocka_unit_test(blanks_behind_a_boundary_are_bounded),
      cmocka_unit_test(a_head_may_fill_its_limit_and_no_more),
      cmocka_unit_test(random_bodies_come_out_as_they_went_in),
  };
  return cmocka_run_group_tests(tests, edge_set_up, edge_tear_down);
}
