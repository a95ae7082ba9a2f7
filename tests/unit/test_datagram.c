/* Datagrams, many at a time, for every net; and what only the epoll backend promises of
 * those that it has read ahead. */
#include <errno.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/control.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/peers.h"
#include "support/seed.h"

enum kind { FAKE, HOST, FAULTY };
static enum kind kind;
static struct net *net;
static net_h a, b; /* a sends, b receives */
static struct addr a_addr, b_addr, from;
static size_t size;
static char bytes[65536];

static int set_up(void **state) {
  int status;
  net = kind == FAKE ? fake_net_new() : net_host(getenv("SOQUETE_BACKEND"), &status);
  if (kind == FAULTY) net = fault_net_new(net, seed_get(), &fault_soft);
  a = peers_bound(net, SOCK_DGRAM, &a_addr);
  b = peers_bound(net, SOCK_DGRAM, &b_addr);
  return 0;
}

static int tear_down(void **state) {
  net_close(net, a);
  net_close(net, b);
  int open = net->open;
  net_free(net);
  return open;
}

static int use_fake(void **state) {
  kind = FAKE;
  return 0;
}

static int use_host(void **state) {
  kind = HOST;
  return 0;
}

static int use_faulty(void **state) {
  kind = FAULTY;
  return 0;
}

/* Sends each byte of the text as a datagram to `to`. */
static void put(const char *text, const struct addr *to) {
  for (; *text; text++) assert_int_equal(peers_sendto(net, a, text, 1, to), 1);
}

/* Receives a datagram for each byte of the text. */
static void expect(net_h h, const char *text) {
  for (; *text; text++) {
    assert_int_equal(peers_recvfrom(net, h, bytes, sizeof bytes, &from, &size), 1);
    assert_int_equal(bytes[0], *text);
    assert_int_equal(addr_port(&from), addr_port(&a_addr));
  }
}

static ssize_t receive(int flags) {
  return net_recvfrom(net, b, bytes, sizeof bytes, &from, &size, flags);
}

/* --- every net --- */

static void many_datagrams_keep_their_order_and_their_sizes(void **state) {
  enum { MANY = 40 };
  static char sent[MANY * 100];
  memset(sent, 'x', sizeof sent);
  for (int i = 0; i < MANY; i++) {
    size_t n = i % 7 == 0 ? 0 : (size_t)i * 100; /* empty ones, and large ones */
    sent[0] = (char)i;
    assert_int_equal(peers_sendto(net, a, sent, n, &b_addr), n);
  }
  for (int i = 0; i < MANY; i++) {
    size_t n = i % 7 == 0 ? 0 : (size_t)i * 100;
    assert_int_equal(peers_recvfrom(net, b, bytes, sizeof bytes, &from, &size), n);
    assert_int_equal(size, n);
    if (n > 0) assert_int_equal(bytes[0], i);
    assert_int_equal(addr_port(&from), addr_port(&a_addr));
  }
  while (receive(0) != -EAGAIN) fail();
}

static void each_datagram_is_cut_where_it_is_taken(void **state) {
  static const size_t wanted[] = {100, 4, 0, 10};
  for (int i = 0; i < 4; i++)
    assert_int_equal(peers_sendto(net, a, "0123456789", 10, &b_addr), 10);
  for (int i = 0; i < 4; i++) {
    size_t n = wanted[i] < 10 ? wanted[i] : 10;
    assert_int_equal(peers_recvfrom(net, b, bytes, wanted[i], &from, &size), n);
    assert_int_equal(size, 10);
  }
}

static void each_socket_gets_its_own(void **state) {
  struct addr c_addr;
  net_h c = peers_bound(net, SOCK_DGRAM, &c_addr);
  put("123", &b_addr);
  put("456", &c_addr);
  expect(b, "1");
  expect(c, "4");
  expect(b, "2");
  expect(c, "56");
  expect(b, "3");
  net_close(net, c);
}

static void
a_number_that_is_used_again_gets_no_datagram_of_its_former_owner(void **state) {
  put("123", &b_addr);
  expect(b, "1");
  net_close(net, b);
  b = peers_bound(net, SOCK_DGRAM, &b_addr);
  assert_int_equal(receive(0), -EAGAIN);
  put("4", &b_addr);
  expect(b, "4");
}

static void a_refusal_is_told_once_and_costs_no_datagram(void **state) {
  int refused = 0, came = 0;
  assert_int_equal(peers_connect(net, b, &a_addr), 0);
  put("123", &b_addr);
  expect(b, "1");
  net_close(net, a);
  assert_int_equal(peers_sendto(net, b, "x", 1, NULL), 1);
  while (came < 2 || refused < 1) {
    ssize_t r = peers_recvfrom(net, b, bytes, sizeof bytes, &from, &size);
    refused += r == -ECONNREFUSED;
    came += r == 1;
    assert_true(r == 1 || r == -ECONNREFUSED);
  }
  assert_int_equal(receive(0), -EAGAIN);
  assert_int_equal(refused, 1);
  a = peers_bound(net, SOCK_DGRAM, &a_addr);
}

static void who_waits_is_woken_after_many(void **state) {
  for (int i = 0; i < 3; i++) {
    put("12345678901234567890", &b_addr); /* more than are read at once */
    expect(b, "12345678901234567890");
    assert_int_equal(receive(0), -EAGAIN);
  }
}

