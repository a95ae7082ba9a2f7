/* The rules and traps of the seam on both host backends, by their numbers: rule N is what the
 * backend promises, trap N what went wrong once where it did not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/host_uring.h"
#include "support/peers.h"

static const char *backend;
static struct net *net;
static net_h a, b; /* connected */
static char bytes[64 * 1024];

static int set_up(void **state) {
  int status;
  net = net_host(backend, &status);
  peers_pair(net, &a, &b);
  return 0;
}

/* Nothing is held for anybody, so the ring has all its buffers. */
static int tear_down(void **state) {
  if (a >= 0) net_close(net, a);
  if (b >= 0) net_close(net, b);
  net_flush(net, -1);
  const struct ring *ring = epoll_self(net)->ring;
  int held = ring ? RING_BUFFERS - ring_idle(ring) : 0;
  int open = net->open;
  net_free(net);
  return open + held;
}

/* --- helpers --- */

static bool on_ring(void) {
  return strcmp(backend, "uring") == 0;
}

/* What is there now, without sleeping. */
static int poll_now(struct net_event *events, int max) {
  int n = net_poll(net, events, max, 0);
  assert_true(n >= 0);
  return n;
}

/* Takes in all that has come; who is told does not matter. */
static void take_in(void) {
  struct net_event events[64];
  for (int quiet = 0; quiet < 3;) quiet = poll_now(events, 64) > 0 ? 0 : quiet + 1;
}

/* The peer's own send, past the queue. */
static void put(net_h to, const void *data, size_t n) {
  assert_int_equal(send(to, data, n, MSG_NOSIGNAL | MSG_DONTWAIT), n);
}

static void wait_on(net_h h) {
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), -EAGAIN);
}

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
  enum { MOST = 64 }; /* 32, and what the ring took before the cancel reached it */
  size_t sent = 0, got = 0;
  wait_on(a);
  for (int i = 0; i < 3000; i++) {
    sent += send(b, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
    take_in();
  }
  const struct ring *ring = epoll_self(net)->ring;
  if (ring) assert_true(ring_idle(ring) >= RING_BUFFERS - MOST);
  while (got < sent) got += (size_t)peers_recv(net, a, bytes, 100);
  assert_int_equal(got, sent);
}

/* --- rule 8 --- */

/* Bytes that were under way to a closed handle never reach its number's next owner. */
static void rule_8_a_close_in_flight_hands_nothing_to_the_next_owner(void **state) {
  net_close(net, b);
  net_close(net, a);
  a = b = -1;
  for (int i = 0; i < 300; i++) {
    net_h c, d;
    peers_pair(net, &c, &d);
    wait_on(c);
    put(d, "old", 3);
    if (i % 3 == 0) take_in();
    net_close(net, c); /* with a receive, or a completion, in flight */
    peers_pair(net, &c, &a);
    ssize_t r = net_recv(net, c, bytes, 8);
    assert_int_equal(r, -EAGAIN);
    if (i % 2) take_in();
    put(a, "new", 3);
    peers_expect(net, c, "new");
    net_close(net, a);
    net_close(net, c);
    net_close(net, d);
    a = -1;
  }
}

/* The number is used again, and waited for, before what the ring has told is taken in. */
static void rule_8_a_completion_of_a_former_owner_is_dropped(void **state) {
  struct addr addr;
  net_h l = peers_listener(net, &addr), former = a;
  wait_on(a);
  put(b, "old", 3);
  net_close(net, a);
  if (on_ring()) ring_reap(epoll_self(net)->ring); /* as a full queue does */
  a = net_socket(net, AF_INET, SOCK_STREAM, 0);
  assert_int_equal(a, former);
  while (net_connect(net, a, &addr) == -EAGAIN) continue;
  int peer = accept(l, NULL, NULL);
  wait_on(a);
  take_in();
  wait_on(a);
  put(peer, "new", 3);
  peers_expect(net, a, "new");
  close(peer);
  net_close(net, l);
}

