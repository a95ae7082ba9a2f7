/* Buffered streams over the net in memory. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/status.h"
#include "net/stream.h"
#include "support/fake_net.h"
#include "support/guard.h"
#include "support/peers.h"

struct fixture {
  struct net *net;
  struct net_ops ops; /* the net's, with `recv` and `send` by way of `fail_with` */
  net_h a, b;
  struct stream stream; /* over b */
  char scratch[64];
};

static int fail_with; /* the next receive or send gives it */
static const struct net_ops *sound;

static ssize_t failing_recv(struct net *net, net_h h, void *bytes, size_t n) {
  int status = fail_with;
  fail_with = 0;
  return status ? status : sound->recv(net, h, bytes, n);
}

static ssize_t failing_send(struct net *net, net_h h, const void *bytes, size_t n) {
  int status = fail_with;
  fail_with = 0;
  return status ? status : sound->send(net, h, bytes, n);
}

static int set_up(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->net = fake_net_new();
  sound = f->net->ops;
  f->ops = *sound;
  f->ops.recv = failing_recv;
  f->ops.send = failing_send;
  f->net->ops = &f->ops;
  peers_pair(f->net, &f->a, &f->b);
  stream_init(&f->stream);
  fail_with = 0;
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *f = *state;
  stream_fini(&f->stream);
  net_close(f->net, f->b);
  if (f->a >= 0) net_close(f->net, f->a);
  int left = f->net->open;
  net_free(f->net);
  free(f);
  return left;
}

static void arrive(struct fixture *f, const char *text, size_t n) {
  assert_int_equal(net_send(f->net, f->a, text, n), n);
}

static ssize_t fill(struct fixture *f) {
  return stream_fill(&f->stream, f->net, f->b, f->scratch, sizeof f->scratch);
}

static void hang_up(struct fixture *f) {
  net_close(f->net, f->a);
  f->a = -1;
}

/* --- receiving --- */

static void recv_takes_the_buffer_first(void **state) {
  struct fixture *f = *state;
  char bytes[8];
  arrive(f, "abcdef", 6);
  assert_int_equal(fill(f), 6);
  arrive(f, "gh", 2);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 4), 4);
  assert_memory_equal(bytes, "abcd", 4);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), 2);
  assert_memory_equal(bytes, "ef", 2);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), 2);
  assert_memory_equal(bytes, "gh", 2);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), -EAGAIN);
}

static void recv_writes_no_byte_beyond_what_was_asked(void **state) {
  struct fixture *f = *state;
  struct guard g;
  guard_init(&g, 64);
  for (size_t n = 1; n <= 40; n++) {
    char *room = guard_before(&g, NULL, 0) - n;
    arrive(f, "0123456789012345678901234567890123456789", 40);
    assert_int_equal(fill(f), 40);
    size_t got = 0;
    while (got < 40) {
      ssize_t r = stream_recv(&f->stream, f->net, f->b, room, n);
      assert_true(r > 0 && (size_t)r <= n);
      got += (size_t)r;
    }
  }
  guard_fini(&g);
}

static void what_was_read_ahead_lies_in_the_buffer(void **state) {
  struct fixture *f = *state;
  char bytes[8];
  arrive(f, "abcdef", 6);
  assert_int_equal(stream_ahead(&f->stream, f->net, f->b, 4), 4);
  assert_int_equal(buf_len(&f->stream.in), 4);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), 4);
  assert_memory_equal(bytes, "abcd", 4);
  assert_int_equal(stream_ahead(&f->stream, f->net, f->b, 4), 2);
  stream_take(&f->stream, 2);
}

/* A stream that waits has no memory for what has not come. */
static void reading_ahead_in_vain_keeps_no_memory(void **state) {
  struct fixture *f = *state;
  assert_int_equal(stream_ahead(&f->stream, f->net, f->b, 1000), -EAGAIN);
  assert_null(f->stream.in.block);
  hang_up(f);
  for (int i = 0; i < 2; i++)
    assert_int_equal(stream_ahead(&f->stream, f->net, f->b, 1000), STATUS_EOF);
  assert_null(f->stream.in.block);
}

static void fill_takes_no_more_than_the_scratch_holds(void **state) {
  struct fixture *f = *state;
  char text[200];
  memset(text, 'x', sizeof text);
  arrive(f, text, sizeof text);
  assert_int_equal(fill(f), 64);
  assert_int_equal(fill(f), 64);
  assert_int_equal(fill(f), 64);
  assert_int_equal(fill(f), 8);
  assert_int_equal(buf_len(&f->stream.in), 200);
  assert_int_equal(fill(f), -EAGAIN);
}

static void the_end_comes_after_the_held_bytes_and_stays(void **state) {
  struct fixture *f = *state;
  char bytes[8];
  arrive(f, "abc", 3);
  hang_up(f);
  assert_int_equal(fill(f), 3);
  for (int i = 0; i < 3; i++) assert_int_equal(fill(f), STATUS_EOF);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), 3);
  for (int i = 0; i < 3; i++)
    assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), STATUS_EOF);
}

