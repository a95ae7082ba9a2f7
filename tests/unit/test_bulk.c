/* Bytes that nobody looks at: discard of every net (the one in memory, the host's, and the
 * host's under soft faults), and the ways to send a datum again and again. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "net/repeat.h"
#include "support/fault_alloc.h"
#include "support/fault_net.h"
#include "support/nets.h"
#include "support/peers.h"

static net_h a, b;

static int set_up(void **state) {
  struct net *net = nets_new();
  peers_pair(net, &a, &b);
  *state = net;
  return 0;
}

static int tear_down(void **state) {
  struct net *net = *state;
  if (a >= 0) net_close(net, a);
  if (b >= 0) net_close(net, b);
  int left = net->open;
  net_free(net);
  return left;
}

static void close_both(struct net *net) {
  net_close(net, a);
  net_close(net, b);
  a = b = -1;
}

/* Sends all of a text. */
static void send_all(struct net *net, net_h h, const char *text) {
  for (size_t n; *text; text += n) n = (size_t)peers_send(net, h, text, strlen(text));
}

/* --- discard --- */

/* discard, with -EAGAIN waited for. */
static ssize_t discard(struct net *net, net_h h, size_t n) {
  ssize_t r;
  while ((r = net_discard(net, h, n)) == -EAGAIN) peers_await(net, h, NET_RD);
  return r;
}

/* Exactly n bytes, over as many calls as it takes. */
static void discard_exactly(struct net *net, net_h h, size_t n) {
  while (n > 0) {
    ssize_t r = discard(net, h, n);
    assert_true(r > 0 && (size_t)r <= n);
    n -= (size_t)r;
  }
}

static void discard_takes_the_first_bytes_and_no_more(void **state) {
  struct net *net = *state;
  send_all(net, a, "0123456789");
  discard_exactly(net, b, 4);
  peers_expect(net, b, "456");
  discard_exactly(net, b, 2);
  peers_expect(net, b, "9");
}

static void discard_takes_what_was_read_ahead_first(void **state) {
  struct net *net = *state;
  char byte;
  while (net_recv(net, b, &byte, 1) != -EAGAIN) {} /* now the owner waits */
  send_all(net, a, "0123456789");
  if (nets_kind != NETS_FAULTY)
    peers_await(net, b, NET_RD); /* a send that waits may take the event */
  discard_exactly(net, b, 3);
  peers_expect(net, b, "3456789");
}

static void discard_without_bytes_arms_its_wake(void **state) {
  struct net *net = *state;
  for (int i = 0; i < 3; i++) assert_int_equal(net_discard(net, b, 10), -EAGAIN);
  send_all(net, a, "0123456789");
  if (nets_kind != NETS_FAULTY) peers_await(net, b, NET_RD);
  discard_exactly(net, b, 10);
  assert_int_equal(net_discard(net, b, 10), -EAGAIN);
  send_all(net, a, "ab"); /* it was armed once and stays so */
  if (nets_kind != NETS_FAULTY) peers_await(net, b, NET_RD);
  discard_exactly(net, b, 2);
}

static void discard_gives_0_at_the_end(void **state) {
  struct net *net = *state;
  send_all(net, a, "ab");
  while (net_shutdown(net, a, SHUT_WR) == -EAGAIN) peers_await(net, a, NET_WR);
  discard_exactly(net, b, 2);
  assert_int_equal(discard(net, b, 1), 0);
  assert_int_equal(discard(net, b, SIZE_MAX), 0);
}

