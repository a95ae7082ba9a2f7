/* The seam on both host backends, by the numbers of its rules: what is received, sent and told
 * (test_seam_handles has the rules of closes and of the buffers). */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "support/backends.h"

/* Ends `h` with a reset, whatever it holds. */
static void reset(net_h h) {
  struct linger now = {1, 0};
  assert_int_equal(net_setopt(net, h, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  net_close(net, h);
  take_in();
}

/* --- rule 1 --- */

static void rule_1_who_has_got_eagain_is_woken_once(void **state) {
  struct net_event events[8];
  for (int i = 0; i < 3; i++) wait_on(a);
  put(b, "abc", 3);
  assert_int_equal(net_poll(net, events, 8, net_now(net) + 5000000000), 1);
  assert_int_equal(events[0].h, a);
  assert_true(events[0].what & NET_RD);
  peers_expect(net, a, "abc");
  assert_int_equal(poll_now(events, 8), 0);
}

/* Epoll tells of room, the ring of bytes, in whatever order the two begin to wait. */
static void rule_1_who_waits_to_write_is_woken_beside_who_reads(void **state) {
  for (int round = 0; round < 3; round++) {
    if (round > 0) wait_on(a);
    while (net_send(net, a, bytes, sizeof bytes) > 0) continue;
    if (round < 2) wait_on(a);
    while (recv(b, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
    peers_await(net, a, NET_WR);
    while (net_flush(net, a) == -EAGAIN) {
      while (recv(b, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
      take_in();
    }
    while (recv(b, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
    put(b, "abc", 3);
    peers_expect(net, a, "abc");
  }
}

/* What is read directly, in great numbers, and what the ring receives, in turns. */
static void rule_1_a_reader_is_woken_however_much_comes(void **state) {
  for (int round = 0; round < 12; round++) {
    size_t n = round % 3 ? 5 : 20000, got = 0;
    wait_on(a);
    put(b, bytes, n);
    while (got < n) got += (size_t)peers_recv(net, a, bytes, sizeof bytes);
    assert_int_equal(got, n);
  }
}

static void rule_1_the_ring_is_made_by_the_first_stream_that_waits(void **state) {
  struct epoll_net *e = epoll_self(net);
  assert_null(e->ring);
  wait_on(a);
  assert_int_equal(e->ring != NULL, on_ring());
}

/* --- rule 2 --- */

static void rule_2_what_does_not_fit_stays_for_the_next_poll(void **state) {
  enum { PAIRS = 5 };
  net_h readers[PAIRS], writers[PAIRS];
  struct net_event event;
  int seen[PAIRS] = {0};
  for (int i = 0; i < PAIRS; i++) {
    peers_pair(net, &readers[i], &writers[i]);
    wait_on(readers[i]);
  }
  for (int i = 0; i < PAIRS; i++) put(writers[i], "x", 1);
  for (int found = 0; found < PAIRS;) {
    assert_int_equal(net_poll(net, &event, 1, net_now(net) + 5000000000), 1);
    for (int i = 0; i < PAIRS; i++)
      if (event.h == readers[i] && seen[i]++ == 0) found++;
  }
  for (int i = 0; i < PAIRS; i++) {
    peers_expect(net, readers[i], "x");
    net_close(net, readers[i]);
    net_close(net, writers[i]);
  }
}

static void rule_2_a_handle_comes_once_a_poll_though_it_reads_and_writes(void **state) {
  struct net_event events[8];
  while (net_send(net, a, bytes, sizeof bytes) > 0) continue; /* waits for both ways */
  wait_on(a);
  put(b, "x", 1);
  while (recv(b, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  for (int i = 0; i < 20; i++) {
    int n = poll_now(events, 8), of_a = 0;
    for (int k = 0; k < n; k++) of_a += events[k].h == a;
    assert_true(of_a <= 1);
    while (recv(b, bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
  }
  peers_expect(net, a, "x");
}

/* --- rule 3 --- */

static void rule_3_the_end_and_a_reset_are_events(void **state) {
  wait_on(a);
  shutdown(b, SHUT_WR);
  peers_await(net, a, NET_RD);
  assert_int_equal(net_recv(net, a, bytes, 8), 0);
  net_h c, d;
  peers_pair(net, &c, &d);
  wait_on(c);
  reset(d);
  assert_int_equal(peers_recv(net, c, bytes, 8), -ECONNRESET);
  net_close(net, c);
}

static void rule_3_a_timeout_leaves_what_comes_for_the_next_recv(void **state) {
  struct net_event events[8];
  for (int i = 0; i < 2; i++) {
    wait_on(a);
    int64_t deadline = net_now(net) + 1000000;
    while (net_poll(net, events, 8, deadline) > 0) continue; /* hints */
    assert_true(net_now(net) >= deadline);
  }
  put(b, "late", 4);
  take_in(); /* nobody waits any more */
  peers_expect(net, a, "late");
}

/* --- rule 4 --- */

/* 4 MB in sends of all sizes to a reader that pauses: each byte, in order. */
static void rule_4_a_slow_reader_gets_every_byte_in_order(void **state) {
  enum { TOTAL = 4000000 };
  size_t sent = 0, got = 0, next = 1;
  struct net_event events[8];
  static char out[40000], in[7777];
  while (got < TOTAL) {
    while (sent < TOTAL) {
      size_t n = next < TOTAL - sent ? next : TOTAL - sent;
      for (size_t i = 0; i < n; i++) out[i] = (char)((sent + i) * 31 >> 3);
      ssize_t r = net_send(net, a, out, n);
      if (r == -EAGAIN) break;
      assert_true(r > 0);
      sent += (size_t)r;
      next = next * 7 % 39989 + 1;
    }
    poll_now(events, 8);
    ssize_t r = net_recv(net, b, in, got % 3 ? sizeof in : 100);
    if (r == -EAGAIN) continue;
    assert_true(r > 0);
    for (ssize_t i = 0; i < r; i++)
      assert_int_equal(in[i], (char)((got + (size_t)i) * 31 >> 3));
    got += (size_t)r;
  }
}

/* A receiver with little room: sends come short, and go on by themselves. */
static void rule_4_a_full_peer_holds_the_sender_back_and_wakes_it(void **state) {
  size_t sent = 0, got = 0;
  for (ssize_t r; (r = net_send(net, a, bytes, 10000)) != -EAGAIN; sent += (size_t)r) {
    assert_true(r > 0);
    net_flush(net, a);
    assert_true(sent < 64u * 1024 * 1024);
  }
  while (got < sent) {
    ssize_t r = recv(b, bytes, sizeof bytes, MSG_DONTWAIT);
    if (r > 0) got += (size_t)r;
    if (r < 0) take_in();
  }
  assert_int_equal(got, sent);
  assert_int_equal(peers_send(net, a, "x", 1), 1);
}

/* --- rule 5 --- */

static void rule_5_small_sends_leave_as_one_at_the_poll(void **state) {
  for (int i = 0; i < 1000; i++) assert_int_equal(net_send(net, a, "123456789", 9), 9);
  assert_int_equal(recv(b, bytes, 1, MSG_DONTWAIT | MSG_PEEK), -1);
  assert_int_equal(epoll_self(net)->outq.count, 1);
  take_in();
  assert_int_equal(recv(b, bytes, sizeof bytes, MSG_DONTWAIT), 9000);
}

static void rule_5_what_is_queued_leaves_before_a_spin(void **state) {
  struct net_event events[8];
  wait_on(a);
  take_in();
  put(b, "x", 1);
  if (on_ring()) ring_reap(epoll_self(net)->ring); /* its completion is there */
  net->spin_ns = 1000000;
  assert_int_equal(net_send(net, a, "y", 1), 1);
  assert_int_equal(net_poll(net, events, 8, NET_NEVER), 1);
  assert_int_equal(recv(b, bytes, 1, MSG_DONTWAIT), 1);
  peers_expect(net, a, "x");
}

/* --- rule 6 --- */

static void rule_6_an_error_is_told_once_after_the_bytes_before_it(void **state) {
  struct net_event events[8];
  wait_on(a);
  put(b, "abc", 3);
  take_in();
  struct linger now = {1, 0};
  assert_int_equal(net_setopt(net, b, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  net_close(net, b);
  b = -1;
  poll_now(events, 8);
  peers_expect(net, a, "abc");
  assert_int_equal(peers_recv(net, a, bytes, 8), -ECONNRESET); /* trap 2: not lost */
  ssize_t r = net_send(net, a, "x", 1);
  if (r > 0) r = net_flush(net, a);
  assert_int_equal(r, -EPIPE);
}

/* --- rule 7 --- */

static void rule_7_what_is_held_for_one_handle_is_bounded(void **state) {
  size_t sent = 0, got = 0;
  wait_on(a);
  for (int i = 0; i < 3000; i++) {
    sent += send(b, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    take_in();
  }
  const struct ring *ring = epoll_self(net)->ring;
  if (ring) assert_true(ring_idle(ring) >= RING_BUFFERS - 1);
  while (got < sent) got += (size_t)peers_recv(net, a, bytes, 100);
  assert_int_equal(got, sent);
}

static const struct CMUnitTest tests[] = {
    BACKENDS_TEST(rule_1_who_has_got_eagain_is_woken_once),
    BACKENDS_TEST(rule_1_who_waits_to_write_is_woken_beside_who_reads),
    BACKENDS_TEST(rule_1_a_reader_is_woken_however_much_comes),
    BACKENDS_TEST(rule_1_the_ring_is_made_by_the_first_stream_that_waits),
    BACKENDS_TEST(rule_2_what_does_not_fit_stays_for_the_next_poll),
    BACKENDS_TEST(rule_2_a_handle_comes_once_a_poll_though_it_reads_and_writes),
    BACKENDS_TEST(rule_3_the_end_and_a_reset_are_events),
    BACKENDS_TEST(rule_3_a_timeout_leaves_what_comes_for_the_next_recv),
    BACKENDS_TEST(rule_4_a_slow_reader_gets_every_byte_in_order),
    BACKENDS_TEST(rule_4_a_full_peer_holds_the_sender_back_and_wakes_it),
    BACKENDS_TEST(rule_5_small_sends_leave_as_one_at_the_poll),
    BACKENDS_TEST(rule_5_what_is_queued_leaves_before_a_spin),
    BACKENDS_TEST(rule_6_an_error_is_told_once_after_the_bytes_before_it),
    BACKENDS_TEST(rule_7_what_is_held_for_one_handle_is_bounded),
};

int main(void) {
  return BACKENDS_RUN(tests);
}