static void rule_8_descriptors_of_closed_handles_can_be_used_at_once(void **state) {
  if (getenv("UNDER_VALGRIND")) skip(); /* which plays the limit itself */
  struct rlimit old, few;
  struct addr addr;
  net_h l = peers_listener(net, &addr);
  wait_on(a);
  net_h client = net_socket(net, AF_INET, SOCK_STREAM, 0);
  assert_int_equal(peers_connect(net, client, &addr), 0);
  getrlimit(RLIMIT_NOFILE, &old);
  int lowest = dup(0);
  close(lowest);
  few = (struct rlimit){(rlim_t)lowest, old.rlim_max};
  setrlimit(RLIMIT_NOFILE, &few);
  net_close(net, a); /* its number is the only one that is left */
  a = net_accept(net, l);
  setrlimit(RLIMIT_NOFILE, &old);
  assert_true(a >= 0);
  net_close(net, client);
  net_close(net, l);
}

/* --- rule 9 --- */

enum { HOLDERS = 60, EACH = 40 };

/* Holders sleep on all buffers; the others are served, and the holders lose nothing. */
static void rule_9_a_dry_ring_starves_nobody(void **state) {
  net_h readers[HOLDERS], writers[HOLDERS];
  for (int i = 0; i < HOLDERS; i++) {
    peers_pair(net, &readers[i], &writers[i]);
    wait_on(readers[i]);
  }
  wait_on(a);
  for (int k = 0; k < EACH; k++) {
    for (int i = 0; i < HOLDERS; i++) put(writers[i], &"0123456789"[k % 10], 1);
    take_in();
  }
  const struct ring *ring = epoll_self(net)->ring;
  if (ring) assert_true(ring_idle(ring) < 8);
  for (int i = 0; i < 20; i++) {
    put(b, "echo", 4);
    peers_await(net, a, NET_RD);
    peers_expect(net, a, "echo");
    wait_on(a);
  }
  for (int i = 0; i < HOLDERS; i++) {
    for (int k = 0; k < EACH; k++) {
      char text[2] = {"0123456789"[k % 10]};
      peers_expect(net, readers[i], text);
    }
    net_close(net, readers[i]);
    net_close(net, writers[i]);
  }
}

static void rule_9_a_starved_handle_goes_back_to_the_ring(void **state) {
  rule_9_a_dry_ring_starves_nobody(state);
  wait_on(a);
  put(b, "x", 1);
  peers_expect(net, a, "x");
  if (net_recv(net, a, bytes, 8) == -EAGAIN)
    assert_int_equal(uring_is_armed(epoll_self(net), a), on_ring());
}

/* --- traps --- */

/* The receive was cancelled because too much was held; its owner takes all, and waits. */
static void trap_4_a_cancel_for_back_pressure_wakes_who_drained_meanwhile(void **state) {
  for (int round = 0; round < 3; round++) {
    wait_on(a);
    for (int i = 0; i < 40; i++) {
      put(b, "y", 1);
      if (i % 5 == 0) take_in();
    }
    for (int got = 0; got < 40;) got += (int)peers_recv(net, a, bytes, 100);
    wait_on(a);
    put(b, "z", 1);
    peers_expect(net, a, "z");
  }
}

/* A plain read goes past an urgent byte, and stops short before it. */
static void trap_8_an_urgent_byte_stops_no_stream(void **state) {
  wait_on(a);
  put(b, "before", 6);
  assert_int_equal(send(b, "!", 1, MSG_OOB), 1);
  put(b, "after", 5);
  peers_expect(net, a, "beforeafter");
  wait_on(a);
  put(b, "more", 4);
  peers_expect(net, a, "more");
}

