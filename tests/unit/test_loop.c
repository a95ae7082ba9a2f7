/* The loop over the net in memory: order, timers, hang-ups, bounds. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/loop.h"
#include "support/fake_net.h"

enum { WAITERS = 8 };

/* A waiter that notes when it fires, and does one more thing. */
struct probe {
  struct waiter waiter;
  struct fixture *f;
  void (*then)(struct probe *);
  int fired;
};

struct fixture {
  struct net *net;
  struct loop loop;
  struct probe probes[WAITERS];
  char order[64]; /* "013": who fired, in order */
  int slept;      /* calls of before_sleep */
};

static void note(struct waiter *w) {
  struct probe *p = list_entry(w, struct probe, waiter);
  struct fixture *f = p->f;
  size_t n = strlen(f->order);
  if (n + 1 < sizeof f->order) f->order[n] = (char)('0' + (p - f->probes));
  p->fired++;
  if (p->then) p->then(p);
}

static void count_sleep(void *arg) {
  ((struct fixture *)arg)->slept++;
}

static int set_up(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->net = fake_net_new();
  loop_init(&f->loop, f->net);
  f->loop.before_sleep = count_sleep;
  f->loop.before_sleep_arg = f;
  for (int i = 0; i < WAITERS; i++) {
    waiter_init(&f->probes[i].waiter, note);
    f->probes[i].f = f;
  }
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *f = *state;
  int left = f->net->open || f->loop.parked || f->loop.timers.count;
  loop_fini(&f->loop);
  net_free(f->net);
  free(f);
  return left;
}

static struct waiter *waiter(struct fixture *f, int i) {
  return &f->probes[i].waiter;
}

static int64_t in(struct fixture *f, int64_t ns) {
  return loop_now(&f->loop) + ns;
}

/* A UDP socket on the loopback that has just said -EAGAIN to a receive. */
static net_h open_waiting(struct fixture *f, struct addr *addr) {
  char byte;
  struct addr from;
  size_t size;
  struct addr_text text = {.host = "127.0.0.1", .host_len = 9};
  net_h h = net_socket(f->net, AF_INET, SOCK_DGRAM, 0);
  assert_int_equal(addr_from_text(addr, &text, AF_INET), 0);
  assert_int_equal(net_bind(f->net, h, addr), 0);
  assert_int_equal(net_name_of(f->net, h, NET_LOCAL, addr), 0);
  assert_int_equal(net_recvfrom(f->net, h, &byte, 1, &from, &size, 0), -EAGAIN);
  return h;
}

static void poke(struct fixture *f, net_h from, const struct addr *to) {
  assert_int_equal(net_sendto(f->net, from, "x", 1, to, 0), 1);
}

/* --- ready and later --- */

static void the_ready_fire_in_order(void **state) {
  struct fixture *f = *state;
  loop_ready(&f->loop, waiter(f, 2));
  loop_ready(&f->loop, waiter(f, 0));
  loop_ready(&f->loop, waiter(f, 1));
  assert_int_equal(loop_turn(&f->loop), 3);
  assert_string_equal(f->order, "201");
}

static void ready_two(struct probe *p) {
  loop_ready(&p->f->loop, waiter(p->f, 2));
}

static void what_becomes_ready_meanwhile_fires_in_the_same_turn(void **state) {
  struct fixture *f = *state;
  f->probes[0].then = ready_two;
  loop_ready(&f->loop, waiter(f, 0));
  loop_ready(&f->loop, waiter(f, 1));
  assert_int_equal(loop_turn(&f->loop), 3);
  assert_string_equal(f->order, "012");
}

static void later_self(struct probe *p) {
  loop_later(&p->f->loop, &p->waiter);
}