static void discard_tells_of_a_reset(void **state) {
  struct net *net = *state;
  struct linger now = {1, 0};
  send_all(net, b, "unread");
  assert_int_equal(net_setopt(net, a, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
  net_close(net, a);
  a = -1;
  assert_int_equal(discard(net, b, 10), -ECONNRESET);
}

/* The urgent byte is beside the stream (tcp(7)). */
static void discard_goes_past_an_urgent_byte(void **state) {
  struct net *net = *state;
  send_all(net, a, "ab");
  assert_int_equal(net_sendto(net, a, "!", 1, NULL, MSG_OOB), 1);
  send_all(net, a, "cd");
  assert_int_equal(net_shutdown(net, a, SHUT_WR), 0);
  discard_exactly(net, b, 4);
  assert_int_equal(discard(net, b, 1), 0);
}

/* What comes beyond what one call can take; the counts agree. */
static void discard_takes_a_large_stream(void **state) {
  enum { TOTAL = 10 * 1000 * 1000 };
  static char bytes[100000];
  struct net *net = *state;
  struct net_event events[4];
  size_t sent = 0, got = 0;
  while (got < TOTAL) {
    size_t n = TOTAL - sent < sizeof bytes ? TOTAL - sent : sizeof bytes;
    ssize_t s = n ? net_send(net, a, bytes, n) : -EAGAIN;
    ssize_t r = net_discard(net, b, SIZE_MAX);
    assert_true((s > 0 || s == -EAGAIN) && (r > 0 || r == -EAGAIN));
    if (s > 0) sent += (size_t)s;
    if (r > 0) got += (size_t)r;
    if (s < 0 && r < 0)
      assert_true(net_poll(net, events, 4, net_now(net) + 100000000) >= 0);
  }
  assert_int_equal(sent, TOTAL);
  assert_int_equal(got, TOTAL);
}

static void discard_of_other_streams_goes_through_memory(void **state) {
  struct net *net = *state;
  net_h pair[2];
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, pair), 0);
  send_all(net, pair[0], "0123456789");
  discard_exactly(net, pair[1], 7);
  peers_expect(net, pair[1], "789");
  if (nets_kind == NETS_HOST)
    assert_int_equal(net->ops->discard(net, pair[1], 1), -EINVAL);
  net_close(net, pair[0]);
  net_close(net, pair[1]);
}

/* --- repeat --- */

enum { DATUM_MAX = 100003 };

static const char *datum(void) {
  static char bytes[DATUM_MAX];
  for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i % 251);
  return bytes;
}

static char expected(size_t len, size_t at) {
  return (char)(at % len % 251);
}

/* Receives once, of the stream of a datum of `len` bytes, from its byte `at` on. */
static size_t take(struct net *net, size_t len, size_t at) {
  static char bytes[300000];
  ssize_t n = net_recv(net, b, bytes, sizeof bytes);
  assert_true(n > 0 || n == -EAGAIN);
  for (ssize_t i = 0; i < n; i++)
    if (bytes[i] != expected(len, at + (size_t)i)) fail();
  return n > 0 ? (size_t)n : 0;
}

/* Sends so much and reads it all. */
static void transfer(struct net *net, struct repeat *r, size_t total) {
  struct stream st;
  struct net_event events[4];
  size_t sent = 0, got = 0;
  stream_init(&st);
  while (got < total) {
    ssize_t s = sent < total ? repeat_send(r, &st, net, a, sent, total - sent) : -EAGAIN;
    assert_true((s > 0 && (size_t)s <= total - sent) || s == -EAGAIN);
    if (s > 0) sent += (size_t)s;
    size_t n = take(net, r->len, got);
    got += n;
    if (s < 0 && n == 0)
      assert_true(net_poll(net, events, 4, net_now(net) + 100000000) >= 0);
  }
  assert_int_equal(sent, total);
  assert_int_equal(got, total);
  stream_fini(&st);
}

static void transfer_by(struct net *net, enum repeat_method method, size_t len) {
  struct repeat r;
  repeat_init(&r, datum(), len, 3000001, NET_NEVER);
  r.method = method;
  r.forced = true;
  transfer(net, &r, 3000001);
  assert_int_equal(r.method, method);
  repeat_fini(&r);
  repeat_fini(&r);
}

static void plain_sends_repeat_the_datum(void **state) {
  transfer_by(*state, REPEAT_SEND, 1);
  transfer_by(*state, REPEAT_SEND, 4097);
  transfer_by(*state, REPEAT_SEND, DATUM_MAX);
}

