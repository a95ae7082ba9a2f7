/* The base room: status codes, lists, buffer, generator, nearest name. */
#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/copy.h"
#include "base/list.h"
#include "base/nearest.h"
#include "base/rng.h"
#include "base/status.h"
#include "support/guard.h"
#include "support/seed.h"

/* --- status --- */

static void status_names_errnos_as_the_manual_does(void **state) {
  assert_string_equal(status_name(-ECONNREFUSED), "ECONNREFUSED");
  assert_string_equal(status_name(-EADDRINUSE), "EADDRINUSE");
  assert_string_equal(status_name(-EAGAIN), "EAGAIN");
}

static void status_names_its_own_conditions(void **state) {
  assert_string_equal(status_name(STATUS_EOF), "eof");
  assert_string_equal(status_name(STATUS_TIMEOUT), "timeout");
  assert_string_equal(status_name(STATUS_CLOSED), "closed");
  assert_string_equal(status_name(STATUS_CANCELLED), "cancelled");
  assert_string_equal(status_name(STATUS_OVERSIZED), "oversized");
  assert_string_equal(status_text(STATUS_EOF), "the peer ended its side");
  assert_string_equal(status_text(STATUS_TIMEOUT), "timed out");
}

static void status_texts_begin_with_a_small_letter(void **state) {
  assert_string_equal(status_text(-ECONNREFUSED), "connection refused");
  assert_string_equal(status_text(-EADDRINUSE), "address already in use");
  assert_string_equal(status_text(-EIO), "input/output error");
  assert_string_equal(status_text(-EDOTDOT), "RFS specific error");
}

static void status_tells_every_errno_as_glibc_does(void **state) {
  for (int e = 1; e < 256; e++) {
    const char *name = strerrorname_np(e), *text = strerrordesc_np(e);
    assert_string_equal(status_name(-e), name ? name : "EUNKNOWN");
    if (text) {
      assert_string_equal(status_text(-e) + 1, text + 1);
    } else {
      assert_string_equal(status_text(-e), "unknown error");
    }
  }
}

static void status_tells_every_answer_of_the_resolver(void **state) {
  int told = 0;
  for (int eai = -1; eai > -200; eai--) {
    int status = status_from_eai(eai);
    if (eai == EAI_OVERFLOW) continue; /* glibc has no words for it */
    if (strcmp(gai_strerror(eai), "Unknown error") == 0) {
      assert_string_equal(status_name(status), "EUNKNOWN");
      continue;
    }
    assert_memory_equal(status_name(status), "EAI_", 4);
    assert_string_equal(status_text(status) + 1, gai_strerror(eai) + 1);
    told++;
  }
  assert_true(told >= 17);
  assert_string_equal(status_name(status_from_eai(EAI_NONAME)), "EAI_NONAME");
  assert_string_equal(status_text(status_from_eai(EAI_NONAME)),
                      "name or service not known");
}

static void status_of_an_unknown_number_is_told_as_such(void **state) {
  static const int unknown[] = {-4095, -4096, -9999, -15000, -30000, 0, 1};
  for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
    assert_string_equal(status_name(unknown[i]), "EUNKNOWN");
    assert_string_equal(status_text(unknown[i]), "unknown error");
  }
}

static void status_gives_an_errno_only_for_the_kernels_failures(void **state) {
  assert_int_equal(status_errno(-EPIPE), EPIPE);
  assert_int_equal(status_errno(STATUS_EOF), 0);
  assert_int_equal(status_errno(STATUS_OVERSIZED), 0);
  assert_int_equal(status_errno(status_from_eai(EAI_AGAIN)), 0);
  assert_int_equal(status_errno(0), 0);
  assert_int_equal(status_errno(7), 0);
}

/* --- list --- */

struct item {
  int value;
  struct list node;
};

static void list_gives_nodes_in_the_order_of_appending(void **state) {
  struct list l;
  struct item items[3];
  list_init(&l);
  for (int i = 0; i < 3; i++) {
    items[i].value = i;
    list_append(&l, &items[i].node);
  }
  for (int i = 0; i < 3; i++) {
    assert_false(list_empty(&l));
    assert_int_equal(list_entry(list_shift(&l), struct item, node)->value, i);
  }
  assert_true(list_empty(&l));
  assert_null(list_shift(&l));
}