static void the_later_fire_in_the_next_turn_only(void **state) {
  struct fixture *f = *state;
  f->probes[0].then = later_self;
  loop_ready(&f->loop, waiter(f, 0));
  for (int turn = 1; turn <= 3; turn++) {
    assert_int_equal(loop_turn(&f->loop), 1);
    assert_int_equal(f->probes[0].fired, turn);
  }
  loop_cancel(&f->loop, waiter(f, 0));
}

static void events_come_before_the_later(void **state) {
  struct fixture *f = *state;
  struct addr a, b;
  net_h h = open_waiting(f, &a), other = open_waiting(f, &b);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 0), h, NET_RD, NET_NEVER), 0);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 1), -1, 0, in(f, 0)), 0);
  loop_later(&f->loop, waiter(f, 2));
  poke(f, other, &a);
  assert_int_equal(loop_turn(&f->loop), 3);
  assert_string_equal(f->order, "012");
  net_close(f->net, h);
  net_close(f->net, other);
}

static void ready_self(struct probe *p) {
  loop_ready(&p->f->loop, &p->waiter);
}

static void a_turn_is_bounded(void **state) {
  struct fixture *f = *state;
  f->probes[0].then = ready_self;
  loop_ready(&f->loop, waiter(f, 0));
  assert_int_equal(loop_turn(&f->loop), LOOP_TURN_MAX);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 1), -1, 0, in(f, 1)), 0);
  assert_int_equal(loop_turn(&f->loop), LOOP_TURN_MAX);
  assert_int_equal(f->probes[1].fired, 1);
  loop_cancel(&f->loop, waiter(f, 0));
}

/* --- timers --- */

static void timers_fire_in_the_order_of_their_deadlines(void **state) {
  struct fixture *f = *state;
  static const int64_t seconds[] = {3, 1, 2};
  for (int i = 0; i < 3; i++)
    loop_wait(&f->loop, waiter(f, i), -1, 0, in(f, seconds[i] * 1000000000));
  for (int i = 0; i < 3; i++) assert_int_equal(loop_turn(&f->loop), 1);
  assert_string_equal(f->order, "120");
}

static void equal_deadlines_fire_first_in_first_out(void **state) {
  struct fixture *f = *state;
  int64_t when = in(f, 1000000);
  for (int i = WAITERS - 1; i >= 0; i--) loop_wait(&f->loop, waiter(f, i), -1, 0, when);
  assert_int_equal(loop_turn(&f->loop), WAITERS);
  assert_string_equal(f->order, "76543210");
}

static void a_deadline_in_the_past_does_not_sleep(void **state) {
  struct fixture *f = *state;
  int64_t before = loop_now(&f->loop);
  static const int64_t past[] = {0, 1, 999, INT64_MIN};
  for (int i = 0; i < 4; i++) loop_wait(&f->loop, waiter(f, i), -1, 0, past[i]);
  assert_int_equal(loop_turn(&f->loop), 4);
  assert_true(loop_now(&f->loop) - before <= FAKE_POLL_NS);
}

static void the_loop_sleeps_until_the_first_deadline(void **state) {
  struct fixture *f = *state;
  int64_t when = in(f, 5000000000);
  loop_wait(&f->loop, waiter(f, 0), -1, 0, when);
  loop_wait(&f->loop, waiter(f, 1), -1, 0, when + 1000000000);
  assert_int_equal(loop_turn(&f->loop), 1);
  assert_int_equal(loop_now(&f->loop), when);
  loop_cancel(&f->loop, waiter(f, 1));
}

static void what_was_cancelled_does_not_fire(void **state) {
  struct fixture *f = *state;
  loop_wait(&f->loop, waiter(f, 0), -1, 0, in(f, 1000));
  loop_wait(&f->loop, waiter(f, 1), -1, 0, in(f, 2000));
  loop_ready(&f->loop, waiter(f, 2));
  loop_later(&f->loop, waiter(f, 3));
  loop_cancel(&f->loop, waiter(f, 0));
  loop_cancel(&f->loop, waiter(f, 2));
  loop_cancel(&f->loop, waiter(f, 3));
  loop_cancel(&f->loop, waiter(f, 3));
  assert_false(waiter_busy(waiter(f, 0)));
  assert_int_equal(loop_turn(&f->loop), 1);
  assert_string_equal(f->order, "1");
}

