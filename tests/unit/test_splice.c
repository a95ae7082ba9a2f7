/* Bytes through a pipe, of every net: the one in memory, the host's, and the host's under
 * faults that a program has to live with. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/file.h"
#include "net/host_pipe.h"
#include "support/nets.h"
#include "support/peers.h"

enum { LARGE = 1000000, PIECE = 100000 };

/* Two connections with a pipe between them: bytes go from `source` through `in` and `out` to
 * `target`. */
struct line {
  struct net *net;
  net_h source, in, out, target;
  struct host_pipe pipe;
  size_t held; /* bytes in the pipe */
};

static void line_open(struct line *l, struct net *net) {
  *l = (struct line){.net = net};
  peers_pair(net, &l->source, &l->in);
  peers_pair(net, &l->out, &l->target);
  assert_int_equal(host_pipe_open(&l->pipe, 1 << 20), 0);
}

static void line_close(struct line *l) {
  net_h all[] = {l->source, l->in, l->out, l->target};
  for (int i = 0; i < 4; i++)
    if (all[i] >= 0) net_close(l->net, all[i]);
  host_pipe_close(&l->pipe);
}

static void pass_time(struct net *net) {
  struct net_event events[8];
  assert_true(net_poll(net, events, 8, net_now(net) + 100000000) >= 0);
}

/* Waits until `in` is told of bytes. Under faults the event may have come while somebody
 * else was waited for: fill asks again. */
static void await_bytes(struct line *l) {
  if (nets_kind != NETS_FAULTY) peers_await(l->net, l->in, NET_RD);
}

/* What splice_in gives when it does not wait; a refusal to splice is made good by a copy. */
static ssize_t fill(struct line *l, size_t n) {
  char bytes[4096];
  ssize_t r;
  while ((r = net_splice_in(l->net, l->in, l->pipe.wr, n)) == -EAGAIN) pass_time(l->net);
  if (r == -EINVAL && nets_kind == NETS_FAULTY) {
    r = peers_recv(l->net, l->in, bytes, n < sizeof bytes ? n : sizeof bytes);
    if (r > 0) assert_int_equal(host_pipe_write(l->pipe.wr, bytes, (size_t)r), r);
  }
  if (r > 0) l->held += (size_t)r;
  return r;
}

static ssize_t empty_once(struct line *l) {
  char bytes[4096];
  ssize_t r = net_splice_out(l->net, l->out, l->pipe.rd, l->held);
  if (r == -EINVAL && nets_kind == NETS_FAULTY) {
    size_t n = l->held < sizeof bytes ? l->held : sizeof bytes;
    assert_int_equal(host_pipe_read(l->pipe.rd, bytes, n), n);
    for (size_t at = 0; at < n;)
      at += (size_t)peers_send(l->net, l->out, bytes + at, n - at);
    r = (ssize_t)n;
  }
  if (r > 0) l->held -= (size_t)r;
  return r;
}

static char byte_at(size_t at) {
  return (char)(at % 251);
}

/* Sends some of the pattern from `at` on, as far as it goes now. */
static size_t feed(struct net *net, net_h h, size_t at) {
  static char bytes[PIECE];
  size_t n = LARGE - at < PIECE ? LARGE - at : PIECE;
  for (size_t i = 0; i < n; i++) bytes[i] = byte_at(at + i);
  ssize_t r = n ? net_send(net, h, bytes, n) : -EAGAIN;
  assert_true(r > 0 || r == -EAGAIN);
  return r > 0 ? (size_t)r : 0;
}

static size_t drink(struct net *net, net_h h, size_t at) {
  static char bytes[PIECE];
  ssize_t r = net_recv(net, h, bytes, PIECE);
  assert_true(r > 0 || r == -EAGAIN);
  for (ssize_t i = 0; i < r; i++) assert_int_equal(bytes[i], byte_at(at + (size_t)i));
  return r > 0 ? (size_t)r : 0;
}

static void every_byte_goes_through_once_and_in_order(void **state) {
  struct line l;
  size_t sent = 0, through = 0, got = 0;
  line_open(&l, *state);
  while (got < LARGE) {
    size_t before = sent + got;
    sent += feed(l.net, l.source, sent);
    if (l.held == 0 && through < sent) through += (size_t)fill(&l, PIECE);
    if (l.held > 0) empty_once(&l);
    got += drink(l.net, l.target, got);
    if (sent + got == before) pass_time(l.net);
  }
  assert_int_equal(sent, LARGE);
  line_close(&l);
}

