/* What only the epoll backend promises: inherited descriptors, the reserve, signals. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/net.h"
#include "support/peers.h"

static int set_up(void **state) {
  int status = 0;
  *state = net_host(getenv("SOQUETE_BACKEND"), &status);
  return *state ? status : -1;
}

static int tear_down(void **state) {
  struct net *net = *state;
  int left = net->open;
  net_free(net);
  return left;
}

/* --- inherited descriptors --- */

static void an_inherited_pipe_is_read_as_bytes_come(void **state) {
  struct net *net = *state;
  int ends[2];
  char bytes[8];
  assert_int_equal(pipe(ends), 0);
  net_h h = net_adopt(net, ends[0], false);
  assert_int_equal(h, ends[0]);
  for (int i = 0; i < 3; i++) {
    for (int again = 0; again < 2; again++)
      assert_int_equal(net_recv(net, h, bytes, sizeof bytes), -EAGAIN);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    peers_await(net, h, NET_RD);
    assert_int_equal(net_recv(net, h, bytes, sizeof bytes), 3);
  }
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), -EAGAIN);
  close(ends[1]);
  peers_await(net, h, NET_RD);
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), 0);
  net_close(net, h);
  close(ends[0]);
}

static void an_inherited_descriptor_never_becomes_non_blocking(void **state) {
  struct net *net = *state;
  int ends[2];
  char byte;
  assert_int_equal(pipe(ends), 0);
  net_h h = net_adopt(net, ends[0], false);
  assert_int_equal(net_recv(net, h, &byte, 1), -EAGAIN);
  assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
  net_close(net, h);
  assert_false(fcntl(ends[0], F_GETFL) & O_NONBLOCK);
  close(ends[0]);
  close(ends[1]);
}

static void an_inherited_descriptor_stays_open_when_it_is_closed(void **state) {
  struct net *net = *state;
  int ends[2];
  char byte;
  assert_int_equal(pipe(ends), 0);
  for (int i = 0; i < 2; i++) {
    net_h h = net_adopt(net, ends[0], false);
    assert_int_equal(net_recv(net, h, &byte, 1), -EAGAIN);
    assert_int_equal(net_close(net, h), 0);
    assert_true(fcntl(ends[0], F_GETFD) >= 0);
  }
  assert_int_equal(write(ends[1], "x", 1), 1);
  assert_int_equal(read(ends[0], &byte, 1), 1);
  close(ends[0]);
  close(ends[1]);
}

static void an_inherited_file_is_always_ready(void **state) {
  struct net *net = *state;
  char bytes[8];
  FILE *file = tmpfile();
  fputs("abc", file);
  fflush(file);
  rewind(file);
  net_h h = net_adopt(net, fileno(file), false);
  assert_true(h >= 0);
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), 3);
  for (int i = 0; i < 3; i++) assert_int_equal(net_recv(net, h, bytes, sizeof bytes), 0);
  net_close(net, h);
  fclose(file);
}

/* The two ends of a terminal, or none where the system has none. */
static void open_terminal(int ends[2]) {
  ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
  if (ends[0] < 0) skip();
  assert_int_equal(grantpt(ends[0]), 0);
  assert_int_equal(unlockpt(ends[0]), 0);
  ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
  assert_true(ends[1] >= 0);
}

/* What poll(2) has found is gone when the terminal drops its input. */
static void an_inherited_terminal_is_read_through_a_descriptor_of_our_own(void **state) {
  struct net *net = *state;
  int ends[2];
  char bytes[8];
  open_terminal(ends);
  net_h h = net_adopt(net, ends[1], false);
  assert_true(h >= 0 && h != ends[1]);
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), -EAGAIN);
  assert_true(fcntl(h, F_GETFD) & FD_CLOEXEC);
  assert_true(fcntl(h, F_GETFL) & O_NONBLOCK);
  assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
  assert_int_equal(write(ends[0], "ab\n", 3), 3);
  peers_await(net, h, NET_RD);
  assert_int_equal(net_recv(net, h, bytes, sizeof bytes), 3);
  net_close(net, h);
  assert_int_equal(fcntl(h, F_GETFD), -1);
  assert_true(fcntl(ends[1], F_GETFD) >= 0);
  close(ends[0]);
  close(ends[1]);
}

/* Opened once more it would be the master of another terminal. */
static void the_masters_end_of_a_terminal_is_read_itself(void **state) {
  struct net *net = *state;
  int ends[2];
  open_terminal(ends);
  net_h h = net_adopt(net, ends[0], false);
  assert_int_equal(h, ends[0]);
  net_close(net, h);
  close(ends[0]);
  close(ends[1]);
}