static void list_lets_a_node_go_from_the_middle(void **state) {
  struct list l, a, b, c;
  list_init(&l);
  list_append(&l, &a);
  list_append(&l, &b);
  list_append(&l, &c);
  list_remove(&b);
  assert_ptr_equal(list_shift(&l), &a);
  assert_ptr_equal(list_shift(&l), &c);
  assert_true(list_empty(&l));
}

static void list_removal_is_harmless_twice(void **state) {
  struct list l, a;
  list_init(&l);
  list_append(&l, &a);
  list_remove(&a);
  list_remove(&a);
  assert_true(list_empty(&l));
  assert_true(list_empty(&a));
  list_append(&l, &a);
  assert_ptr_equal(list_shift(&l), &a);
}

/* --- buf --- */

static void assert_holds(const struct buf *b, const char *bytes, size_t n) {
  assert_int_equal(buf_len(b), n);
  if (n) assert_memory_equal(buf_bytes(b), bytes, n);
}

static void buf_gives_bytes_in_the_order_they_came(void **state) {
  struct buf b;
  buf_init(&b);
  assert_int_equal(buf_append(&b, "hello ", 6), 0);
  assert_int_equal(buf_append(&b, "world", 5), 0);
  assert_holds(&b, "hello world", 11);
  buf_consume(&b, 6);
  assert_holds(&b, "world", 5);
  buf_fini(&b);
}

static void buf_takes_bytes_written_to_reserved_room(void **state) {
  struct buf b;
  char *at;
  buf_init(&b);
  assert_int_equal(buf_reserve(&b, 1000, &at), 0);
  memcpy(at, "abc", 3);
  buf_commit(&b, 3);
  assert_holds(&b, "abc", 3);
  buf_fini(&b);
}

static void buf_costs_no_memory_while_empty(void **state) {
  struct buf b;
  buf_init(&b);
  assert_int_equal(buf_append(&b, "", 0), 0);
  assert_null(b.block);
  buf_append(&b, "abc", 3);
  assert_non_null(b.block);
  buf_consume(&b, 3);
  assert_null(b.block);
  buf_consume(&b, 0);
  buf_fini(&b);
}

static void buf_keeps_all_when_there_is_no_memory(void **state) {
  struct buf b;
  char *at = NULL;
  buf_init(&b);
  buf_append(&b, "abc", 3);
  assert_int_equal(buf_reserve(&b, SIZE_MAX, &at), -ENOMEM);
  assert_int_equal(buf_reserve(&b, SIZE_MAX / 2 + 2, &at), -ENOMEM);
  assert_null(at);
  assert_holds(&b, "abc", 3);
  buf_fini(&b);
}

static void buf_stays_small_under_a_long_stream(void **state) {
  struct buf b;
  char piece[100] = {0};
  buf_init(&b);
  buf_append(&b, piece, sizeof piece);
  for (int i = 0; i < 10000; i++) {
    buf_append(&b, piece, sizeof piece);
    buf_consume(&b, sizeof piece);
  }
  assert_true(b.block->cap <= 1024);
  buf_fini(&b);
}

static void buf_finds_a_pattern_across_pieces(void **state) {
  struct buf b;
  buf_init(&b);
  assert_int_equal(buf_find(&b, 0, "\r\n", 2), -1);
  buf_append(&b, "GET\r", 4);
  assert_int_equal(buf_find(&b, 0, "\r\n", 2), -1);
  buf_append(&b, "\nHost\r\n", 7);
  assert_int_equal(buf_find(&b, 4 - 1, "\r\n", 2), 3);
  assert_int_equal(buf_find(&b, 4, "\r\n", 2), 9);
  assert_int_equal(buf_find(&b, 10, "\r\n", 2), -1);
  assert_int_equal(buf_find(&b, 11, "\r\n", 2), -1);
  assert_int_equal(buf_find(&b, 12, "\r\n", 2), -1);
  buf_consume(&b, 5);
  assert_int_equal(buf_find(&b, 0, "\r\n", 2), 4);
  buf_fini(&b);
}

