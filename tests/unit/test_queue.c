/* What the seam promises of streams whose sends are queued and whose bytes are read ahead, on
 * the epoll backend: when the queue leaves, in which order, and who is told of an error. */
#include <errno.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/host_ahead.h"
#include "net/outq.h"
#include "support/nets.h"
#include "support/peers.h"

static struct net *net;
static net_h a, b;
static char bytes[OUTQ_ARENA_BYTES];

static int set_up(void **state) {
  int status;
  net = net_host(getenv("SOQUETE_BACKEND"), &status);
  peers_pair(net, &a, &b);
  return 0;
}

static int tear_down(void **state) {
  if (a >= 0) net_close(net, a);
  if (b >= 0) net_close(net, b);
  int open = net->open;
  net_free(net);
  return open;
}

static void poll_now(void) {
  struct net_event events[8];
  assert_true(net_poll(net, events, 8, 0) >= 0);
}

/* How many bytes the kernel has for b, up to a few. */
static ssize_t arrived(void) {
  char some[64];
  ssize_t r = recv(b, some, sizeof some, MSG_PEEK | MSG_DONTWAIT);
  return r < 0 ? -errno : r;
}

/* b is reset while bytes of a are queued. */
static void reset_under_a_queued_send(void) {
  struct linger now = {1, 0};
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_setopt(net, b, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  assert_int_equal(net_close(net, b), 0);
  b = -1;
  poll_now(); /* the send meets the reset */
}

/* --- when the queue leaves --- */

static void a_small_send_leaves_at_the_poll(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_send(net, a, "de", 2), 2);
  assert_int_equal(arrived(), -EAGAIN);
  poll_now();
  assert_int_equal(arrived(), 5);
}

static void a_flush_of_the_handle_sends_what_is_queued(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_flush(net, a), 0);
  assert_int_equal(arrived(), 3);
}

static void a_flush_of_all_sends_what_is_queued(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_flush(net, -1), 0);
  assert_int_equal(arrived(), 3);
}

static void the_end_comes_after_what_is_queued(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_shutdown(net, a, SHUT_WR), 0);
  peers_expect(net, b, "abc");
  assert_int_equal(peers_recv(net, b, bytes, 1), 0);
}

static void a_close_sends_what_is_queued(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_close(net, a), 0);
  a = -1;
  peers_expect(net, b, "abc");
  assert_int_equal(peers_recv(net, b, bytes, 1), 0);
}

static void a_message_goes_after_what_is_queued(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_sendto(net, a, "de", 2, NULL, 0), 2);
  assert_int_equal(arrived(), 5);
  peers_expect(net, b, "abcde");
}

static void a_large_send_goes_at_once_after_what_is_queued(void **state) {
  memset(bytes, 'x', sizeof bytes);
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_true(net_send(net, a, bytes, OUTQ_SMALL_BYTES + 1) > 0);
  assert_true(arrived() > 3);
  peers_expect(net, b, "abcx");
}

static void a_full_arena_leaves_by_itself(void **state) {
  size_t sent = 0, got = 0;
  while (sent < 2 * OUTQ_ARENA_BYTES) {
    ssize_t r = net_send(net, a, bytes, OUTQ_SMALL_BYTES);
    if (r > 0) sent += (size_t)r;
    while (r == -EAGAIN && (r = net_recv(net, b, bytes, sizeof bytes)) > 0)
      got += (size_t)r;
    assert_true(r > 0 || r == -EAGAIN);
  }
  while (got < sent) got += (size_t)peers_recv(net, b, bytes, sizeof bytes);
  assert_int_equal(got, sent);
}

static void what_a_closed_handle_left_leaves_while_others_poll(void **state) {
  size_t sent = 0, got = 0;
  ssize_t r;
  while ((r = net_send(net, a, bytes, OUTQ_SMALL_BYTES)) > 0) sent += (size_t)r;
  assert_int_equal(net_close(net, a), 0);
  a = -1;
  while ((r = peers_recv(net, b, bytes, sizeof bytes)) > 0) got += (size_t)r;
  assert_int_equal(r, 0);
  assert_int_equal(got, sent);
  assert_int_equal(net_drain(net, 0), 0);
}

/* --- errors --- */

static void the_error_of_a_queued_send_is_told_once_by_the_next_send(void **state) {
  reset_under_a_queued_send();
  assert_int_equal(net_send(net, a, "x", 1), -ECONNRESET);
  assert_int_equal(net_send(net, a, "x", 1), -EPIPE);
  assert_int_equal(net_close(net, a), 0);
  a = -1;
}

static void the_error_of_a_queued_send_is_told_by_recv(void **state) {
  reset_under_a_queued_send();
  assert_int_equal(peers_recv(net, a, bytes, 1), -ECONNRESET);
  assert_int_equal(net_send(net, a, "x", 1), -EPIPE);
}

static void the_error_of_a_queued_send_is_told_by_flush(void **state) {
  reset_under_a_queued_send();
  assert_int_equal(net_flush(net, a), -ECONNRESET);
}

static void the_error_of_a_queued_send_is_told_by_close(void **state) {
  reset_under_a_queued_send();
  assert_int_equal(net_close(net, a), -ECONNRESET);
  a = -1;
}

