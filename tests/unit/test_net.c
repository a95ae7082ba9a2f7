/* The rules of net.h, for every net. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "support/nets.h"
#include "support/peers.h"

/* How often `h` is among the events. */
static int times(const struct net_event *events, int n, net_h h) {
  int count = 0;
  for (int i = 0; i < n; i++) count += events[i].h == h;
  return count;
}

static void close_both(struct net *net, net_h a, net_h b) {
  net_close(net, a);
  net_close(net, b);
}

/* Sends a byte without poll, which would take events in. */
static void put(struct net *net, net_h h) {
  ssize_t r;
  do r = net_send(net, h, "x", 1);
  while (r == -EAGAIN);
  assert_int_equal(r, 1);
}

/* --- streams --- */

static void connect_accept_send_and_recv_meet(void **state) {
  struct net *net = *state;
  net_h a, b;
  peers_pair(net, &a, &b);
  ssize_t n = peers_send(net, a, "hello", 5);
  assert_true(n >= 1 && n <= 5);
  char text[6] = {0};
  memcpy(text, "hello", (size_t)n);
  peers_expect(net, b, text);
  close_both(net, a, b);
}

static void names_of_both_ends_match(void **state) {
  struct net *net = *state;
  net_h a, b;
  struct addr local, peer;
  peers_pair(net, &a, &b);
  assert_int_equal(net_name_of(net, a, NET_LOCAL, &local), 0);
  assert_int_equal(net_name_of(net, b, NET_PEER, &peer), 0);
  assert_int_equal(local.len, peer.len);
  assert_memory_equal(&local.u, &peer.u, local.len);
  close_both(net, a, b);
}

static void an_unconnected_stream_has_no_peer(void **state) {
  struct net *net = *state;
  struct addr addr;
  net_h h = net_socket(net, AF_INET, SOCK_STREAM, 0);
  assert_int_equal(net_name_of(net, h, NET_PEER, &addr), -ENOTCONN);
  net_close(net, h);
}

static void recv_that_would_block_is_woken_by_bytes(void **state) {
  struct net *net = *state;
  net_h a, b;
  char byte;
  peers_pair(net, &a, &b);
  for (int i = 0; i < 5; i++) {
    assert_int_equal(net_recv(net, b, &byte, 1), -EAGAIN);
    put(net, a);
    peers_await(net, b, NET_RD);
    assert_int_equal(peers_recv(net, b, &byte, 1), 1);
    assert_int_equal(byte, 'x');
  }
  close_both(net, a, b);
}

static void recv_that_would_block_is_woken_by_the_end(void **state) {
  struct net *net = *state;
  net_h a, b;
  char byte;
  peers_pair(net, &a, &b);
  assert_int_equal(net_recv(net, b, &byte, 1), -EAGAIN);
  net_close(net, a);
  peers_await(net, b, NET_RD);
  assert_int_equal(peers_recv(net, b, &byte, 1), 0);
  net_close(net, b);
}

static void recv_that_would_block_is_woken_by_a_reset(void **state) {
  struct net *net = *state;
  net_h a, b;
  char byte;
  peers_pair(net, &a, &b);
  assert_int_equal(peers_send(net, b, "u", 1), 1);
  assert_int_equal(peers_recv(net, a, &byte, 1), 1);
  assert_int_equal(peers_send(net, b, "unread", 1), 1);
  net_flush(net, b);
  assert_int_equal(net_recv(net, b, &byte, 1), -EAGAIN);
  net_close(net, a);
  peers_await(net, b, NET_RD);
  assert_int_equal(peers_recv(net, b, &byte, 1), -ECONNRESET);
  net_close(net, b);
}

static void accept_that_would_block_is_woken_by_a_client(void **state) {
  struct net *net = *state;
  struct addr addr;
  struct net_event events[4];
  net_h l = peers_listener(net, &addr), a = net_socket(net, AF_INET, SOCK_STREAM, 0), b;
  do b = net_accept(net, l);
  while (b != -EAGAIN);
  bool connected = false, woken = false;
  while (!connected || !woken) {
    if (!connected) connected = net_connect(net, a, &addr) == 0;
    int n = woken ? 0 : net_poll(net, events, 4, net_now(net) + 1000000000);
    assert_true(n >= 0);
    woken |= times(events, n, l) > 0;
  }
  do b = peers_accept(net, l);
  while (b < 0);
  close_both(net, a, b);
  net_close(net, l);
}

