/* How a long send_repeat finds its method. The clock is the test's own: a byte takes as long as
 * it says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/repeat.h"
#include "support/fault_net.h"
#include "support/peers.h"
#include "support/seed.h"

enum {
  KIB = 1024,
  MIB = 1024 * KIB,
  DATUM_MAX = 3 * MIB + 7,
  TOTAL = 12 * MIB + 11,
  PIECE = 47 * KIB + 5
};

static const struct trial_plan small = {2 * MIB, 40 * KIB, 200 * KIB, 10 * 1000 * 1000};

static net_h a, b;

/* The clock, and what the ways of sending take, in ns a KiB. */
static int64_t clock_ns, send_ns, lend_ns;
static const struct net_ops *host;
static struct net_ops ops;

static int64_t tell_time(struct net *net) {
  return clock_ns;
}

static ssize_t take_time(ssize_t moved, int64_t ns) {
  if (moved > 0) clock_ns += moved * ns / KIB;
  return moved;
}

static ssize_t timed_sendmsg(struct net *net, net_h h, const struct msghdr *msg,
                             int flags) {
  return take_time(host->sendmsg(net, h, msg, flags), send_ns);
}

static ssize_t timed_send(struct net *net, net_h h, const void *bytes, size_t n) {
  return take_time(host->send(net, h, bytes, n), send_ns);
}

static ssize_t timed_splice_out(struct net *net, net_h h, int pipe_fd, size_t n) {
  return take_time(host->splice_out(net, h, pipe_fd, n), lend_ns);
}

static int set_up_with(void **state, const struct fault_rates *rates) {
  int status;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  if (!net) return -1;
  net = fault_net_new(net, seed_get(), rates);
  peers_pair(net, &a, &b);
  host = net->ops;
  ops = *host;
  ops.now = tell_time;
  ops.send = timed_send;
  ops.sendmsg = timed_sendmsg;
  ops.splice_out = timed_splice_out;
  net->ops = &ops;
  clock_ns = send_ns = lend_ns = 1000;
  *state = net;
  return 0;
}

static int set_up(void **state) {
  return set_up_with(state, &(struct fault_rates){0});
}

/* Sends that take less than they could, so that bytes stay in the pipe. */
static int set_up_short(void **state) {
  return set_up_with(state, &(struct fault_rates){.short_count = 300, .again = 100});
}

static int tear_down(void **state) {
  struct net *net = *state;
  net->ops = host;
  net_close(net, a);
  net_close(net, b);
  int left = net->open;
  net_free(net);
  return left;
}

static const char *datum(void) {
  static char bytes[DATUM_MAX];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i % 251);
  return bytes;
}

/* Receives once, of the stream of a datum of `len` bytes, from its byte `at` on. */
static size_t take(struct net *net, size_t len, size_t at) {
  static char bytes[300000];
  ssize_t n = net_recv(net, b, bytes, sizeof bytes);
  assert_true(n > 0 || n == -EAGAIN);
  for (ssize_t i = 0; i < n; i++)
    if (bytes[i] != (char)((at + (size_t)i) % len % 251)) fail();
  return n > 0 ? (size_t)n : 0;
}

/* Sends a stream of so many bytes and reads it all. By which methods it went, as bits. */
static unsigned transfer(struct net *net, struct repeat *r, size_t total) {
  struct stream st;
  struct net_event events[4];
  size_t sent = 0, got = 0;
  unsigned methods = 0;
  stream_init(&st);
  while (got < total) {
    size_t want = total - sent < PIECE ? total - sent : PIECE, filled = r->filled;
    ssize_t s = want ? repeat_send(r, &st, net, a, sent, want) : -EAGAIN;
    assert_true((s > 0 && (size_t)s <= want) || s == -EAGAIN);
    assert_true(r->filled <= filled + MIB); /* a large datum is not copied all at once */
    if (s > 0) sent += (size_t)s;
    if (s > 0) methods |= 1u << r->method;
    size_t n = take(net, r->len, got);
    got += n;
    if (s < 0 && n == 0) assert_true(net_poll(net, events, 4, clock_ns + 100000000) >= 0);
  }
  assert_int_equal(sent, total);
  assert_int_equal(got, total);
  stream_fini(&st);
  return methods;
}

enum { BY_SEND = 1 << REPEAT_SEND, BY_VMSPLICE = 1 << REPEAT_VMSPLICE };

/* A long job, with small windows. */
static void init(struct repeat *r, size_t len) {
  repeat_init(r, datum(), len, UINT64_MAX, NET_NEVER);
  assert_true(r->tries);
  trial_begin(&r->trial, &small);
}

