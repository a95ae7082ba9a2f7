/* The seam on both host backends, by number: rules 8 and 9, of closes and of the buffers that
 * all share, and the traps: what went wrong once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/backends.h"

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

enum { BUFFERS = 16, HOLDERS = 60, EACH = 40 };

/* Holders sleep on all buffers; the others are served, and the holders lose nothing. */
static void rule_9_a_dry_ring_starves_nobody(void **state) {
  net_h readers[HOLDERS], writers[HOLDERS];
  small_ring(RING_ENTRIES, RING_COMPLETIONS, BUFFERS);
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
  if (ring) assert_int_equal(ring_idle(ring), 0);
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

/* Submissions, completions and buffers run out, all in the same turns. */
static void a_ring_with_few_places_loses_nothing(void **state) {
  enum { ROUNDS = 5 };
  net_h readers[HOLDERS], writers[HOLDERS];
  small_ring(4, 8, 4);
  for (int i = 0; i < HOLDERS; i++) peers_pair(net, &readers[i], &writers[i]);
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < HOLDERS; i++) wait_on(readers[i]);
    for (int i = 0; i < HOLDERS; i++)
      assert_int_equal(net_send(net, writers[i], "ab", 2), 2);
    take_in();
    for (int i = 0; i < HOLDERS; i++) peers_expect(net, readers[i], "ab");
  }
  for (int i = 0; i < HOLDERS; i++) {
    wait_on(readers[i]);
    if (i % 2) put(writers[i], "x", 1);
    net_close(net, readers[i]);
    net_close(net, writers[i]);
  }
}

/* --- traps --- */

/* Its owner takes all that has come meanwhile, and waits. */
static void trap_4_who_drains_after_a_pause_is_woken(void **state) {
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

static const struct CMUnitTest tests[] = {
    BACKENDS_TEST(rule_8_a_close_in_flight_hands_nothing_to_the_next_owner),
    BACKENDS_TEST(rule_8_a_completion_of_a_former_owner_is_dropped),
    BACKENDS_TEST(rule_8_descriptors_of_closed_handles_can_be_used_at_once),
    BACKENDS_TEST(rule_9_a_dry_ring_starves_nobody),
    BACKENDS_TEST(rule_9_a_starved_handle_goes_back_to_the_ring),
    BACKENDS_TEST(a_ring_with_few_places_loses_nothing),
    BACKENDS_TEST(trap_4_who_drains_after_a_pause_is_woken),
    BACKENDS_TEST(trap_8_an_urgent_byte_stops_no_stream),
    BACKENDS_TEST(trap_9_a_close_keeps_what_is_still_to_leave),
    BACKENDS_TEST(an_exit_sends_what_is_queued_and_ends_what_is_armed),
    BACKENDS_TEST(a_cancelled_receive_that_completed_anyway_loses_nothing),
};

int main(void) {
  return BACKENDS_RUN(tests);
}