static void what_is_no_descriptor_is_not_adopted(void **state) {
  assert_int_equal(net_adopt(*state, 1000, false), -EBADF);
}

/* --- descriptors run out --- */

/* Opens copies of descriptor 0 until no number is free; how many. */
static int hoard(int *copies, int max) {
  int n = 0;
  while (n < max && (copies[n] = dup(0)) >= 0) n++;
  return n;
}

static void the_reserve_refuses_client_after_client(void **state) {
  if (getenv("UNDER_VALGRIND")) skip(); /* which plays the limit itself */
  enum { CLIENTS = 4, MAX = 256 };
  struct net *net = *state;
  struct addr addr;
  char byte;
  net_h clients[CLIENTS], l = peers_listener(net, &addr);
  int copies[MAX];
  for (int i = 0; i < CLIENTS; i++) {
    clients[i] = net_socket(net, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(peers_connect(net, clients[i], &addr), 0);
  }
  struct rlimit old, few;
  getrlimit(RLIMIT_NOFILE, &old);
  few = old;
  few.rlim_cur = 64;
  setrlimit(RLIMIT_NOFILE, &few);
  int held = hoard(copies, MAX);
  for (int i = 0; i < CLIENTS; i++) assert_int_equal(net_accept(net, l), -EMFILE);
  for (int i = 0; i < CLIENTS; i++) {
    ssize_t r = peers_recv(net, clients[i], &byte, 1);
    assert_true(r == 0 || r == -ECONNRESET);
  }
  while (held > 0) close(copies[--held]);
  setrlimit(RLIMIT_NOFILE, &old);
  assert_int_equal(net_accept(net, l), -EAGAIN);
  for (int i = 0; i < CLIENTS; i++) net_close(net, clients[i]);
  net_close(net, l);
}

/* --- bytes on their way --- */

static void what_was_read_ahead_is_the_next_message(void **state) {
  struct net *net = *state;
  net_h a, b;
  char bytes[8];
  struct iovec iov = {bytes, 2};
  struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
  peers_pair(net, &a, &b);
  assert_int_equal(net_recv(net, b, bytes, sizeof bytes), -EAGAIN);
  assert_int_equal(net_send(net, a, "abcd", 4), 4);
  peers_await(net, b, NET_RD); /* reads it, because somebody waits */
  assert_int_equal(recv(b, bytes, sizeof bytes, MSG_DONTWAIT), -1);
  assert_int_equal(net_recvmsg(net, b, &msg, MSG_PEEK), 2);
  assert_int_equal(net_recvmsg(net, b, &msg, 0), 2);
  assert_memory_equal(bytes, "ab", 2);
  assert_int_equal(net_recv(net, b, bytes, sizeof bytes), 2);
  assert_memory_equal(bytes, "cd", 2);
  net_close(net, a);
  net_close(net, b);
}

/* Who keeps answers to requests asks whether bytes can have come since (net/hot.h). */
static void bytes_that_come_between_two_polls_are_an_intake(void **state) {
  struct net *net = *state;
  net_h pair[2];
  char bytes[8];
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  uint64_t before = net->intake;
  assert_int_equal(net_recv(net, pair[0], bytes, sizeof bytes), -EAGAIN);
  assert_int_equal(net->intake, before);
  assert_int_equal(net_send(net, pair[1], "abc", 3), 3);
  assert_int_equal(net_flush(net, pair[1]), 0);
  peers_await(net, pair[0], NET_RD);
  assert_true(net->intake > before);
  assert_int_equal(net_recv(net, pair[0], bytes, sizeof bytes), 3);
  net_close(net, pair[0]);
  net_close(net, pair[1]);

  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  assert_int_equal(net_send(net, pair[1], "abc", 3), 3);
  assert_int_equal(net_flush(net, pair[1]), 0);
  before = net->intake;
  assert_int_equal(net_recv(net, pair[0], bytes, sizeof bytes), 3); /* without a poll */
  assert_true(net->intake > before);
  net_close(net, pair[0]);
  net_close(net, pair[1]);
}

static void a_net_that_goes_takes_lingering_descriptors_along(void **state) {
  static char bytes[16384];
  static const int little =
      4096; /* what the kernel has sent on makes no room for the rest */
  int status, before = dup(0);
  close(before); /* the lowest number that is free */
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  net_h a, b;
  peers_pair(net, &a, &b);
  net_setopt(net, a, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
  net_setopt(net, b, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
  while (net_send(net, a, bytes, sizeof bytes) > 0) continue;
  assert_int_equal(net_close(net, a), 0);
  assert_true(fcntl(a, F_GETFD) >= 0); /* bytes are left, so it stays open */
  net_close(net, b);
  net_free(net);
  int after = dup(0);
  close(after);
  assert_int_equal(after, before);
  assert_int_equal(fcntl(a, F_GETFD), -1);
}

/* --- signals --- */

static volatile sig_atomic_t alarms;

static void count_alarm(int signal) {
  alarms++;
}

static void a_signal_does_not_end_a_poll(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  struct sigaction count = {.sa_handler = count_alarm}, old;
  struct itimerval often =
                       {
                           {0, 2000},
                           {0, 2000}
  },
                   off = {{0, 0}, {0, 0}};
  sigaction(SIGALRM, &count, &old);
  setitimer(ITIMER_REAL, &often, NULL);
  int64_t deadline = net_now(net) + 15000000;
  int n = net_poll(net, events, 4, deadline);
  int64_t end = net_now(net);
  setitimer(ITIMER_REAL, &off, NULL);
  sigaction(SIGALRM, &old, NULL);
  assert_int_equal(n, 0);
  assert_true(end >= deadline);
  assert_true(alarms > 0);
}

static struct net *to_wake;

static void wake_net(int signal) {
  int saved = errno;
  errno = 77;
  net_wake(to_wake);
  alarms += errno == 77;
  errno = saved;
}

static void a_wake_from_a_signal_handler_ends_a_poll(void **state) {
  struct net *net = *state;
  struct net_event events[4];
  struct sigaction wake = {.sa_handler = wake_net}, old;
  struct itimerval once = {
      {0, 0   },
      {0, 2000}
  };
  to_wake = net;
  alarms = 0;
  sigaction(SIGALRM, &wake, &old);
  setitimer(ITIMER_REAL, &once, NULL);
  assert_int_equal(net_poll(net, events, 4, NET_NEVER), 0);
  sigaction(SIGALRM, &old, NULL);
  assert_int_equal(alarms, 1);
}

/* --- the epoll set --- */

static void a_copy_of_a_closed_descriptor_raises_no_event(void **state) {
  struct net *net = *state;
  struct net_event events[8];
  net_h a, b;
  char byte;
  peers_pair(net, &a, &b);
  assert_int_equal(net_recv(net, b, &byte, 1), -EAGAIN);
  int copy = dup(b); /* as a child that was forked keeps it */
  net_close(net, b);
  net_flush(net, -1);
  net_h fresh = net_socket(net, AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(fresh, b);
  assert_int_equal(peers_send(net, a, "x", 1), 1);
  assert_int_equal(net_poll(net, events, 8, net_now(net) + 1000000), 0);
  close(copy);
  net_close(net, a);
  net_close(net, fresh);
}

static void descriptors_are_closed_on_exec(void **state) {
  struct net *net = *state;
  net_h a, b;
  peers_pair(net, &a, &b);
  assert_true(fcntl(a, F_GETFD) & FD_CLOEXEC);
  assert_true(fcntl(b, F_GETFD) & FD_CLOEXEC);
  net_close(net, a);
  net_close(net, b);
}

#define EPOLL_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      EPOLL_TEST(an_inherited_pipe_is_read_as_bytes_come),
      EPOLL_TEST(an_inherited_descriptor_never_becomes_non_blocking),
      EPOLL_TEST(an_inherited_descriptor_stays_open_when_it_is_closed),
      EPOLL_TEST(an_inherited_file_is_always_ready),
      EPOLL_TEST(an_inherited_terminal_is_read_through_a_descriptor_of_our_own),
      EPOLL_TEST(the_masters_end_of_a_terminal_is_read_itself),
      EPOLL_TEST(what_is_no_descriptor_is_not_adopted),
      EPOLL_TEST(the_reserve_refuses_client_after_client),
      EPOLL_TEST(what_was_read_ahead_is_the_next_message),
      EPOLL_TEST(bytes_that_come_between_two_polls_are_an_intake),
      EPOLL_TEST(a_net_that_goes_takes_lingering_descriptors_along),
      EPOLL_TEST(a_signal_does_not_end_a_poll),
      EPOLL_TEST(a_wake_from_a_signal_handler_ends_a_poll),
      EPOLL_TEST(a_copy_of_a_closed_descriptor_raises_no_event),
      EPOLL_TEST(descriptors_are_closed_on_exec),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