static void every_method_repeats_the_datum(void **state) {
  for (enum repeat_method m = REPEAT_SEND; m < REPEAT_METHODS; m++) {
    transfer_by(*state, m, 1);
    transfer_by(*state, m, 4097);
    transfer_by(*state, m, DATUM_MAX);
  }
}

/* The block is given back while its pages are on their way; other memory takes its place. */
static void what_was_handed_over_stays_as_it_was(void **state) {
  static const enum repeat_method lends[] = {REPEAT_VMSPLICE, REPEAT_SENDFILE,
                                             REPEAT_ZEROCOPY};
  struct net *net = *state;
  for (size_t i = 0; i < 3; i++) {
    struct repeat r;
    struct stream st;
    size_t sent = 0, got = 0;
    ssize_t s;
    stream_init(&st);
    repeat_init(&r, datum(), 70000, 0, NET_NEVER);
    r.method = lends[i];
    r.forced = true;
    while ((s = repeat_send(&r, &st, net, a, sent, SIZE_MAX)) > 0) sent += (size_t)s;
    assert_int_equal(s, -EAGAIN);
    assert_true(sent > 70000);
    repeat_fini(&r);
    char *other = mmap(NULL, 1 << 22, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    assert_true(other != MAP_FAILED);
    memset(other, 0xee, 1 << 22);
    char *heap = malloc(70000);
    assert_non_null(heap);
    memset(heap, 0xee, 70000);
    while (got < sent) got += take(net, 70000, got);
    assert_int_equal(got, sent);
    munmap(other, 1 << 22);
    free(heap);
    stream_fini(&st);
    close_both(net);
    peers_pair(net, &a, &b);
  }
}

/* A file is written ahead of what is sent only: a large datum stops nobody. */
static void a_file_is_written_piece_by_piece(void **state) {
  enum { LARGE = 16 << 20, STEP = 1 << 20 };
  struct net *net = *state;
  struct repeat r;
  struct stream st;
  char *large = malloc(LARGE);
  assert_non_null(large);
  memset(large, 'x', LARGE);
  stream_init(&st);
  repeat_init(&r, large, LARGE, 0, NET_NEVER);
  r.method = REPEAT_SENDFILE;
  r.forced = true;
  ssize_t sent = repeat_send(&r, &st, net, a, 0, SIZE_MAX);
  assert_true(sent > 0);
  assert_true(r.written > 0 && r.written <= STEP);
  repeat_fini(&r);
  stream_fini(&st);
  free(large);
}

static void the_word_of_every_zero_copy_send_is_taken(void **state) {
  struct net *net = *state;
  struct repeat r;
  struct net_event events[4];
  repeat_init(&r, datum(), 5000, 0, NET_NEVER);
  r.method = REPEAT_ZEROCOPY;
  r.forced = true;
  transfer(net, &r, 3000001);
  assert_true(r.calls > 0);
  while (!repeat_settled(&r, net, a))
    assert_true(net_poll(net, events, 4, net_now(net) + 1000000000) >= 0);
  assert_int_equal(r.pending, 0);
  assert_true(repeat_settled(&r, net, a));
  repeat_fini(&r);
}

/* The wrapper's inner net refuses the n-th splice. */
static void a_method_that_fails_midway_gives_way(void **state) {
  struct net *net = *state;
  for (unsigned nth = 1; nth <= 3; nth++) {
    struct repeat r;
    repeat_init(&r, datum(), 5000, 0, NET_NEVER);
    r.method = REPEAT_VMSPLICE;
    fault_net_fail(net, FAULT_SPLICE_OUT, nth, -EINVAL);
    transfer(net, &r, 5000001);
    assert_int_equal(r.method, REPEAT_SEND);
    repeat_fini(&r);
  }
  fault_net_fail(net, FAULT_NONE, 0, 0);
}

static void a_forced_method_that_cannot_be_used_sends_nothing(void **state) {
  struct net *net = *state;
  struct repeat r;
  struct stream st;
  stream_init(&st);
  repeat_init(&r, datum(), 5000, 0, NET_NEVER);
  r.method = REPEAT_ZEROCOPY;
  r.forced = true;
  assert_int_equal(repeat_send(&r, &st, net, a, 0, 5000), -EOPNOTSUPP);
  assert_int_equal(st.wr_status, 0);
  repeat_fini(&r);
  send_all(net, a, "ab");
  peers_expect(net, b, "ab");
  stream_fini(&st);
}

static void without_memory_the_datum_itself_is_sent(void **state) {
  struct net *net = *state;
  struct repeat r;
  struct stream st;
  stream_init(&st);
  repeat_init(&r, datum(), 100, 1000, NET_NEVER);
  fault_alloc_plan(FAULT_ONCE, 1);
  assert_int_equal(repeat_send(&r, &st, net, a, 150, 850), 850);
  assert_int_equal(fault_alloc->refused, 1);
  fault_alloc_plan(FAULT_OFF, 0);
  assert_null(r.block);
  repeat_fini(&r);
  stream_fini(&st);
}

static void a_large_datum_is_lent_if_it_goes_often(void **state) {
  enum { LARGE = 8 * 1024 * 1024 };
  struct repeat r;
  repeat_init(&r, datum(), LARGE, 4 * (uint64_t)LARGE, NET_NEVER);
  assert_int_equal(r.method, REPEAT_VMSPLICE);
  repeat_init(&r, datum(), LARGE, UINT64_MAX, NET_NEVER);
  assert_int_equal(r.method, REPEAT_VMSPLICE);
  repeat_init(&r, datum(), LARGE, 4 * (uint64_t)LARGE - 1, NET_NEVER);
  assert_int_equal(r.method, REPEAT_SEND);
  repeat_init(&r, datum(), LARGE - 1, UINT64_MAX, NET_NEVER);
  assert_int_equal(r.method, REPEAT_SEND);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The exact faults only: no other happens. */
static int set_up_exact(void **state) {
  int status;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  if (!net) return -1;
  *state = fault_net_new(net, 0, &(struct fault_rates){0});
  peers_pair(*state, &a, &b);
  return 0;
}

int main(void) {
  const struct CMUnitTest nets[] = {
      NET_TEST(discard_takes_the_first_bytes_and_no_more),
      NET_TEST(discard_takes_what_was_read_ahead_first),
      NET_TEST(discard_without_bytes_arms_its_wake),
      NET_TEST(discard_gives_0_at_the_end),
      NET_TEST(discard_takes_a_large_stream),
      NET_TEST(discard_of_other_streams_goes_through_memory),
      NET_TEST(plain_sends_repeat_the_datum),
  };
  const struct CMUnitTest fakes[] = {
      NET_TEST(a_forced_method_that_cannot_be_used_sends_nothing),
      NET_TEST(without_memory_the_datum_itself_is_sent),
      cmocka_unit_test(a_large_datum_is_lent_if_it_goes_often),
  };
  const struct CMUnitTest hosts[] = {
      NET_TEST(discard_tells_of_a_reset),
      NET_TEST(discard_goes_past_an_urgent_byte),
      NET_TEST(every_method_repeats_the_datum),
      NET_TEST(what_was_handed_over_stays_as_it_was),
      NET_TEST(a_file_is_written_piece_by_piece),
      NET_TEST(the_word_of_every_zero_copy_send_is_taken),
      cmocka_unit_test_setup_teardown(a_method_that_fails_midway_gives_way, set_up_exact,
                                      tear_down),
  };
  alarm(60); /* a poll that sleeps for ever ends the program */
  int failed = cmocka_run_group_tests_name("in memory", nets, nets_use_fake, NULL);
  failed += cmocka_run_group_tests_name("in memory alone", fakes, nets_use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", nets, nets_use_host, NULL);
  failed += cmocka_run_group_tests_name("host alone", hosts, nets_use_host, NULL);
  failed += cmocka_run_group_tests_name("host under faults", nets, nets_use_faulty, NULL);
  return failed;
}