/* --- handles --- */

static void an_event_wakes_its_waiter_and_takes_its_timer_away(void **state) {
  struct fixture *f = *state;
  struct addr a, b;
  net_h h = open_waiting(f, &a), other = open_waiting(f, &b);
  loop_wait(&f->loop, waiter(f, 0), h, NET_RD, in(f, 1000000000));
  poke(f, other, &a);
  assert_int_equal(loop_turn(&f->loop), 1);
  assert_false(waiter_busy(waiter(f, 0)));
  assert_int_equal(f->loop.timers.count, 0);
  assert_int_equal(loop_turn(&f->loop), -EDEADLK);
  net_close(f->net, h);
  net_close(f->net, other);
}

static void a_deadline_ends_the_wait_for_a_handle(void **state) {
  struct fixture *f = *state;
  struct addr a;
  net_h h = open_waiting(f, &a);
  loop_wait(&f->loop, waiter(f, 0), h, NET_RD, in(f, 1000));
  assert_int_equal(loop_turn(&f->loop), 1);
  assert_int_equal(f->loop.parked, 0);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 1), h, NET_RD, in(f, 1000)), 0);
  assert_int_equal(loop_turn(&f->loop), 1);
  net_close(f->net, h);
}

static void a_second_waiter_of_a_direction_is_refused(void **state) {
  struct fixture *f = *state;
  struct addr a;
  net_h h = open_waiting(f, &a);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 0), h, NET_RD, NET_NEVER), 0);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 1), h, NET_RD, in(f, 1000)), -EBUSY);
  assert_false(waiter_busy(waiter(f, 1)));
  assert_int_equal(f->loop.timers.count, 0);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 1), h, NET_WR, NET_NEVER), 0);
  loop_cancel(&f->loop, waiter(f, 0));
  assert_int_equal(loop_wait(&f->loop, waiter(f, 2), h, NET_RD, NET_NEVER), 0);
  loop_hangup(&f->loop, h);
  assert_int_equal(loop_turn(&f->loop), 2);
  net_close(f->net, h);
}

static void a_hangup_readies_both_directions(void **state) {
  struct fixture *f = *state;
  struct addr a;
  net_h h = open_waiting(f, &a);
  loop_wait(&f->loop, waiter(f, 0), h, NET_RD, in(f, 1000000000));
  loop_wait(&f->loop, waiter(f, 1), h, NET_WR, NET_NEVER);
  loop_hangup(&f->loop, h);
  loop_hangup(&f->loop, h);
  loop_hangup(&f->loop, -1);
  loop_hangup(&f->loop, 1000000);
  net_close(f->net, h);
  assert_int_equal(loop_turn(&f->loop), 2);
  assert_string_equal(f->order, "01");
}

static void high_handles_have_their_places(void **state) {
  struct fixture *f = *state;
  assert_int_equal(loop_wait(&f->loop, waiter(f, 0), 5000, NET_RD, NET_NEVER), 0);
  assert_int_equal(loop_wait(&f->loop, waiter(f, 1), 70, NET_WR, NET_NEVER), 0);
  loop_hangup(&f->loop, 5000);
  loop_hangup(&f->loop, 70);
  assert_int_equal(loop_turn(&f->loop), 2);
  assert_string_equal(f->order, "01");
}

static void an_event_for_nobody_is_harmless(void **state) {
  struct fixture *f = *state;
  struct addr a, b;
  net_h h = open_waiting(f, &a), other = open_waiting(f, &b);
  poke(f, other, &a);
  loop_wait(&f->loop, waiter(f, 0), -1, 0, in(f, 1000000));
  assert_int_equal(loop_turn(&f->loop), 0); /* woken by the event, not yet due */
  assert_int_equal(loop_turn(&f->loop), 1);
  net_close(f->net, h);
  net_close(f->net, other);
}