/* Without a poll in between. */
static void who_asks_again_sees_what_has_come(void **state) {
  ssize_t r = -EAGAIN;
  put("1", &b_addr);
  expect(b, "1");
  put("2", &b_addr);
  for (int i = 0; i < 1000 && r == -EAGAIN; i++) r = receive(0);
  assert_int_equal(r, 1);
}

/* --- the epoll backend --- */

/* What a program that shares the descriptor would get. */
static ssize_t others_receive(void) {
  char byte;
  return recv(b, &byte, 1, MSG_DONTWAIT) == 1 ? byte : -errno;
}

static void those_that_wait_behind_are_read_ahead(void **state) {
  put("123", &b_addr);
  expect(b, "1");
  assert_int_equal(others_receive(), -EAGAIN);
  expect(b, "23");
}

static void a_peek_takes_nothing(void **state) {
  put("123", &b_addr);
  for (int i = 0; i < 3; i++) {
    for (int again = 0; again < 2; again++) {
      assert_int_equal(receive(MSG_PEEK), 1);
      assert_int_equal(bytes[0], '1' + i);
    }
    assert_int_equal(receive(MSG_DONTWAIT), 1);
    assert_int_equal(bytes[0], '1' + i);
  }
}

static void what_is_held_is_ready(void **state) {
  struct net_event asked = {b, NET_RD};
  put("12", &b_addr);
  expect(b, "1");
  assert_int_equal(net_ready(net, &asked, 1), 1);
  expect(b, "2");
  asked.what = NET_RD;
  assert_int_equal(net_ready(net, &asked, 1), 0);
}

/* Receives with room for what comes beside; whether the datagram's address came. */
static bool comes_with_its_address(void) {
  struct control control;
  struct iovec iov = {bytes, sizeof bytes};
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.u.bytes,
                       .msg_controllen = CONTROL_BYTES};
  assert_int_equal(net_recvmsg(net, b, &msg, 0), 1);
  struct cmsghdr *c = control_next(&msg, NULL);
  return c && c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO;
}

static void what_came_beside_is_kept(void **state) {
  int on = 1;
  assert_int_equal(net_setopt(net, b, IPPROTO_IP, IP_PKTINFO, &on, sizeof on), 0);
  put("123", &b_addr);
  expect(b, "1");
  assert_true(comes_with_its_address());
  struct iovec iov = {bytes, sizeof bytes};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  assert_int_equal(net_recvmsg(net, b, &msg, 0), 1);
  assert_true(msg.msg_flags & MSG_CTRUNC); /* no room was given for it */
}

static void a_descriptor_that_was_given_away_is_not_read_ahead(void **state) {
  net_h pair[2];
  struct control control;
  struct iovec iov = {"x", 1};
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  control_init(&control);
  control_put(&control, SOL_SOCKET, SCM_RIGHTS, &b, sizeof b);
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.u.bytes,
                       .msg_controllen = control.len};
  assert_int_equal(net_sendmsg(net, pair[0], &msg, 0), 1);
  put("123", &b_addr);
  expect(b, "1");
  assert_int_equal(others_receive(), '2');
  expect(b, "3");
  net_close(net, pair[0]);
  net_close(net, pair[1]);
}

static void large_datagrams_are_read_alone(void **state) {
  memset(bytes, 'x', sizeof bytes);
  for (int i = 0; i < 3; i++)
    assert_int_equal(peers_sendto(net, a, bytes, 9000, &b_addr), 9000);
  put("12", &b_addr);
  assert_int_equal(receive(0), 9000);
  assert_int_equal(receive(0), 9000);
  assert_int_equal(receive(0), 9000);
  assert_int_equal(receive(0), 1);
  assert_int_equal(bytes[0], '1');
  expect(b, "2");
}

static void a_datagram_that_has_gone_wakes_nobody(void **state) {
  struct net_event events[4];
  char byte;
  assert_int_equal(net_recvfrom(net, a, &byte, 1, &from, &size, 0), -EAGAIN);
  while (net_poll(net, events, 4, 0) > 0) continue;
  put("123", &b_addr);
  expect(b, "123");
  int n = net_poll(net, events, 4, 0);
  for (int i = 0; i < n; i++) assert_int_not_equal(events[i].h, a);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest all[] = {
      NET_TEST(many_datagrams_keep_their_order_and_their_sizes),
      NET_TEST(each_datagram_is_cut_where_it_is_taken),
      NET_TEST(each_socket_gets_its_own),
      NET_TEST(a_number_that_is_used_again_gets_no_datagram_of_its_former_owner),
      NET_TEST(a_refusal_is_told_once_and_costs_no_datagram),
      NET_TEST(who_waits_is_woken_after_many),
      NET_TEST(who_asks_again_sees_what_has_come),
  };
  const struct CMUnitTest host[] = {
      NET_TEST(those_that_wait_behind_are_read_ahead),
      NET_TEST(a_peek_takes_nothing),
      NET_TEST(what_is_held_is_ready),
      NET_TEST(what_came_beside_is_kept),
      NET_TEST(a_descriptor_that_was_given_away_is_not_read_ahead),
      NET_TEST(large_datagrams_are_read_alone),
      NET_TEST(a_datagram_that_has_gone_wakes_nobody),
  };
  alarm(30); /* a poll that sleeps for ever ends the program */
  int failed = cmocka_run_group_tests_name("in memory", all, use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", all, use_host, NULL);
  failed += cmocka_run_group_tests_name("host under faults", all, use_faulty, NULL);
  return failed + cmocka_run_group_tests_name("epoll backend", host, use_host, NULL);
}