/* Sends until nothing more goes; how many bytes went. */
static size_t fill(struct net *net, net_h h) {
  static const char bytes[65536];
  size_t total = 0;
  ssize_t n;
  while ((n = net_send(net, h, bytes, sizeof bytes)) > 0) total += (size_t)n;
  assert_int_equal(n, -EAGAIN);
  return total;
}

static void send_that_would_block_is_woken_by_room(void **state) {
  struct net *net = *state;
  static char bytes[65536];
  net_h a, b;
  peers_pair(net, &a, &b);
  size_t sent = 0;
  for (int i = 0; i < 20; i++) sent += fill(net, a);
  size_t got = 0;
  bool room = false;
  while (got < sent) {
    ssize_t n = net_recv(net, b, bytes, sizeof bytes);
    if (n > 0) got += (size_t)n;
    if (n > 0) continue;
    assert_int_equal(n, -EAGAIN);
    struct net_event events[4];
    int count = net_poll(net, events, 4, net_now(net) + 1000000000);
    for (int i = 0; i < count; i++) room |= events[i].h == a && events[i].what & NET_WR;
  }
  assert_int_equal(got, sent);
  if (!room) peers_await(net, a, NET_WR);
  assert_int_equal(peers_send(net, a, "x", 1), 1);
  close_both(net, a, b);
}

static void a_refused_connect_is_told_and_may_be_repeated(void **state) {
  struct net *net = *state;
  struct addr addr, same;
  net_h l = peers_listener(net, &addr), a = net_socket(net, AF_INET, SOCK_STREAM, 0);
  net_close(net, l);
  assert_int_equal(peers_connect(net, a, &addr), -ECONNREFUSED);
  l = net_socket(net, AF_INET, SOCK_STREAM, 0);
  same = addr;
  assert_int_equal(net_bind(net, l, &same), 0);
  assert_int_equal(net_listen(net, l, 1), 0);
  assert_int_equal(peers_connect(net, a, &addr), 0);
  assert_int_equal(peers_connect(net, a, &addr), -EISCONN);
  close_both(net, a, l);
}

static void half_a_close_leaves_the_other_direction(void **state) {
  struct net *net = *state;
  net_h a, b;
  char byte;
  peers_pair(net, &a, &b);
  assert_int_equal(peers_send(net, a, "q", 1), 1);
  assert_int_equal(net_shutdown(net, a, SHUT_WR), 0);
  peers_expect(net, b, "q");
  for (int i = 0; i < 3; i++) assert_int_equal(peers_recv(net, b, &byte, 1), 0);
  assert_int_equal(peers_send(net, b, "r", 1), 1);
  peers_expect(net, a, "r");
  ssize_t r = peers_send(net, a, "x", 1); /* the queue may take it: flush then tells */
  assert_int_equal(r == 1 ? net_flush(net, a) : r, -EPIPE);
  assert_int_equal(peers_send(net, a, "x", 1), -EPIPE);
  close_both(net, a, b);
}

static void shutdown_of_an_unconnected_stream_fails(void **state) {
  struct net *net = *state;
  net_h h = net_socket(net, AF_INET, SOCK_STREAM, 0);
  assert_int_equal(net_shutdown(net, h, SHUT_WR), -ENOTCONN);
  net_close(net, h);
}

static void a_busy_port_is_refused(void **state) {
  struct net *net = *state;
  struct addr addr;
  net_h l = peers_listener(net, &addr), other = net_socket(net, AF_INET, SOCK_STREAM, 0);
  assert_int_equal(net_bind(net, other, &addr), -EADDRINUSE);
  close_both(net, l, other);
}

/* --- datagrams --- */

static void a_datagram_that_was_cut_tells_its_size(void **state) {
  struct net *net = *state;
  struct addr a_addr, b_addr, from;
  size_t size = 0;
  char bytes[16];
  net_h a = peers_bound(net, SOCK_DGRAM, &a_addr);
  net_h b = peers_bound(net, SOCK_DGRAM, &b_addr);
  assert_int_equal(peers_sendto(net, a, "0123456789", 10, &b_addr), 10);
  assert_int_equal(peers_recvfrom(net, b, bytes, 4, &from, &size), 4);
  assert_memory_equal(bytes, "0123", 4);
  assert_int_equal(size, 10);
  assert_int_equal(from.len, a_addr.len);
  assert_memory_equal(&from.u, &a_addr.u, from.len);
  close_both(net, a, b);
}

