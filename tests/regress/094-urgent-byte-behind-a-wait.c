/* With io_uring, receives stayed armed whoever waited: the kernel went on behind the bytes that
 * it gave, past the urgent byte, and a script that then asked for it waited for ever. Once a
 * program has used urgent data no receive waits in the ring at all: one whose owner has given
 * up would eat an urgent byte that comes first. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/backends.h"

static ssize_t ask_urgent(net_h h, char *byte) {
  struct iovec iov = {byte, 1};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  return net_recvmsg(net, h, &msg, MSG_OOB);
}

static void expect_urgent(net_h h, char wanted) {
  char byte = 0;
  ssize_t r;
  while ((r = ask_urgent(h, &byte)) == -EAGAIN) peers_await(net, h, NET_RD);
  assert_int_equal(r, 1);
  assert_int_equal(byte, wanted);
}

static void put_urgent(net_h to, const char *byte) {
  assert_int_equal(send(to, byte, 1, MSG_OOB | MSG_NOSIGNAL), 1);
}

static void the_first_one_is_found_behind_what_was_waited_for(void **state) {
  wait_on(a);
  take_in();
  put(b, "ab", 2);
  put_urgent(b, "!");
  put(b, "cd", 2);
  peers_expect(net, a, "ab");
  expect_urgent(a, '!');
  peers_expect(net, a, "cd");
}

static void the_next_is_kept_though_a_wait_was_given_up(void **state) {
  net_h c, d;
  put_urgent(b, "!");
  expect_urgent(a, '!');
  peers_pair(net, &c, &d);
  wait_on(c);
  take_in();
  put_urgent(d, "?");
  take_in();
  expect_urgent(c, '?');
  net_close(net, c);
  net_close(net, d);
}

static void who_asks_whether_something_can_be_read_keeps_it(void **state) {
  struct net_event asked = {a, NET_RD};
  wait_on(a); /* and gives up */
  take_in();
  assert_int_equal(net_ready(net, &asked, 1), 0);
  put_urgent(b, "!");
  peers_await(net, a, NET_RD);
  expect_urgent(a, '!');
}

/* Each of these is the first use of urgent data by the program. */
static void receives(net_h h) {
  char byte;
  assert_int_equal(ask_urgent(h, &byte), -EAGAIN);
}

static void sends(net_h h) {
  assert_int_equal(net_sendto(net, h, "!", 1, NULL, MSG_OOB), 1);
}

static void keeps_in_the_stream(net_h h) {
  int on = 1;
  assert_int_equal(net_setopt(net, h, SOL_SOCKET, SO_OOBINLINE, &on, sizeof on), 0);
}

static void who_waits_at_the_first_use_is_still_woken(void (*use)(net_h)) {
  net_h c, d;
  peers_pair(net, &c, &d);
  wait_on(a);
  take_in();
  use(c);
  assert_false(uring_is_armed(epoll_self(net), a));
  wait_on(a);
  assert_false(uring_is_armed(epoll_self(net), a));
  put(b, "abc", 3);
  peers_expect(net, a, "abc");
  net_close(net, c);
  net_close(net, d);
}

static void who_waits_when_somebody_asks_for_one_is_still_woken(void **state) {
  who_waits_at_the_first_use_is_still_woken(receives);
}

static void who_waits_when_somebody_sends_one_is_still_woken(void **state) {
  who_waits_at_the_first_use_is_still_woken(sends);
}

static void
who_waits_when_somebody_keeps_them_in_the_stream_is_still_woken(void **state) {
  who_waits_at_the_first_use_is_still_woken(keeps_in_the_stream);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      BACKENDS_TEST(the_first_one_is_found_behind_what_was_waited_for),
      BACKENDS_TEST(the_next_is_kept_though_a_wait_was_given_up),
      BACKENDS_TEST(who_asks_whether_something_can_be_read_keeps_it),
      BACKENDS_TEST(who_waits_when_somebody_asks_for_one_is_still_woken),
      BACKENDS_TEST(who_waits_when_somebody_sends_one_is_still_woken),
      BACKENDS_TEST(who_waits_when_somebody_keeps_them_in_the_stream_is_still_woken),
  };
  return BACKENDS_RUN(tests);
}
