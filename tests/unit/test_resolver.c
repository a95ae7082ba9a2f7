/* The helper threads. The question itself is this file's: resolve_now below stands for the
 * C library's, and answers when the test says so. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/resolver.h"

enum { UNKNOWN = -77 };

/* --- the stand-in ----------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int begun, answered, allowed; /* questions; an answer waits until it is allowed */

int resolve_now(struct net_lookup *q, enum resolve_whom whom) {
  assert_int_equal(whom, RESOLVE_ALL);
  pthread_mutex_lock(&lock);
  begun++;
  pthread_cond_broadcast(&changed);
  while (allowed == 0) pthread_cond_wait(&changed, &lock);
  allowed--;
  answered++;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  if (strcmp(q->host, "nowhere") == 0) return UNKNOWN;
  q->addrs = calloc(1, sizeof *q->addrs);
  q->count = 1;
  q->addrs[0].len = (socklen_t)strlen(q->host);
  return 0;
}

static void allow(int answers) {
  pthread_mutex_lock(&lock);
  allowed += answers;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}

/* Waits until `count` is `wanted`. */
static void await(const int *count, int wanted) {
  pthread_mutex_lock(&lock);
  while (*count < wanted) pthread_cond_wait(&changed, &lock);
  assert_int_equal(*count, wanted);
  pthread_mutex_unlock(&lock);
}

/* --- the tests -------------------------------------------------------------------------- */

static int set_up(void **state) {
  begun = answered = allowed = 0;
  *state = resolver_new();
  return *state ? 0 : -1;
}

static int tear_down(void **state) {
  resolver_free(*state);
  return 0;
}

static struct resolver_job *ask(struct resolver *r, const char *host, int fd) {
  struct net_lookup q = {.host = host, .ticket = -1};
  int status;
  struct resolver_job *job = resolver_ask(r, &q, fd, &status);
  assert_non_null(job);
  assert_int_equal(status, 0);
  return job;
}

/* Waits for the answer as a loop does: by reading what the thread has written. */
static int answer_of(struct resolver *r, struct resolver_job *job, int fd,
                     struct net_lookup *q) {
  uint64_t count;
  assert_int_equal(read(fd, &count, sizeof count), sizeof count);
  return resolver_answer(r, job, q);
}

static void an_answer_makes_the_descriptor_readable(void **state) {
  struct net_lookup q = {.ticket = -1};
  int fd = eventfd(0, 0);
  struct resolver_job *job = ask(*state, "localhost", fd);
  assert_int_equal(resolver_answer(*state, job, &q), -EAGAIN);
  allow(1);
  assert_int_equal(answer_of(*state, job, fd, &q), 0);
  assert_int_equal(q.count, 1);
  assert_int_equal(q.addrs[0].len, strlen("localhost"));
  free(q.addrs);
  close(fd);
}

/* Nothing but the resolver orders the thread and its owner here. */
static void who_asks_again_and_again_gets_the_answer(void **state) {
  struct net_lookup q = {.ticket = -1};
  int status, fd = eventfd(0, EFD_NONBLOCK);
  allow(1);
  struct resolver_job *job = ask(*state, "localhost", fd);
  while ((status = resolver_answer(*state, job, &q)) == -EAGAIN) sched_yield();
  assert_int_equal(status, 0);
  assert_int_equal(q.count, 1);
  free(q.addrs);
  close(fd);
}

static void a_failure_is_an_answer(void **state) {
  struct net_lookup q = {.ticket = -1};
  int fd = eventfd(0, 0);
  struct resolver_job *job = ask(*state, "nowhere", fd);
  allow(1);
  assert_int_equal(answer_of(*state, job, fd, &q), UNKNOWN);
  assert_int_equal(q.count, 0);
  close(fd);
}

static void the_question_is_copied(void **state) {
  struct net_lookup q = {.ticket = -1};
  int fd = eventfd(0, 0);
  char host[] = "four";
  struct resolver_job *job = ask(*state, host, fd);
  memset(host, 0, sizeof host);
  allow(1);
  assert_int_equal(answer_of(*state, job, fd, &q), 0);
  assert_int_equal(q.addrs[0].len, 4);
  free(q.addrs);
  close(fd);
}

static void a_slow_name_does_not_hold_up_the_next(void **state) {
  struct net_lookup q = {.ticket = -1};
  int fds[2] = {eventfd(0, 0), eventfd(0, 0)};
  struct resolver_job *jobs[2] = {ask(*state, "a", fds[0]), ask(*state, "b", fds[1])};
  await(&begun, 2); /* though nothing was answered */
  allow(2);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(answer_of(*state, jobs[i], fds[i], &q), 0);
    free(q.addrs);
    close(fds[i]);
  }
}

/* A thread that is woken runs later, and looks idle until then. Whether the first one is idle
 * again when the next names are asked is left to chance: hence the rounds. */