static void held_bytes_come_before_the_error(void **state) {
  struct linger now = {1, 0};
  assert_int_equal(net_recv(net, a, bytes, 8), -EAGAIN);
  assert_int_equal(net_send(net, b, "abc", 3), 3);
  assert_int_equal(net_flush(net, b), 0);
  peers_await(net, a, NET_RD); /* they are read ahead */
  assert_int_equal(net_setopt(net, b, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  net_close(net, b);
  b = -1;
  poll_now();
  assert_int_equal(net_recv(net, a, bytes, 2), 2);
  assert_int_equal(net_recv(net, a, bytes, 8), 1);
  assert_int_equal(peers_recv(net, a, bytes, 8), -ECONNRESET);
}

/* --- read-ahead --- */

static void bytes_are_read_ahead_for_who_waits(void **state) {
  assert_int_equal(net_recv(net, b, bytes, 8), -EAGAIN);
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  peers_await(net, b, NET_RD);
  assert_int_equal(arrived(), -EAGAIN); /* the kernel has none: they are held */
  peers_expect(net, b, "abc");
}

/* But a ring receives for who has waited once, into a chain of buffers. */
static void nothing_is_read_ahead_for_who_does_not_wait(void **state) {
  if (nets_have_ring()) return;
  assert_int_equal(net_recv(net, b, bytes, 8), -EAGAIN);
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  peers_await(net, b, NET_RD);
  peers_expect(net, b, "abc");
  assert_int_equal(net_send(net, a, "de", 2), 2);
  poll_now();
  assert_int_equal(arrived(), 2);
  peers_expect(net, b, "de");
}

/* How many of n bytes, which come after b has begun to wait, are read ahead. */
static ssize_t read_ahead_of(size_t n) {
  while (net_recv(net, b, bytes, sizeof bytes) != -EAGAIN) continue;
  assert_int_equal(peers_send(net, a, bytes, n), n);
  peers_await(net, b, NET_RD);
  ssize_t left = recv(b, bytes, n, MSG_PEEK | MSG_DONTWAIT);
  return (ssize_t)n - (left > 0 ? left : 0);
}

static void who_receives_much_is_left_to_read_it_himself(void **state) {
  if (nets_have_ring()) return;
  assert_int_equal(read_ahead_of(100), 100);
  assert_int_equal(read_ahead_of(10000), AHEAD_CHUNK_BYTES);
  assert_int_equal(read_ahead_of(10000), 0);
  assert_int_equal(read_ahead_of(100), 0); /* only its owner sees that it was little */
  assert_int_equal(read_ahead_of(100), 100);
}

static void held_bytes_are_ready_and_can_be_peeked_at(void **state) {
  struct net_event asked = {b, NET_RD};
  struct iovec iov = {bytes, 8};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  assert_int_equal(net_recv(net, b, bytes, 8), -EAGAIN);
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  peers_await(net, b, NET_RD);
  assert_int_equal(net_ready(net, &asked, 1), 1);
  assert_int_equal(net_recvmsg(net, b, &msg, MSG_PEEK), 3);
  peers_expect(net, b, "abc");
}

/* Without a poll in between, which alone takes events in. */
static void who_asks_again_sees_what_has_come(void **state) {
  assert_int_equal(net_send(net, a, "abc", 3), 3);
  assert_int_equal(net_flush(net, a), 0);
  assert_int_equal(net_recv(net, b, bytes, 8), 3); /* a short read */
  assert_int_equal(net_send(net, a, "de", 2), 2);
  assert_int_equal(net_flush(net, a), 0);
  ssize_t r = net_recv(net, b, bytes, 8);
  if (r == -EAGAIN) r = net_recv(net, b, bytes, 8);
  assert_int_equal(r, 2);
}

#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      QUEUE_TEST(a_small_send_leaves_at_the_poll),
      QUEUE_TEST(a_flush_of_the_handle_sends_what_is_queued),
      QUEUE_TEST(a_flush_of_all_sends_what_is_queued),
      QUEUE_TEST(the_end_comes_after_what_is_queued),
      QUEUE_TEST(a_close_sends_what_is_queued),
      QUEUE_TEST(a_message_goes_after_what_is_queued),
      QUEUE_TEST(a_large_send_goes_at_once_after_what_is_queued),
      QUEUE_TEST(a_full_arena_leaves_by_itself),
      QUEUE_TEST(what_a_closed_handle_left_leaves_while_others_poll),
      QUEUE_TEST(the_error_of_a_queued_send_is_told_once_by_the_next_send),
      QUEUE_TEST(the_error_of_a_queued_send_is_told_by_recv),
      QUEUE_TEST(the_error_of_a_queued_send_is_told_by_flush),
      QUEUE_TEST(the_error_of_a_queued_send_is_told_by_close),
      QUEUE_TEST(held_bytes_come_before_the_error),
      QUEUE_TEST(bytes_are_read_ahead_for_who_waits),
      QUEUE_TEST(nothing_is_read_ahead_for_who_does_not_wait),
      QUEUE_TEST(who_receives_much_is_left_to_read_it_himself),
      QUEUE_TEST(held_bytes_are_ready_and_can_be_peeked_at),
      QUEUE_TEST(who_asks_again_sees_what_has_come),
  };
  alarm(30); /* a poll that sleeps for ever ends the program */
  return cmocka_run_group_tests(tests, NULL, NULL);
}