/* What poll reads ahead for a reader who waits is not lost for who splices then. */
static void what_is_held_comes_first(void **state) {
  struct line l;
  char byte;
  line_open(&l, *state);
  assert_int_equal(net_recv(l.net, l.in, &byte, 1), -EAGAIN);
  assert_int_equal(peers_send(l.net, l.source, "a", 1), 1);
  await_bytes(&l);
  assert_int_equal(fill(&l, 10), 1);
  assert_int_equal(peers_send(l.net, l.source, "b", 1), 1);
  while (l.held > 0) empty_once(&l);
  assert_int_equal(fill(&l, 10), 1);
  while (l.held > 0) empty_once(&l);
  peers_expect(l.net, l.target, "ab");
  line_close(&l);
}

static void splice_out_follows_what_was_queued(void **state) {
  struct line l;
  line_open(&l, *state);
  assert_int_equal(peers_send(l.net, l.source, "b", 1), 1);
  assert_int_equal(fill(&l, 10), 1);
  assert_int_equal(peers_send(l.net, l.out, "a", 1), 1);
  while (l.held > 0) empty_once(&l);
  peers_expect(l.net, l.target, "ab");
  line_close(&l);
}

static void splice_in_gives_0_at_the_end(void **state) {
  struct line l;
  line_open(&l, *state);
  assert_int_equal(peers_send(l.net, l.source, "x", 1), 1);
  assert_int_equal(net_shutdown(l.net, l.source, SHUT_WR), 0);
  assert_int_equal(fill(&l, 10), 1);
  while (l.held > 0) empty_once(&l);
  assert_int_equal(fill(&l, 10), 0);
  assert_int_equal(fill(&l, 10), 0);
  line_close(&l);
}

static void splice_in_that_would_block_is_woken_by_bytes(void **state) {
  struct line l;
  line_open(&l, *state);
  for (int i = 0; i < 5; i++) {
    ssize_t r = net_splice_in(l.net, l.in, l.pipe.wr, 10);
    assert_true(r == -EAGAIN || (r == -EINVAL && nets_kind == NETS_FAULTY));
    assert_int_equal(peers_send(l.net, l.source, "x", 1), 1);
    if (r == -EAGAIN) await_bytes(&l);
    assert_int_equal(fill(&l, 10), 1);
    while (l.held > 0) empty_once(&l);
  }
  peers_expect(l.net, l.target, "xxxxx");
  line_close(&l);
}

static void splice_out_that_would_block_is_woken_by_room(void **state) {
  static char bytes[PIECE];
  struct line l;
  size_t got = 0, through = 0;
  ssize_t r = 0;
  line_open(&l, *state);
  for (int again = 0; again < 20;) { /* a needless -EAGAIN does not count */
    if (l.held == 0) {
      assert_true(peers_send(l.net, l.source, bytes, 4096) > 0);
      assert_true(fill(&l, PIECE) > 0);
    }
    r = empty_once(&l);
    if (r > 0) through += (size_t)r;
    again = r == -EAGAIN ? again + 1 : 0;
  }
  while (got < through) got += (size_t)peers_recv(l.net, l.target, bytes, PIECE);
  /* with a ring the receives wait, and may take the event */
  if (nets_kind != NETS_FAULTY && !nets_have_ring()) peers_await(l.net, l.out, NET_WR);
  while (l.held > 0) assert_true((r = empty_once(&l)) > 0 || r == -EAGAIN);
  line_close(&l);
}

static void splice_out_to_who_has_gone_fails_without_a_signal(void **state) {
  struct line l;
  ssize_t r = 0;
  line_open(&l, *state);
  net_close(l.net, l.target);
  l.target = -1;
  while (r >= 0 || r == -EAGAIN) {
    if (l.held == 0) {
      assert_true(peers_send(l.net, l.source, "x", 1) == 1);
      assert_int_equal(fill(&l, 10), 1);
    }
    r = net_splice_out(l.net, l.out, l.pipe.rd, l.held);
    if (r > 0) l.held -= (size_t)r;
    if (r == -EINVAL && nets_kind == NETS_FAULTY) r = 0;
    pass_time(l.net);
  }
  assert_true(r == -EPIPE || r == -ECONNRESET);
  line_close(&l);
}

/* --- the host's alone --- */