static void buf_reads_no_byte_past_those_it_was_given(void **state) {
  struct guard g;
  guard_init(&g, 300);
  for (size_t n = 0; n <= 300; n++) {
    char bytes[300];
    memset(bytes, 'x', sizeof bytes);
    const char *edge = guard_before(&g, bytes, n);
    struct buf b;
    buf_init(&b);
    assert_int_equal(buf_append(&b, edge, n), 0);
    assert_holds(&b, bytes, n);
    buf_fini(&b);
  }
  guard_fini(&g);
}

static void buf_searches_no_byte_past_those_it_holds(void **state) {
  struct guard g;
  guard_init(&g, 400);
  for (size_t n = 8; n <= 304; n += 8) { /* aligned as malloc would */
    union {
      struct buf_block block;
      char bytes[sizeof(struct buf_block) + 304];
    } made = {
        .block = {.tail = n, .cap = n}
    };
    memset(made.block.bytes, 'x', n);
    made.block.bytes[n - 1] = '\r';
    char *edge = guard_before(&g, &made, sizeof(struct buf_block) + n);
    struct buf b = {(struct buf_block *)(void *)edge};
    assert_int_equal(buf_find(&b, 0, "\r\n", 2), -1);
    assert_int_equal(buf_find(&b, 0, "\r", 1), (ssize_t)n - 1);
  }
  guard_fini(&g);
}

enum { STREAM = 200000, PIECE = 3000 };

static void buf_agrees_with_a_plain_array_after_any_steps(void **state) {
  struct rng rng;
  struct buf b;
  rng_init(&rng, seed_get());
  buf_init(&b);
  char *stream = malloc(STREAM);
  for (size_t i = 0; i < STREAM; i++) stream[i] = (char)rng_next(&rng);
  size_t head = 0, tail = 0;
  while (tail < STREAM) {
    size_t n = rng_below(&rng, PIECE);
    if (n > STREAM - tail) n = STREAM - tail;
    if (rng_below(&rng, 2)) {
      assert_int_equal(buf_append(&b, stream + tail, n), 0);
    } else {
      char *at;
      assert_int_equal(buf_reserve(&b, n + rng_below(&rng, PIECE), &at), 0);
      memcpy(at, stream + tail, n);
      buf_commit(&b, n);
    }
    tail += n;
    assert_holds(&b, stream + head, tail - head);
    n = rng_below(&rng, tail - head + 1);
    buf_consume(&b, n);
    head += n;
    assert_holds(&b, stream + head, tail - head);
  }
  free(stream);
  buf_fini(&b);
}

/* --- copy --- */

static void copy_takes_every_byte_and_no_other(void **state) {
  (void)state;
  enum { MOST = 5000 };
  static const size_t sizes[] = {0, 1, 1023, 1024, 1025, 2047, 2048, 2049, MOST};
  char from[MOST], to[MOST + 2];
  for (int i = 0; i < MOST; i++) from[i] = (char)(i * 7 % 251 + 1);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    memset(to, 0, sizeof to);
    copy_bytes(to + 1, from, sizes[i]);
    assert_memory_equal(to + 1, from, sizes[i]);
    assert_int_equal(to[0], 0);
    assert_int_equal(to[sizes[i] + 1], 0);
  }
}

/* --- rng --- */

/* The values of the author's own program for this seed. */
static void rng_gives_the_published_numbers(void **state) {
  static const uint64_t expected[] = {6457827717110365317u, 3203168211198807973u,
                                      9817491932198370423u, 4593380528125082431u,
                                      16408922859458223821u};
  struct rng rng;
  rng_init(&rng, 1234567);
  for (int i = 0; i < 5; i++) assert_true(rng_next(&rng) == expected[i]);
}

static void rng_below_reaches_every_number_and_no_other(void **state) {
  struct rng rng;
  int seen[7] = {0};
  rng_init(&rng, seed_get());
  for (int i = 0; i < 7000; i++) {
    uint64_t n = rng_below(&rng, 7);
    assert_true(n < 7);
    seen[n]++;
  }
  for (int i = 0; i < 7; i++) assert_in_range(seen[i], 700, 1300);
  for (int i = 0; i < 100; i++) assert_int_equal(rng_below(&rng, 1), 0);
  assert_true(rng_below(&rng, UINT64_MAX) < UINT64_MAX);
}