static void an_empty_datagram_arrives(void **state) {
  struct net *net = *state;
  struct addr a_addr, b_addr, from;
  size_t size = 99;
  char byte;
  net_h a = peers_bound(net, SOCK_DGRAM, &a_addr);
  net_h b = peers_bound(net, SOCK_DGRAM, &b_addr);
  assert_int_equal(peers_sendto(net, a, "", 0, &b_addr), 0);
  assert_int_equal(peers_recvfrom(net, b, &byte, 1, &from, &size), 0);
  assert_int_equal(size, 0);
  assert_int_equal(addr_port(&from), addr_port(&a_addr));
  close_both(net, a, b);
}

static void a_refused_datagram_is_told_once(void **state) {
  struct net *net = *state;
  struct addr addr, gone, from;
  size_t size;
  char byte;
  net_h a = peers_bound(net, SOCK_DGRAM, &addr);
  net_h b = peers_bound(net, SOCK_DGRAM, &gone);
  net_close(net, b);
  assert_int_equal(peers_connect(net, a, &gone), 0);
  assert_int_equal(peers_sendto(net, a, "x", 1, NULL), 1);
  assert_int_equal(peers_recvfrom(net, a, &byte, 1, &from, &size), -ECONNREFUSED);
  assert_int_equal(net_recvfrom(net, a, &byte, 1, &from, &size, 0), -EAGAIN);
  net_close(net, a);
}

/* --- poll --- */

static void poll_gives_each_handle_once_and_keeps_what_does_not_fit(void **state) {
  enum { PAIRS = 6, MAX = 2 };
  struct net *net = *state;
  net_h a[PAIRS], b[PAIRS];
  char byte;
  bool seen[PAIRS] = {0};
  for (int i = 0; i < PAIRS; i++) peers_pair(net, &a[i], &b[i]);
  for (int i = 0; i < PAIRS; i++)
    for (int again = 0; again < 3; again++)
      assert_int_equal(net_recv(net, b[i], &byte, 1), -EAGAIN);
  for (int i = 0; i < PAIRS; i++) put(net, a[i]);
  int64_t begin = net_now(net);
  for (int count = 0, calls = 0; count < PAIRS; calls++) {
    struct net_event events[MAX];
    int n = net_poll(net, events, MAX, begin + 5000000000);
    assert_true(n >= 0 && n <= MAX && calls < 50);
    for (int i = 0; i < PAIRS; i++) {
      int found = times(events, n, b[i]);
      assert_true(found <= 1);
      count += found && !seen[i];
      seen[i] |= found;
    }
  }
  assert_true(net_now(net) - begin < 4000000000);
  for (int i = 0; i < PAIRS; i++) close_both(net, a[i], b[i]);
}

static void a_deadline_in_the_past_does_not_sleep(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  int64_t begin = net_now(net);
  const int64_t past[] = {0, 1, -2, begin - 1, begin, INT64_MIN};
  for (int i = 0; i < 6; i++) assert_true(net_poll(net, events, 4, past[i]) >= 0);
  assert_true(net_now(net) - begin < 1000000000);
}

static void poll_sleeps_until_its_deadline(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  int64_t deadline = net_now(net) + 3000000;
  do assert_true(net_poll(net, events, 4, deadline) >= 0);
  while (nets_kind == NETS_FAULTY && net_now(net) < deadline);
  assert_true(net_now(net) >= deadline);
}

static void a_wake_before_the_poll_ends_it(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  for (int i = 0; i < 3; i++) net_wake(net);
  assert_true(net_poll(net, events, 4, NET_NEVER) >= 0);
  poll_sleeps_until_its_deadline(state); /* the wake is used up */
}

static void *wake_up(void *net) {
  net_wake(net);
  return NULL;
}

static void a_wake_from_another_thread_ends_a_poll(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wake_up, net), 0);
    assert_true(net_poll(net, events, 4, NET_NEVER) >= 0);
    pthread_join(thread, NULL);
    net_poll(net, events, 4, 0);
  }
}

static void who_did_not_ask_is_not_woken(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  net_h a, b;
  peers_pair(net, &a, &b);
  assert_int_equal(peers_send(net, a, "x", 1), 1);
  int n = net_poll(net, events, 4, net_now(net) + 1000000);
  if (nets_kind != NETS_FAULTY) assert_int_equal(times(events, n, b), 0);
  close_both(net, a, b);
}