static void urgent_data_does_not_stop_it_for_ever(void **state) {
  struct line l;
  struct iovec iov = {"u", 1};
  struct msghdr urgent = {.msg_iov = &iov, .msg_iovlen = 1};
  char byte;
  ssize_t r;
  line_open(&l, *state);
  assert_int_equal(net_sendmsg(l.net, l.source, &urgent, MSG_OOB), 1);
  assert_int_equal(peers_send(l.net, l.source, "x", 1), 1);
  while ((r = net_splice_in(l.net, l.in, l.pipe.wr, 10)) == -EAGAIN) pass_time(l.net);
  assert_int_equal(r, -EINVAL);
  assert_int_equal(peers_recv(l.net, l.in, &byte, 1), 1);
  assert_int_equal(byte, 'x');
  line_close(&l);
}

static void the_end_behind_urgent_data_is_not_taken_for_the_end_before_it(void **state) {
  struct line l;
  struct iovec iov = {"u", 1};
  struct msghdr urgent = {.msg_iov = &iov, .msg_iovlen = 1};
  char byte;
  line_open(&l, *state);
  assert_int_equal(net_sendmsg(l.net, l.source, &urgent, MSG_OOB), 1);
  assert_int_equal(peers_send(l.net, l.source, "x", 1), 1);
  assert_int_equal(net_shutdown(l.net, l.source, SHUT_WR), 0);
  pass_time(l.net);
  assert_int_equal(net_splice_in(l.net, l.in, l.pipe.wr, 10), -EINVAL);
  assert_int_equal(peers_recv(l.net, l.in, &byte, 1), 1);
  assert_int_equal(byte, 'x');
  assert_int_equal(net_splice_in(l.net, l.in, l.pipe.wr, 10), 0);
  line_close(&l);
}

static void what_is_no_socket_is_to_be_copied(void **state) {
  struct net *net = *state;
  int fds[2];
  struct host_pipe pipe;
  assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
  assert_int_equal(host_pipe_open(&pipe, 1 << 20), 0);
  net_h in = net_adopt(net, fds[0], true), out = net_adopt(net, fds[1], true);
  assert_int_equal(net_splice_in(net, in, pipe.wr, 10), -EINVAL);
  assert_int_equal(net_splice_out(net, out, pipe.rd, 10), -EINVAL);
  net_close(net, in);
  net_close(net, out);
  host_pipe_close(&pipe);
}

static void unix_sockets_splice_too(void **state) {
  struct net *net = *state;
  net_h a[2], b[2];
  struct host_pipe pipe;
  assert_int_equal(host_pipe_open(&pipe, 1 << 20), 0);
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, a), 0);
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, b), 0);
  assert_int_equal(net_send(net, a[0], "hello", 5), 5);
  assert_int_equal(net_flush(net, a[0]), 0);
  assert_int_equal(net_splice_in(net, a[1], pipe.wr, 100), 5);
  assert_int_equal(net_splice_in(net, a[1], pipe.wr, 100), -EAGAIN);
  assert_int_equal(net_splice_out(net, b[0], pipe.rd, 5), 5);
  peers_expect(net, b[1], "hello");
  for (int i = 0; i < 2; i++) {
    net_close(net, a[i]);
    net_close(net, b[i]);
  }
  host_pipe_close(&pipe);
}

/* What the program does in its handler: a broken pipe that is a socket's means nothing. */
static void on_pipe(int signal) {
  if (!file_is_sending) _exit(128 + signal);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, nets_set_up, nets_tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      NET_TEST(every_byte_goes_through_once_and_in_order),
      NET_TEST(what_is_held_comes_first),
      NET_TEST(splice_out_follows_what_was_queued),
      NET_TEST(splice_in_gives_0_at_the_end),
      NET_TEST(splice_in_that_would_block_is_woken_by_bytes),
      NET_TEST(splice_out_that_would_block_is_woken_by_room),
      NET_TEST(splice_out_to_who_has_gone_fails_without_a_signal),
  };
  const struct CMUnitTest host_tests[] = {
      NET_TEST(urgent_data_does_not_stop_it_for_ever),
      NET_TEST(the_end_behind_urgent_data_is_not_taken_for_the_end_before_it),
      NET_TEST(what_is_no_socket_is_to_be_copied),
      NET_TEST(unix_sockets_splice_too),
  };
  alarm(60); /* a poll that sleeps for ever ends the program */
  signal(SIGPIPE, on_pipe);
  int failed = cmocka_run_group_tests_name("in memory", tests, nets_use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", tests, nets_use_host, NULL);
  failed += cmocka_run_group_tests_name("host alone", host_tests, nets_use_host, NULL);
  return failed +
         cmocka_run_group_tests_name("host under faults", tests, nets_use_faulty, NULL);
}