static void trap_9_a_close_keeps_what_is_still_to_leave(void **state) {
  size_t sent = 0, got = 0;
  wait_on(a);
  for (ssize_t r; (r = net_send(net, a, bytes, 10000)) > 0; sent += (size_t)r)
    net_flush(net, a);
  assert_int_equal(net_close(net, a), 0);
  a = -1;
  for (;;) {
    ssize_t r = recv(b, bytes, sizeof bytes, MSG_DONTWAIT);
    if (r == 0) break;
    if (r > 0) got += (size_t)r;
    if (r < 0) take_in();
  }
  assert_int_equal(got, sent);
}

static void an_exit_sends_what_is_queued_and_ends_what_is_armed(void **state) {
  wait_on(a);
  int peer = dup(b);
  assert_int_equal(net_send(net, a, "last", 4), 4);
  net_close(net, a);
  net_close(net, b);
  a = b = -1;
  assert_int_equal(net_drain(net, net_now(net) + 5000000000), 0);
  net_flush(net, -1);
  assert_int_equal(recv(peer, bytes, 8, 0), 4);
  assert_int_equal(recv(peer, bytes, 8, 0), 0);
  close(peer);
}

/* Whoever reads directly finds what the ring had received, though nobody took it in yet. */
static void a_cancelled_receive_that_completed_anyway_loses_nothing(void **state) {
  wait_on(a);
  put(b, "abc", 3);
  assert_int_equal(net_discard(net, a, 2), 2);
  peers_expect(net, a, "c");
}

#define SEAM_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    SEAM_TEST(rule_1_who_has_got_eagain_is_woken_once),
    SEAM_TEST(rule_1_who_waits_to_write_is_woken_beside_who_reads),
    SEAM_TEST(rule_1_a_reader_is_woken_however_much_comes),
    SEAM_TEST(rule_1_the_ring_is_made_by_the_first_stream_that_waits),
    SEAM_TEST(rule_2_what_does_not_fit_stays_for_the_next_poll),
    SEAM_TEST(rule_2_a_handle_comes_once_a_poll_though_it_reads_and_writes),
    SEAM_TEST(rule_3_the_end_and_a_reset_are_events),
    SEAM_TEST(rule_3_a_timeout_leaves_what_comes_for_the_next_recv),
    SEAM_TEST(rule_4_a_slow_reader_gets_every_byte_in_order),
    SEAM_TEST(rule_4_a_full_peer_holds_the_sender_back_and_wakes_it),
    SEAM_TEST(rule_5_small_sends_leave_as_one_at_the_poll),
    SEAM_TEST(rule_5_what_is_queued_leaves_before_a_spin),
    SEAM_TEST(rule_6_an_error_is_told_once_after_the_bytes_before_it),
    SEAM_TEST(rule_7_what_is_held_for_one_handle_is_bounded),
    SEAM_TEST(rule_8_a_close_in_flight_hands_nothing_to_the_next_owner),
    SEAM_TEST(rule_8_a_completion_of_a_former_owner_is_dropped),
    SEAM_TEST(rule_8_descriptors_of_closed_handles_can_be_used_at_once),
    SEAM_TEST(rule_9_a_dry_ring_starves_nobody),
    SEAM_TEST(rule_9_a_starved_handle_goes_back_to_the_ring),
    SEAM_TEST(trap_4_a_cancel_for_back_pressure_wakes_who_drained_meanwhile),
    SEAM_TEST(trap_8_an_urgent_byte_stops_no_stream),
    SEAM_TEST(trap_9_a_close_keeps_what_is_still_to_leave),
    SEAM_TEST(an_exit_sends_what_is_queued_and_ends_what_is_armed),
    SEAM_TEST(a_cancelled_receive_that_completed_anyway_loses_nothing),
};

/* A kernel that has no io_uring for us is tested with epoll. */
int main(void) {
  alarm(60); /* a poll that sleeps for ever ends the program */
  backend = "epoll";
  int failed = cmocka_run_group_tests_name("epoll", tests, NULL, NULL);
  backend = "uring";
  if (net_host_has_uring() < 0) return failed;
  return failed + cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
}