static void a_number_that_is_used_again_gets_no_event_of_its_former_owner(void **state) {
  struct net *net = *state;
  struct net_event events[8];
  net_h a, b;
  char byte;
  peers_pair(net, &a, &b);
  assert_int_equal(net_recv(net, b, &byte, 1), -EAGAIN);
  assert_int_equal(peers_send(net, a, "x", 1), 1);
  net_close(net, b);
  net_flush(net, -1);
  net_h lower[4], fresh; /* numbers of the listener and of what the backend has closed */
  int others = 0;
  while ((fresh = net_socket(net, AF_INET, SOCK_DGRAM, 0)) != b && others < 4)
    lower[others++] = fresh;
  assert_int_equal(fresh, b);
  int n = net_poll(net, events, 8, net_now(net) + 1000000);
  if (nets_kind != NETS_FAULTY) assert_int_equal(times(events, n, fresh), 0);
  close_both(net, a, fresh);
  while (others > 0) net_close(net, lower[--others]);
}

/* --- names, options --- */

static void a_name_is_looked_up(void **state) {
  struct net *net = *state;
  struct net_lookup q = {.host = "localhost",
                         .service = "80",
                         .family = AF_INET,
                         .type = SOCK_STREAM,
                         .ticket = -1};
  assert_int_equal(peers_lookup(net, &q), 0);
  assert_true(q.count >= 1);
  assert_int_equal(addr_family(&q.addrs[0]), AF_INET);
  assert_int_equal(addr_port(&q.addrs[0]), 80);
  assert_int_equal(q.ticket, -1);
  net_lookup_fini(net, &q);
}

static void a_name_that_is_none_is_told(void **state) {
  struct net *net = *state;
  struct net_lookup q = {.host = "no such name", .family = AF_INET, .ticket = -1};
  int r = peers_lookup(net, &q);
  assert_memory_equal(status_name(r), "EAI_", 4);
  net_lookup_fini(net, &q);
}

static void a_lookup_may_be_forgotten(void **state) {
  struct net *net = *state;
  struct net_lookup q = {.host = "localhost", .family = AF_INET, .ticket = -1};
  net_lookup(net, &q);
  net_lookup_fini(net, &q);
  assert_int_equal(q.ticket, -1);
  assert_int_equal(q.count, 0);
  assert_int_equal(net->open, 0);
}

static void options_are_read(void **state) {
  struct net *net = *state;
  int value = 0;
  socklen_t len = sizeof value;
  net_h h = net_socket(net, AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(net_getopt(net, h, SOL_SOCKET, SO_TYPE, &value, &len), 0);
  assert_int_equal(value, SOCK_DGRAM);
  int on = 1;
  assert_int_equal(net_setopt(net, h, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
  net_close(net, h);
}

static void an_unknown_family_is_refused(void **state) {
  assert_int_equal(net_socket(*state, 250, SOCK_STREAM, 0), -EAFNOSUPPORT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      NETS_TEST(connect_accept_send_and_recv_meet),
      NETS_TEST(names_of_both_ends_match),
      NETS_TEST(an_unconnected_stream_has_no_peer),
      NETS_TEST(recv_that_would_block_is_woken_by_bytes),
      NETS_TEST(recv_that_would_block_is_woken_by_the_end),
      NETS_TEST(recv_that_would_block_is_woken_by_a_reset),
      NETS_TEST(accept_that_would_block_is_woken_by_a_client),
      NETS_TEST(send_that_would_block_is_woken_by_room),
      NETS_TEST(a_refused_connect_is_told_and_may_be_repeated),
      NETS_TEST(half_a_close_leaves_the_other_direction),
      NETS_TEST(shutdown_of_an_unconnected_stream_fails),
      NETS_TEST(a_busy_port_is_refused),
      NETS_TEST(a_datagram_that_was_cut_tells_its_size),
      NETS_TEST(an_empty_datagram_arrives),
      NETS_TEST(a_refused_datagram_is_told_once),
      NETS_TEST(poll_gives_each_handle_once_and_keeps_what_does_not_fit),
      NETS_TEST(a_deadline_in_the_past_does_not_sleep),
      NETS_TEST(poll_sleeps_until_its_deadline),
      NETS_TEST(a_wake_before_the_poll_ends_it),
      NETS_TEST(a_wake_from_another_thread_ends_a_poll),
      NETS_TEST(who_did_not_ask_is_not_woken),
      NETS_TEST(a_number_that_is_used_again_gets_no_event_of_its_former_owner),
      NETS_TEST(a_name_is_looked_up),
      NETS_TEST(a_name_that_is_none_is_told),
      NETS_TEST(a_lookup_may_be_forgotten),
      NETS_TEST(options_are_read),
      NETS_TEST(an_unknown_family_is_refused),
  };
  alarm(30); /* a poll that sleeps for ever ends the program */
  return nets_run(tests, sizeof tests / sizeof *tests);
}