static void a_reset_comes_after_the_held_bytes_and_stays(void **state) {
  struct fixture *f = *state;
  char bytes[8];
  assert_int_equal(net_send(f->net, f->b, "unread", 6), 6);
  arrive(f, "abc", 3);
  hang_up(f);
  assert_int_equal(fill(f), 3);
  for (int i = 0; i < 3; i++) assert_int_equal(fill(f), -ECONNRESET);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), 3);
  for (int i = 0; i < 3; i++)
    assert_int_equal(stream_recv(&f->stream, f->net, f->b, bytes, 8), -ECONNRESET);
}

static void failures_for_the_moment_pass(void **state) {
  struct fixture *f = *state;
  static const int passing[] = {-EAGAIN, -ENOMEM, -ENOBUFS};
  char byte;
  for (int i = 0; i < 3; i++) {
    arrive(f, "x", 1);
    fail_with = passing[i];
    assert_int_equal(stream_recv(&f->stream, f->net, f->b, &byte, 1), passing[i]);
    assert_int_equal(stream_recv(&f->stream, f->net, f->b, &byte, 1), 1);
    arrive(f, "y", 1);
    fail_with = passing[i];
    assert_int_equal(fill(f), passing[i]);
    assert_int_equal(fill(f), 1);
    stream_take(&f->stream, 1);
    fail_with = passing[i];
    assert_int_equal(stream_send(&f->stream, f->net, f->b, "z", 1), passing[i]);
    assert_int_equal(stream_send(&f->stream, f->net, f->b, "z", 1), 1);
  }
}

static void a_failure_of_one_direction_leaves_the_other(void **state) {
  struct fixture *f = *state;
  char byte;
  fail_with = -EPIPE;
  assert_int_equal(stream_send(&f->stream, f->net, f->b, "x", 1), -EPIPE);
  for (int i = 0; i < 3; i++)
    assert_int_equal(stream_send(&f->stream, f->net, f->b, "x", 1), -EPIPE);
  arrive(f, "y", 1);
  assert_int_equal(stream_recv(&f->stream, f->net, f->b, &byte, 1), 1);
}

/* --- finding --- */

static void find_meets_a_pattern_however_it_is_cut(void **state) {
  struct fixture *f = *state;
  static const char text[] = "ab\r\n\r\r\n\r\ncd";
  size_t len = sizeof text - 1;
  for (size_t cut = 0; cut <= len; cut++) {
    for (size_t second = cut; second <= len; second++) {
      size_t ends[] = {cut, second, len};
      ssize_t at = -1;
      size_t from = 0;
      for (int i = 0; i < 3; i++) {
        if (ends[i] > from) {
          arrive(f, text + from, ends[i] - from);
          assert_int_equal(fill(f), ends[i] - from);
        }
        from = ends[i];
        at = stream_find(&f->stream, "\r\n\r\n", 4);
        assert_int_equal(at, ends[i] >= 9 ? 5 : -1);
      }
      stream_take(&f->stream, len);
    }
  }
}

static void find_looks_at_no_byte_twice(void **state) {
  struct fixture *f = *state;
  for (int i = 1; i <= 20; i++) {
    arrive(f, "xxxxxxxxxx", 10);
    assert_int_equal(fill(f), 10);
    assert_int_equal(stream_find(&f->stream, "--", 2), -1);
    assert_int_equal(f->stream.scanned, i * 10 - 1);
  }
}

static void taking_bytes_begins_the_search_anew(void **state) {
  struct fixture *f = *state;
  arrive(f, "abc;def;", 8);
  assert_int_equal(fill(f), 8);
  assert_int_equal(stream_find(&f->stream, "\n", 1), -1);
  stream_restart(&f->stream);
  assert_int_equal(stream_find(&f->stream, ";", 1), 3);
  stream_take(&f->stream, 4);
  assert_int_equal(stream_find(&f->stream, ";", 1), 3);
  assert_int_equal(stream_find(&f->stream, "\n", 1), -1);
  stream_take(&f->stream, 2);
  assert_int_equal(f->stream.scanned, 0);
  assert_int_equal(stream_find(&f->stream, ";", 1), 1);
}

static void a_pattern_longer_than_the_bytes_is_not_found(void **state) {
  struct fixture *f = *state;
  assert_int_equal(stream_find(&f->stream, "abc", 3), -1);
  arrive(f, "ab", 2);
  assert_int_equal(fill(f), 2);
  assert_int_equal(stream_find(&f->stream, "abc", 3), -1);
  arrive(f, "c", 1);
  assert_int_equal(fill(f), 1);
  assert_int_equal(stream_find(&f->stream, "abc", 3), 0);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      STREAM_TEST(recv_takes_the_buffer_first),
      STREAM_TEST(recv_writes_no_byte_beyond_what_was_asked),
      STREAM_TEST(what_was_read_ahead_lies_in_the_buffer),
      STREAM_TEST(reading_ahead_in_vain_keeps_no_memory),
      STREAM_TEST(fill_takes_no_more_than_the_scratch_holds),
      STREAM_TEST(the_end_comes_after_the_held_bytes_and_stays),
      STREAM_TEST(a_reset_comes_after_the_held_bytes_and_stays),
      STREAM_TEST(failures_for_the_moment_pass),
      STREAM_TEST(a_failure_of_one_direction_leaves_the_other),
      STREAM_TEST(find_meets_a_pattern_however_it_is_cut),
      STREAM_TEST(find_looks_at_no_byte_twice),
      STREAM_TEST(taking_bytes_begins_the_search_anew),
      STREAM_TEST(a_pattern_longer_than_the_bytes_is_not_found),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