/* --- sleeping --- */

static void a_loop_without_waits_is_in_deadlock(void **state) {
  struct fixture *f = *state;
  assert_int_equal(loop_turn(&f->loop), -EDEADLK);
  assert_int_equal(f->slept, 0);
}

static void waits_in_the_background_alone_are_a_deadlock(void **state) {
  struct fixture *f = *state;
  struct addr a;
  net_h h = open_waiting(f, &a);
  loop_wait(&f->loop, waiter(f, 0), h, NET_RD, in(f, 1000000));
  f->loop.background++;
  assert_int_equal(loop_turn(&f->loop), -EDEADLK);
  loop_wait(&f->loop, waiter(f, 1), -1, 0, in(f, 2000000));
  assert_int_equal(loop_turn(&f->loop), 1); /* it fires beside one that is waited for */
  f->loop.background--;
  assert_int_equal(loop_turn(&f->loop), 1);
  assert_string_equal(f->order, "01");
  net_close(f->net, h);
}

static void before_sleep_is_called_only_when_the_loop_may_sleep(void **state) {
  struct fixture *f = *state;
  loop_ready(&f->loop, waiter(f, 0));
  loop_turn(&f->loop);
  loop_later(&f->loop, waiter(f, 0));
  loop_turn(&f->loop);
  assert_int_equal(f->slept, 0);
  loop_wait(&f->loop, waiter(f, 0), -1, 0, in(f, 1000000));
  loop_turn(&f->loop);
  assert_int_equal(f->slept, 1);
}

static int poll_breaks(struct net *net, struct net_event *events, int max, int64_t when) {
  return -EBADF;
}

static void an_error_of_poll_ends_the_turn(void **state) {
  struct fixture *f = *state;
  struct net_ops broken = *f->net->ops;
  const struct net_ops *sound = f->net->ops;
  broken.poll = poll_breaks;
  f->net->ops = &broken;
  loop_ready(&f->loop, waiter(f, 0));
  assert_int_equal(loop_turn(&f->loop), -EBADF);
  assert_int_equal(f->probes[0].fired, 0);
  f->net->ops = sound;
  assert_int_equal(loop_turn(&f->loop), 1);
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      LOOP_TEST(the_ready_fire_in_order),
      LOOP_TEST(what_becomes_ready_meanwhile_fires_in_the_same_turn),
      LOOP_TEST(the_later_fire_in_the_next_turn_only),
      LOOP_TEST(events_come_before_the_later),
      LOOP_TEST(a_turn_is_bounded),
      LOOP_TEST(timers_fire_in_the_order_of_their_deadlines),
      LOOP_TEST(equal_deadlines_fire_first_in_first_out),
      LOOP_TEST(a_deadline_in_the_past_does_not_sleep),
      LOOP_TEST(the_loop_sleeps_until_the_first_deadline),
      LOOP_TEST(what_was_cancelled_does_not_fire),
      LOOP_TEST(an_event_wakes_its_waiter_and_takes_its_timer_away),
      LOOP_TEST(a_deadline_ends_the_wait_for_a_handle),
      LOOP_TEST(a_second_waiter_of_a_direction_is_refused),
      LOOP_TEST(a_hangup_readies_both_directions),
      LOOP_TEST(high_handles_have_their_places),
      LOOP_TEST(an_event_for_nobody_is_harmless),
      LOOP_TEST(a_loop_without_waits_is_in_deadlock),
      LOOP_TEST(waits_in_the_background_alone_are_a_deadlock),
      LOOP_TEST(before_sleep_is_called_only_when_the_loop_may_sleep),
      LOOP_TEST(an_error_of_poll_ends_the_turn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
