/* A ring with few places: what happens where one of them runs out, and what the kernel tells
 * of operations that ended otherwise than asked. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/host.h"
#include "net/host_ring.h"

enum { ENTRIES = 4, COMPLETIONS = 8, BUFFERS = 4, MANY = 40 };

static struct ring *ring;
static int a, b; /* a pair of streams */

static int set_up(void **state) {
  int status, fds[2];
  ring = ring_open_sized(ENTRIES, COMPLETIONS, BUFFERS, &status);
  if (!ring || host_pair(AF_UNIX, SOCK_STREAM, fds) < 0) return -1;
  a = fds[0];
  b = fds[1];
  return 0;
}

static int tear_down(void **state) {
  ring_close(ring);
  close(a);
  close(b);
  return 0;
}

/* Takes the next completion in. */
static struct ring_done next(void) {
  struct ring_done done;
  assert_int_equal(ring_reap(ring), 0);
  assert_true(ring_next(ring, &done));
  return done;
}

static void no_more(void) {
  struct ring_done done;
  assert_int_equal(ring_reap(ring), 0);
  assert_false(ring_next(ring, &done));
}

static void put(const char *text) {
  assert_int_equal(send(b, text, strlen(text), MSG_DONTWAIT), strlen(text));
}

static void trap_1_a_receive_waits_though_the_descriptor_does_not_block(void **state) {
  for (int i = 0; i < 3; i++) {
    ring_recv(ring, a, 7);
    no_more();
    put("abc");
    struct ring_done done = next();
    assert_int_equal(done.op, RING_RECV);
    assert_int_equal(done.id, a);
    assert_int_equal(done.generation, 7);
    assert_int_equal(done.result, 3);
    assert_false(done.rest);
    assert_memory_equal(ring_bytes(ring, done.buffer), "abc", 3);
    ring_give(ring, done.buffer);
  }
}

static void a_full_submission_queue_is_submitted(void **state) {
  char got[MANY];
  for (int i = 0; i < MANY; i++) ring_send(ring, b, (uint32_t)i, "x", 1);
  no_more();
  assert_false(ring_queued(ring));
  assert_int_equal(recv(a, got, sizeof got, MSG_DONTWAIT), MANY);
}

static void completions_that_have_no_place_are_not_lost(void **state) {
  int seen[MANY] = {0};
  struct ring_done done;
  shutdown(b, SHUT_WR);
  for (int i = 0; i < MANY; i++) ring_send(ring, b, (uint32_t)i, "x", 1);
  assert_int_equal(ring_reap(ring), 0);
  while (ring_next(ring, &done)) {
    assert_int_equal(done.result, -EPIPE);
    seen[done.id]++;
  }
  for (int i = 0; i < MANY; i++) assert_int_equal(seen[i], 1);
}

static void a_send_that_comes_short_tells_how_much_has_gone(void **state) {
  static char much[16 * 1024 * 1024];
  ring_send(ring, b, 3, much, sizeof much);
  struct ring_done done = next();
  assert_int_equal(done.op, RING_SEND);
  assert_int_equal(done.id, 3);
  assert_true(done.result > 0 && (size_t)done.result < sizeof much);
  ring_send(ring, b, 4, much, 1);
  assert_int_equal(next().result, -EAGAIN);
  no_more();
}

static void a_receive_without_a_buffer_says_so_and_ends(void **state) {
  struct ring_done done;
  int held[BUFFERS];
  for (int i = 0; i < BUFFERS; i++) {
    ring_recv(ring, a, 1);
    put("x");
    held[i] = next().buffer;
    assert_true(held[i] >= 0);
  }
  assert_int_equal(ring_idle(ring), 0);
  ring_recv(ring, a, 1);
  put("y");
  done = next();
  assert_int_equal(done.result, -ENOBUFS);
  for (int i = 0; i < BUFFERS; i++) ring_give(ring, held[i]);
  assert_int_equal(ring_idle(ring), BUFFERS);
  ring_recv(ring, a, 2); /* what came meanwhile is there */
  done = next();
  assert_int_equal(done.result, 1);
  assert_memory_equal(ring_bytes(ring, done.buffer), "y", 1);
}

static void a_cancelled_receive_tells_first_what_it_has_received(void **state) {
  ring_recv(ring, a, 1);
  no_more();
  put("abc");
  ring_cancel_recv(ring, a, 1);
  struct ring_done done = next();
  if (done.result > 0) {
    assert_int_equal(done.result, 3);
    ring_give(ring, done.buffer);
    done = next();
    assert_int_equal(done.result, -ECANCELED);
  } else { /* then the bytes are where they were */
    char got[4];
    assert_int_equal(recv(a, got, sizeof got, MSG_DONTWAIT), 3);
  }
  no_more();
}

static void a_cancel_means_one_generation_only(void **state) {
  ring_recv(ring, a, 1);
  ring_cancel_recv(ring, a, 2); /* that there is none is all that is told */
  struct ring_done done = next();
  assert_int_equal(done.op, RING_CANCEL);
  assert_int_equal(done.result, -ENOENT);
  put("x");
  assert_int_equal(next().result, 1);
}

static void a_wait_ends_at_its_deadline(void **state) {
  ring_recv(ring, a, 1);
  int64_t deadline = host_now(NULL) + 2000000;
  assert_int_equal(ring_enter(ring, deadline), 0);
  assert_true(host_now(NULL) >= deadline);
  no_more();
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void the_kernel_has_no_io_uring_for_this_process(void **state) {
  assert_true(net_host_has_uring() < 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      RING_TEST(trap_1_a_receive_waits_though_the_descriptor_does_not_block),
      RING_TEST(a_full_submission_queue_is_submitted),
      RING_TEST(completions_that_have_no_place_are_not_lost),
      RING_TEST(a_send_that_comes_short_tells_how_much_has_gone),
      RING_TEST(a_receive_without_a_buffer_says_so_and_ends),
      RING_TEST(a_cancelled_receive_tells_first_what_it_has_received),
      RING_TEST(a_cancel_means_one_generation_only),
      RING_TEST(a_wait_ends_at_its_deadline),
  };
  alarm(30); /* a wait that sleeps for ever ends the program */
  const struct CMUnitTest none[] = {
      cmocka_unit_test(the_kernel_has_no_io_uring_for_this_process),
  };
  return net_host_has_uring() < 0 ? cmocka_run_group_tests(none, NULL, NULL)
                                  : cmocka_run_group_tests(tests, NULL, NULL);
}