/* --- nearest --- */

static void nearest_counts_each_kind_of_slip_once(void **state) {
  assert_int_equal(nearest_distance("accept", "accept"), 0);
  assert_int_equal(nearest_distance("acept", "accept"), 1);
  assert_int_equal(nearest_distance("acccept", "accept"), 1);
  assert_int_equal(nearest_distance("axcept", "accept"), 1);
  assert_int_equal(nearest_distance("accetp", "accept"), 1);
  assert_int_equal(nearest_distance("kitten", "sitting"), 3);
  assert_int_equal(nearest_distance("", "bind"), 4);
  assert_int_equal(nearest_distance("bind", ""), 4);
  assert_int_equal(nearest_distance("", ""), 0);
}

static void nearest_does_not_edit_a_swapped_part_again(void **state) {
  assert_int_equal(nearest_distance("ca", "abc"), 3);
}

static void nearest_overlooks_letter_case(void **state) {
  assert_int_equal(nearest_distance("so_reuseaddr", "SO_REUSEADDR"), 0);
  assert_int_equal(nearest_distance("GETSOKCNAME", "getsockname"), 1);
}

static void nearest_holds_very_long_words_to_be_far(void **state) {
  char word[66];
  memset(word, 'a', sizeof word);
  word[63] = '\0';
  assert_int_equal(nearest_distance(word, word), 0);
  assert_int_equal(nearest_distance(word, ""), 63);
  word[63] = 'a';
  word[64] = '\0';
  assert_false(nearest_is_slip(nearest_distance(word, word), 64));
  assert_false(nearest_is_slip(nearest_distance("bind", word), 4));
}

static void nearest_takes_half_of_a_word_for_a_slip(void **state) {
  assert_true(nearest_is_slip(1, 1));
  assert_true(nearest_is_slip(1, 4));
  assert_false(nearest_is_slip(3, 5));
  assert_true(nearest_is_slip(2, 6));
  assert_true(nearest_is_slip(4, 9));
  assert_false(nearest_is_slip(5, 9));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(status_names_errnos_as_the_manual_does),
    cmocka_unit_test(status_names_its_own_conditions),
    cmocka_unit_test(status_texts_begin_with_a_small_letter),
    cmocka_unit_test(status_tells_every_errno_as_glibc_does),
    cmocka_unit_test(status_tells_every_answer_of_the_resolver),
    cmocka_unit_test(status_of_an_unknown_number_is_told_as_such),
    cmocka_unit_test(status_gives_an_errno_only_for_the_kernels_failures),
    cmocka_unit_test(list_gives_nodes_in_the_order_of_appending),
    cmocka_unit_test(list_lets_a_node_go_from_the_middle),
    cmocka_unit_test(list_removal_is_harmless_twice),
    cmocka_unit_test(buf_gives_bytes_in_the_order_they_came),
    cmocka_unit_test(buf_takes_bytes_written_to_reserved_room),
    cmocka_unit_test(buf_costs_no_memory_while_empty),
    cmocka_unit_test(buf_keeps_all_when_there_is_no_memory),
    cmocka_unit_test(buf_stays_small_under_a_long_stream),
    cmocka_unit_test(buf_finds_a_pattern_across_pieces),
    cmocka_unit_test(buf_reads_no_byte_past_those_it_was_given),
    cmocka_unit_test(buf_searches_no_byte_past_those_it_holds),
    cmocka_unit_test(buf_agrees_with_a_plain_array_after_any_steps),
    cmocka_unit_test(copy_takes_every_byte_and_no_other),
    cmocka_unit_test(rng_gives_the_published_numbers),
    cmocka_unit_test(rng_below_reaches_every_number_and_no_other),
    cmocka_unit_test(nearest_counts_each_kind_of_slip_once),
    cmocka_unit_test(nearest_does_not_edit_a_swapped_part_again),
    cmocka_unit_test(nearest_overlooks_letter_case),
    cmocka_unit_test(nearest_holds_very_long_words_to_be_far),
    cmocka_unit_test(nearest_takes_half_of_a_word_for_a_slip),
};

int main(void) {
  seed_get();
  return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