static const size_t sizes[] = {1, 1000, 4097, 100003, DATUM_MAX};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void a_long_job_goes_on_with_pages_where_that_is_faster(void **state) {
  lend_ns = 800;
  for (int i = 0; i < SIZES; i++) {
    struct repeat r;
    init(&r, sizes[i]);
    assert_int_equal(transfer(*state, &r, TOTAL), BY_SEND | BY_VMSPLICE);
    assert_int_equal(r.method, REPEAT_VMSPLICE);
    assert_false(r.tries);
    repeat_fini(&r);
  }
}

static void a_long_job_goes_on_with_sends_where_pages_are_no_faster(void **state) {
  static const int64_t costs[] = {970, 1000, 1200};
  for (int i = 0; i < SIZES * 3; i++) {
    struct repeat r;
    lend_ns = costs[i % 3];
    init(&r, sizes[i / 3]);
    assert_int_equal(transfer(*state, &r, TOTAL), BY_SEND | BY_VMSPLICE);
    assert_int_equal(r.method, REPEAT_SEND);
    assert_false(r.tries || r.piping || r.mapped);
    repeat_fini(&r);
  }
}

/* As with a large datum. */
static void pages_are_left_for_sends_by_the_same_rule(void **state) {
  static const int64_t costs[] = {800, 970, 1200};
  for (int i = 0; i < 3; i++) {
    struct repeat r;
    send_ns = costs[i];
    init(&r, DATUM_MAX);
    r.method = r.usual = REPEAT_VMSPLICE;
    assert_int_equal(transfer(*state, &r, TOTAL), BY_SEND | BY_VMSPLICE);
    assert_int_equal(r.method, i == 0 ? REPEAT_SEND : REPEAT_VMSPLICE);
    assert_int_equal(r.piping, i > 0);
    repeat_fini(&r);
  }
}

static void where_the_network_is_the_limit_no_page_is_lent(void **state) {
  struct repeat r;
  send_ns = 100 * 1000;
  lend_ns = 1;
  init(&r, 1000);
  assert_int_equal(transfer(*state, &r, TOTAL), BY_SEND);
  assert_false(r.tries || r.piping);
  repeat_fini(&r);
}

/* Wherever it ends, the bytes are right and all is given back. */
static void a_job_may_end_in_the_midst_of_a_trial(void **state) {
  for (size_t total = 2 * MIB + 3; total < 6 * MIB; total += 170 * KIB + 1) {
    struct repeat r;
    init(&r, 4097);
    transfer(*state, &r, total);
    repeat_fini(&r);
    assert_false(r.piping || r.block);
  }
}

static void a_method_that_fails_in_a_trial_is_out(void **state) {
  struct net *net = *state;
  lend_ns = 500;
  for (unsigned nth = 1; nth <= 5; nth++) {
    struct repeat r;
    init(&r, 5000);
    fault_net_fail(net, FAULT_SPLICE_OUT, nth, -EINVAL);
    transfer(net, &r, TOTAL);
    assert_int_equal(r.method, REPEAT_SEND);
    assert_false(r.tries || r.piping);
    repeat_fini(&r);
  }
}

static void without_a_descriptor_sends_go_on(void **state) {
  struct repeat r;
  struct rlimit limit, none = {0};
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  none.rlim_max = limit.rlim_max;
  init(&r, 5000);
  setrlimit(RLIMIT_NOFILE, &none);
  unsigned methods = transfer(*state, &r, TOTAL);
  setrlimit(RLIMIT_NOFILE, &limit);
  assert_int_equal(methods, BY_SEND);
  assert_false(r.tries);
  repeat_fini(&r);
}

static void what_is_sent_while_the_copy_is_made_does_not_count(void **state) {
  struct repeat r;
  init(&r, DATUM_MAX);
  r.method = r.usual = REPEAT_VMSPLICE;
  assert_int_equal(transfer(*state, &r, DATUM_MAX - 1), BY_VMSPLICE);
  assert_int_equal(r.trial.skip_bytes, small.run_in_bytes);
  repeat_fini(&r);
}

static void there_is_no_trial_where_a_method_is_forced(void **state) {
  lend_ns = 500;
  for (enum repeat_method m = REPEAT_SEND; m < REPEAT_METHODS; m++) {
    struct repeat r;
    init(&r, 1000);
    r.method = m;
    r.forced = true;
    assert_int_equal(transfer(*state, &r, TOTAL), 1u << m);
    repeat_fini(&r);
  }
}