static void names_asked_in_one_turn_do_not_wait_for_each_other(void **state) {
  for (int round = 0; round < 100; round++) {
    struct net_lookup q = {.ticket = -1};
    struct resolver *mine = resolver_new();
    int before = begun, fd = eventfd(0, 0);
    allow(1);
    struct resolver_job *first = ask(mine, "localhost", fd);
    assert_int_equal(answer_of(mine, first, fd, &q), 0);
    free(q.addrs);
    for (int i = 0; i < round; i++) sched_yield();
    struct resolver_job *jobs[2] = {ask(mine, "a", fd), ask(mine, "b", fd)};
    await(&begun, before + 3);
    for (int i = 0; i < 2; i++) resolver_drop(mine, jobs[i]);
    resolver_free(mine);
    allow(2);
    await(&answered, before + 3);
    close(fd);
  }
}

static void it_is_busy_while_a_name_would_wait(void **state) {
  struct resolver_job *jobs[RESOLVER_THREADS + 1];
  for (int i = 0; i < RESOLVER_THREADS; i++) {
    assert_false(resolver_is_busy(*state));
    jobs[i] = ask(*state, "localhost", -1);
  }
  assert_true(resolver_is_busy(*state));
  await(&begun, RESOLVER_THREADS);
  assert_true(resolver_is_busy(*state));
  jobs[RESOLVER_THREADS] = ask(*state, "localhost", -1);
  resolver_drop(*state, jobs[RESOLVER_THREADS]);
  allow(RESOLVER_THREADS);
  await(&answered, RESOLVER_THREADS);
  while (resolver_is_busy(*state)) sched_yield();
}

static void more_names_than_threads_wait_in_a_queue(void **state) {
  enum { MORE = RESOLVER_THREADS + 4 };
  struct net_lookup q = {.ticket = -1};
  struct resolver_job *jobs[MORE];
  int fds[MORE];
  for (int i = 0; i < MORE; i++) {
    fds[i] = eventfd(0, 0);
    jobs[i] = ask(*state, "localhost", fds[i]);
  }
  await(&begun, RESOLVER_THREADS);
  allow(1);
  await(&begun, RESOLVER_THREADS + 1); /* never before a thread is free again */
  allow(MORE - 1);
  for (int i = 0; i < MORE; i++) {
    assert_int_equal(answer_of(*state, jobs[i], fds[i], &q), 0);
    free(q.addrs);
    close(fds[i]);
  }
  await(&begun, MORE);
}

static void a_dropped_name_is_told_to_nobody(void **state) {
  int fd = eventfd(0, EFD_NONBLOCK), next_fd = eventfd(0, 0);
  uint64_t count;
  struct net_lookup q = {.ticket = -1};
  struct resolver_job *job = ask(*state, "localhost", fd);
  await(&begun, 1);
  resolver_drop(*state, job);
  struct resolver_job *next = ask(*state, "localhost", next_fd);
  allow(2);
  await(&answered, 2);
  assert_int_equal(answer_of(*state, next, next_fd, &q), 0);
  free(q.addrs);
  assert_int_equal(read(fd, &count, sizeof count), -1);
  close(fd);
  close(next_fd);
}

static void a_name_dropped_in_the_queue_is_never_asked(void **state) {
  struct resolver_job *jobs[RESOLVER_THREADS + 1];
  for (int i = 0; i <= RESOLVER_THREADS; i++) jobs[i] = ask(*state, "localhost", -1);
  await(&begun, RESOLVER_THREADS);
  resolver_drop(*state, jobs[RESOLVER_THREADS]);
  allow(RESOLVER_THREADS + 1);
  await(&answered, RESOLVER_THREADS);
  assert_int_equal(begun, RESOLVER_THREADS);
}

static void the_owner_may_go_while_threads_ask(void **state) {
  int fd = eventfd(0, 0);
  struct resolver *mine = resolver_new();
  struct resolver_job *jobs[RESOLVER_THREADS];
  for (int i = 0; i < RESOLVER_THREADS; i++) jobs[i] = ask(mine, "localhost", fd);
  ask(mine, "localhost", fd); /* in the queue: goes with its resolver */
  await(&begun, RESOLVER_THREADS);
  for (int i = 0; i < RESOLVER_THREADS; i++) resolver_drop(mine, jobs[i]);
  resolver_free(mine);
  close(fd);
  allow(RESOLVER_THREADS);
  await(&answered, RESOLVER_THREADS);
}

#define RESOLVER_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      RESOLVER_TEST(an_answer_makes_the_descriptor_readable),
      RESOLVER_TEST(who_asks_again_and_again_gets_the_answer),
      RESOLVER_TEST(a_failure_is_an_answer),
      RESOLVER_TEST(the_question_is_copied),
      RESOLVER_TEST(a_slow_name_does_not_hold_up_the_next),
      RESOLVER_TEST(names_asked_in_one_turn_do_not_wait_for_each_other),
      RESOLVER_TEST(it_is_busy_while_a_name_would_wait),
      RESOLVER_TEST(more_names_than_threads_wait_in_a_queue),
      RESOLVER_TEST(a_dropped_name_is_told_to_nobody),
      RESOLVER_TEST(a_name_dropped_in_the_queue_is_never_asked),
      RESOLVER_TEST(the_owner_may_go_while_threads_ask),
  };
  alarm(60); /* a wait for what never comes ends the program */
  return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
