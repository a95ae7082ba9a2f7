/* Messages of several fragments on streams, for every net: the one in memory, the host's,
 * and the host's under faults that a program has to live with. */
#include <errno.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net.h"
#include "support/nets.h"
#include "support/peers.h"

enum { FRAGMENTS = 40, FRAGMENT_BYTES = 9973, TOTAL = FRAGMENTS * FRAGMENT_BYTES };
static unsigned char sent_bytes[TOTAL];

static int set_up(void **state) {
  *state = nets_new();
  for (size_t i = 0; i < TOTAL; i++) sent_bytes[i] = (unsigned char)(i % 251);
  return 0;
}

/* The fragments from byte `at` on; how many. */
static size_t fragments_from(size_t at, struct iovec list[FRAGMENTS]) {
  size_t n = 0;
  while (at < TOTAL) {
    size_t left = FRAGMENT_BYTES - at % FRAGMENT_BYTES;
    list[n++] = (struct iovec){sent_bytes + at, left};
    at += left;
  }
  return n;
}

/* Receives one piece of those bytes, if one is there. */
static size_t take(struct net *net, net_h h, size_t at) {
  unsigned char bytes[5000];
  ssize_t r = net_recv(net, h, bytes, sizeof bytes);
  assert_true(r > 0 || r == -EAGAIN);
  if (r <= 0) return 0;
  assert_memory_equal(bytes, sent_bytes + at, (size_t)r);
  return (size_t)r;
}

static void fragments_arrive_in_order_whatever_is_taken(void **state) {
  struct net *net = *state;
  struct net_event events[8];
  struct iovec list[FRAGMENTS];
  net_h a, b;
  size_t sent = 0, got = 0;
  peers_pair(net, &a, &b);
  while (got < TOTAL) {
    struct msghdr msg = {.msg_iov = list, .msg_iovlen = fragments_from(sent, list)};
    ssize_t r = sent < TOTAL ? net_sendmsg(net, a, &msg, 0) : -EAGAIN;
    assert_true(r > 0 || r == -EAGAIN);
    if (r > 0) sent += (size_t)r;
    size_t n = take(net, b, got);
    got += n;
    if (r < 0 && n == 0)
      assert_true(net_poll(net, events, 8, net_now(net) + 1000000000) >= 0);
  }
  assert_int_equal(sent, TOTAL);
  net_close(net, a);
  net_close(net, b);
}

static void fragments_follow_what_was_queued(void **state) {
  struct net *net = *state;
  struct iovec list[] = {
      {"b",  1},
      {"cd", 2}
  };
  struct msghdr msg = {.msg_iov = list, .msg_iovlen = 2};
  net_h a, b;
  ssize_t r;
  peers_pair(net, &a, &b);
  assert_int_equal(peers_send(net, a, "a", 1), 1);
  do r = net_sendmsg(net, a, &msg, 0);
  while (r == -EAGAIN);
  for (; r < 3; r++) assert_int_equal(peers_send(net, a, &"bcd"[r], 1), 1);
  peers_expect(net, b, "abcd");
  net_close(net, a);
  net_close(net, b);
}

/* The bytes of a second fragment lie elsewhere: the line shows none of them. */
static const char *shown;
static void note(struct net_observer *o, struct net *net, const struct net_call *c) {
  if (strcmp(c->op, "sendmsg") == 0 && c->result > 0) shown = c->data;
}

static void an_observer_is_shown_no_bytes_beyond_a_fragment(void **state) {
  struct net *net = *state;
  struct iovec list[] = {
      {"b",  1},
      {"cd", 2}
  };
  struct msghdr msg = {.msg_iov = list, .msg_iovlen = 2};
  struct net_observer observer = {note};
  net_h a, b;
  ssize_t r;
  peers_pair(net, &a, &b);
  net->observer = &observer;
  shown = "";
  do r = net_sendmsg(net, a, &msg, 0);
  while (r == -EAGAIN);
  assert_ptr_equal(shown, r == 1 ? list[0].iov_base : NULL);
  net->observer = NULL;
  net_close(net, a);
  net_close(net, b);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, nets_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      NET_TEST(fragments_arrive_in_order_whatever_is_taken),
      NET_TEST(fragments_follow_what_was_queued),
      NET_TEST(an_observer_is_shown_no_bytes_beyond_a_fragment),
  };
  alarm(30); /* a poll that sleeps for ever ends the program */
  int failed = cmocka_run_group_tests_name("in memory", tests, nets_use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", tests, nets_use_host, NULL);
  failed +=
      cmocka_run_group_tests_name("host under faults", tests, nets_use_faulty, NULL);
  return failed;
}
