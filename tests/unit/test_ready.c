/* The seam's operations for many handles, pairs and foreign descriptors, on the epoll
 * backend. */
#include <errno.h>
#include <stdlib.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/control.h"
#include "net/net.h"

static struct net *net;
static net_h a, b;

static int make_pair(void **state) {
  int status;
  net_h pair[2];
  net = net_host(getenv("SOQUETE_BACKEND"), &status);
  if (!net || net_pair(net, AF_UNIX, SOCK_STREAM, pair) < 0) return -1;
  a = pair[0];
  b = pair[1];
  return 0;
}

static int close_pair(void **state) {
  net_close(net, a);
  net_close(net, b);
  int open = net->open;
  net_free(net);
  return open;
}

static uint32_t ask(net_h h, uint32_t what) {
  struct net_event asked = {h, what};
  int r = net_ready(net, &asked, 1);
  assert_int_equal(r, asked.what != 0);
  return asked.what;
}

/* Polls until an event of `h` comes; what it said. */
static uint32_t event_of(net_h h) {
  struct net_event events[8];
  int64_t limit = net_now(net) + INT64_C(5000000000);
  while (net_now(net) < limit) {
    int n = net_poll(net, events, 8, limit);
    for (int i = 0; i < n; i++)
      if (events[i].h == h) return events[i].what;
  }
  return 0;
}

static void an_empty_stream_can_be_written_only(void **state) {
  assert_int_equal(ask(a, NET_RD | NET_WR), NET_WR);
}

static void what_is_not_ready_has_armed_its_wake(void **state) {
  assert_int_equal(ask(b, NET_RD), 0);
  assert_int_equal(net_send(net, a, "x", 1), 1);
  assert_true(event_of(b) & NET_RD);
  assert_int_equal(ask(b, NET_RD), NET_RD);
}

static void what_is_ready_does_not_answer_eagain(void **state) {
  char bytes[100];
  for (int i = 0; i < 3; i++) { /* a short read has drained it */
    assert_int_equal(net_send(net, a, "x", 1), 1);
    assert_int_equal(ask(b, NET_RD), NET_RD);
    assert_int_equal(net_recv(net, b, bytes, sizeof bytes), 1);
    assert_int_equal(net_recv(net, b, bytes, sizeof bytes), -EAGAIN);
  }
}

static void a_stream_whose_remainder_waits_is_not_writable(void **state) {
  static char big[1024 * 1024];
  while (net_send(net, a, big, sizeof big) > 0) continue;
  assert_int_equal(ask(a, NET_WR), 0);
  while (net_recv(net, b, big, sizeof big) > 0) continue;
  assert_true(event_of(a) & NET_WR);
  assert_int_equal(ask(a, NET_WR), NET_WR);
}

static void the_end_is_ready(void **state) {
  assert_int_equal(net_shutdown(net, a, SHUT_WR), 0);
  assert_int_equal(ask(b, NET_RD), NET_RD);
}

static void a_descriptor_of_the_net_is_not_adopted(void **state) {
  assert_int_equal(net_adopt(net, a, true), -EBUSY);
  assert_int_equal(net_adopt(net, 9999, true), -EBADF);
  assert_int_equal(net_adopt(net, -1, true), -EBADF);
}

static void close_leaves_what_was_lent(void **state) {
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  net_h lent = net_adopt(net, fds[0], false), own = net_adopt(net, fds[1], true);
  assert_int_equal(net_close(net, lent), 0);
  assert_int_equal(net_close(net, own), 0);
  assert_int_equal(fcntl(fds[0], F_GETFD), 0);
  assert_int_equal(fcntl(fds[1], F_GETFD), -1);
  close(fds[0]);
}

static void both_ends_of_a_file_can_be_waited_for(void **state) {
  int fds[2];
  char page[4096] = {0};
  assert_int_equal(pipe(fds), 0);
  net_h rd = net_adopt(net, fds[0], true), wr = net_adopt(net, fds[1], true);
  assert_int_equal(net_recv(net, rd, page, sizeof page), -EAGAIN);
  while (net_send(net, wr, page, sizeof page) > 0) continue;
  assert_int_equal(net_send(net, wr, page, sizeof page), -EAGAIN);
  assert_true(event_of(rd) & NET_RD);
  while (net_recv(net, rd, page, sizeof page) > 0) continue;
  assert_true(event_of(wr) & NET_WR);
  assert_true(net_send(net, wr, page, sizeof page) > 0);
  assert_int_equal(net_close(net, rd) | net_close(net, wr), 0);
}

static void a_shared_file_stays_blocking(void **state) {
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  net_h rd = net_adopt(net, fds[0], true);
  char byte;
  assert_int_equal(net_recv(net, rd, &byte, 1), -EAGAIN);
  assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
  assert_int_equal(net_close(net, rd), 0);
  close(fds[1]);
}

static void a_shared_listener_does_not_sleep_in_accept(void **state) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(listen(fd, 1), 0);
  net_h h = net_adopt(net, fd, true);
  assert_int_equal(net_accept(net, h), -EAGAIN);
  assert_int_equal(net_close(net, h), 0);
}

/* --- ancillary data -------------------------------------------------------------------- */

/* Sends standard error three times from a to b, and receives with room for `max`. */
static int pass_three(net_h *out, int max, bool *lost) {
  struct control c;
  char byte = 'x';
  int fds[3] = {2, 2, 2};
  struct iovec iov = {&byte, 1};
  control_init(&c);
  control_put(&c, SOL_SOCKET, SCM_RIGHTS, fds, sizeof fds);
  struct msghdr msg = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = c.u.bytes,
                       .msg_controllen = c.len};
  assert_int_equal(net_sendmsg(net, a, &msg, 0), 1);
  msg.msg_controllen = sizeof c.u.bytes;
  assert_int_equal(net_recvmsg(net, b, &msg, 0), 1);
  return control_take_fds(net, &msg, out, max, lost);
}

static int open_files(void) {
  int count = 0;
  for (int fd = 0; fd < 256; fd++) count += fcntl(fd, F_GETFD) >= 0;
  return count;
}

static void received_descriptors_are_handles(void **state) {
  net_h out[3];
  bool lost = false;
  assert_int_equal(pass_three(out, 3, &lost), 3);
  assert_false(lost);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fcntl(out[i], F_GETFD), FD_CLOEXEC);
    assert_int_equal(net_close(net, out[i]), 0);
  }
}

static void descriptors_without_room_are_closed(void **state) {
  net_h out[3];
  bool lost = false;
  int before = open_files();
  assert_int_equal(pass_three(out, 1, &lost), 1);
  assert_true(lost);
  assert_int_equal(open_files(), before + 1);
  assert_int_equal(net_close(net, out[0]), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pair, close_pair)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_empty_stream_can_be_written_only),
      TEST(what_is_not_ready_has_armed_its_wake),
      TEST(what_is_ready_does_not_answer_eagain),
      TEST(a_stream_whose_remainder_waits_is_not_writable),
      TEST(the_end_is_ready),
      TEST(a_descriptor_of_the_net_is_not_adopted),
      TEST(close_leaves_what_was_lent),
      TEST(both_ends_of_a_file_can_be_waited_for),
      TEST(a_shared_file_stays_blocking),
      TEST(a_shared_listener_does_not_sleep_in_accept),
      TEST(received_descriptors_are_handles),
      TEST(descriptors_without_room_are_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