static void there_is_no_trial_on_what_is_not_tcp(void **state) {
  struct net *net = *state;
  struct repeat r;
  net_h pair[2], tcp[2] = {a, b};
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  a = pair[0];
  b = pair[1];
  lend_ns = 500;
  init(&r, 1000);
  unsigned methods = transfer(net, &r, TOTAL);
  repeat_fini(&r);
  net_close(net, a);
  net_close(net, b);
  a = tcp[0];
  b = tcp[1];
  assert_int_equal(methods, BY_SEND);
}

/* Sends until the stream is full, so that the window waits for room. */
static size_t stuff(struct net *net, struct repeat *r, struct stream *st) {
  ssize_t s;
  size_t sent = 0;
  while ((s = repeat_send(r, st, net, a, sent, SIZE_MAX)) > 0) sent += (size_t)s;
  assert_int_equal(s, -EAGAIN);
  return sent;
}

static void only_time_for_sending_and_for_room_counts(void **state) {
  struct net *net = *state;
  struct stream st;
  struct repeat r;
  stream_init(&st);
  init(&r, 1000);
  r.trial.plan = (struct trial_plan){.window_bytes = SIZE_MAX, .slow_ns = INT64_MAX};
  r.trial.skip_bytes = 0;
  send_ns = 0;
  assert_true(repeat_send(&r, &st, net, a, 0, 500) > 0);
  clock_ns += 1000; /* others have had a turn */
  size_t sent = stuff(net, &r, &st);
  assert_int_equal(r.trial.ns, 0);
  clock_ns += 20;
  assert_int_equal(repeat_send(&r, &st, net, a, sent, SIZE_MAX), -EAGAIN);
  assert_int_equal(r.trial.ns, 20);
  clock_ns += 3;
  repeat_pause(&r, clock_ns); /* a tick */
  repeat_pause(&r, clock_ns + 1000);
  clock_ns += 1000;
  assert_int_equal(repeat_send(&r, &st, net, a, sent, SIZE_MAX), -EAGAIN);
  assert_int_equal(r.trial.ns, 23);
  assert_true(r.trial.runs);
  repeat_fini(&r);
  stream_fini(&st);
}

static void only_long_jobs_have_a_trial(void **state) {
  static const struct {
    size_t len;
    uint64_t bytes;
    int64_t ns;
    bool tries;
  } jobs[] = {
      {1,             UINT64_MAX,    NET_NEVER,  true },
      {1,             UINT64_MAX,    1000000000, true },
      {1,             UINT64_MAX,    999999999,  false},
      {1,             1 << 30,       NET_NEVER,  true },
      {1,             (1 << 30) - 1, NET_NEVER,  false},
      {1 << 28,       1 << 30,       NET_NEVER,  true },
      {(1 << 28) + 1, 1 << 30,       NET_NEVER,  false}, /* its copy does not pay */
  };
  for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
    struct repeat r;
    repeat_init(&r, datum(), jobs[i].len, jobs[i].bytes, jobs[i].ns);
    assert_int_equal(r.tries, jobs[i].tries);
  }
}

#define NET_TEST(name)   cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define SHORT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_short, tear_down)

int main(void) {
  const struct CMUnitTest shorts[] = {
      SHORT_TEST(a_long_job_goes_on_with_pages_where_that_is_faster),
      SHORT_TEST(pages_are_left_for_sends_by_the_same_rule),
      SHORT_TEST(a_job_may_end_in_the_midst_of_a_trial),
  };
  const struct CMUnitTest hosts[] = {
      NET_TEST(a_long_job_goes_on_with_pages_where_that_is_faster),
      NET_TEST(a_long_job_goes_on_with_sends_where_pages_are_no_faster),
      NET_TEST(pages_are_left_for_sends_by_the_same_rule),
      NET_TEST(where_the_network_is_the_limit_no_page_is_lent),
      NET_TEST(a_job_may_end_in_the_midst_of_a_trial),
      NET_TEST(a_method_that_fails_in_a_trial_is_out),
      NET_TEST(without_a_descriptor_sends_go_on),
      NET_TEST(what_is_sent_while_the_copy_is_made_does_not_count),
      NET_TEST(there_is_no_trial_where_a_method_is_forced),
      NET_TEST(there_is_no_trial_on_what_is_not_tcp),
      NET_TEST(only_time_for_sending_and_for_room_counts),
      cmocka_unit_test(only_long_jobs_have_a_trial),
  };
  alarm(60); /* a poll that sleeps for ever ends the program */
  int failed = cmocka_run_group_tests_name("host", hosts, NULL, NULL);
  return failed + cmocka_run_group_tests_name("host, short sends", shorts, NULL, NULL);
}
