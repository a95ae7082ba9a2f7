/* One direction of a relay, over every net: the one in memory, the host's, and the host's
 * under faults that a program has to live with. */
#include <errno.h>
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

#include "base/status.h"
#include "net/file.h"
#include "net/relay.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/peers.h"
#include "support/seed.h"

enum { PIECE = 100000 };
enum kind { FAKE, HOST, FAULTY, REFUSING };
static enum kind kind;

/* A source and a target with a relay between them. */
struct line {
  struct net *net;
  net_h source, target;
  struct stream in, out;
  struct relay_end from, to;
  struct relay_pool pool;
  struct relay relay;
  size_t sent, got;
  unsigned splices; /* counted by the observer */
};

static struct line line;

static void count_splices(struct net_observer *observer, struct net *net,
                          const struct net_call *call) {
  (void)observer;
  (void)net;
  line.splices += strncmp(call->op, "splice", 6) == 0 && call->result > 0;
}

static struct net_observer observer = {count_splices};

static struct net *new_net(void) {
  static const struct fault_rates none = {0};
  int status;
  if (kind == FAKE) return fake_net_new();
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  assert_non_null(net);
  if (kind == HOST) return net;
  if (kind == FAULTY) return fault_net_new(net, seed_get(), &fault_soft);
  net = fault_net_new(net, 1, &none);
  fault_net_fail(net, FAULT_SPLICE_OUT, 2, -EINVAL); /* a pipe with bytes in it is met */
  return net;
}

static int set_up(void **state) {
  net_h in, out;
  struct net *net = new_net();
  line = (struct line){.net = net};
  peers_pair(net, &line.source, &in);
  peers_pair(net, &out, &line.target);
  net->observer = &observer;
  stream_init(&line.in);
  stream_init(&line.out);
  line.from = (struct relay_end){&line.in, in};
  line.to = (struct relay_end){&line.out, out};
  relay_init(&line.relay, &line.pool);
  *state = net;
  return 0;
}

static int tear_down(void **state) {
  struct net *net = *state;
  relay_fini(&line.relay);
  relay_fini(&line.relay);
  relay_pool_fini(&line.pool);
  int left = line.pool.open + line.pool.users;
  stream_fini(&line.in);
  stream_fini(&line.out);
  net_h all[] = {line.source, line.from.h, line.to.h, line.target};
  for (int i = 0; i < 4; i++)
    if (all[i] >= 0) net_close(net, all[i]);
  left += net->open;
  net_free(net);
  return left;
}

static int use(enum kind which) {
  kind = which;
  return 0;
}

static int use_fake(void **state) {
  return use(FAKE);
}

static int use_host(void **state) {
  return use(HOST);
}

static int use_faulty(void **state) {
  return use(FAULTY);
}

static int use_refusing(void **state) {
  return use(REFUSING);
}

static int step(void) {
  return relay_step(&line.relay, line.net, &line.from, &line.to);
}

static void pass_time(void) {
  struct net_event events[8];
  assert_true(net_poll(line.net, events, 8, net_now(line.net) + 2000000) >= 0);
}

static void say(net_h h, const char *text) {
  for (size_t at = 0; text[at];)
    at += (size_t)peers_send(line.net, h, text + at, strlen(text + at));
}

static unsigned char byte_at(size_t at) {
  return (unsigned char)(at % 251);
}

/* Sends some of the pattern, up to `total` bytes in all, then the end. */
static void feed(size_t total) {
  static unsigned char bytes[PIECE];
  size_t n = total - line.sent < PIECE ? total - line.sent : PIECE;
  if (n == 0) return;
  for (size_t i = 0; i < n; i++) bytes[i] = byte_at(line.sent + i);
  ssize_t r = net_send(line.net, line.source, bytes, n);
  assert_true(r > 0 || r == -EAGAIN);
  if (r > 0) line.sent += (size_t)r;
}

/* Receives once and compares; true at the end. */
static bool drink(void) {
  static unsigned char bytes[PIECE];
  ssize_t r = net_recv(line.net, line.target, bytes, PIECE);
  assert_true(r >= 0 || r == -EAGAIN);
  for (ssize_t i = 0; i < r; i++)
    assert_int_equal(bytes[i], byte_at(line.got + (size_t)i));
  if (r > 0) line.got += (size_t)r;
  return r == 0;
}

static void end_source(void) {
  int r;
  while ((r = net_shutdown(line.net, line.source, SHUT_WR)) == -EAGAIN) pass_time();
  assert_int_equal(r, 0);
}

static void every_byte_and_the_end_arrive(void **state) {
  enum { TOTAL = 2000000 };
  int status = 1;
  bool ended = false;
  while (!ended) {
    size_t before = line.sent + line.got;
    feed(TOTAL);
    if (line.sent == TOTAL && before != TOTAL + line.got) end_source();
    if (status != STATUS_EOF) status = step();
    assert_true(status == 1 || status == -EAGAIN || status == STATUS_EOF);
    ended = drink();
    if (line.sent + line.got == before) pass_time();
  }
  assert_int_equal(line.got, TOTAL);
  assert_int_equal(line.relay.bytes, TOTAL);
  assert_true(kind != REFUSING || line.relay.copies);
  while (status != STATUS_EOF) status = step();
}

/* Fills both connections and the relay. */
static void stuff(void) {
  for (int still = 0; still < 20; still++) {
    size_t sent = line.sent;
    int64_t bytes = line.relay.bytes;
    feed(SIZE_MAX);
    step();
    pass_time();
    if (line.sent > sent || line.relay.bytes > bytes) still = 0;
  }
}

static void what_is_held_is_bounded_while_the_target_reads_nothing(void **state) {
  stuff();
  assert_true(line.relay.in_pipe <= HOST_PIPE_BYTES);
  assert_true(buf_len(&line.relay.copied) <= HOST_PIPE_BYTES);
  size_t sent = line.sent;
  while (line.got < sent) {
    step();
    drink();
    if (line.got < sent) pass_time();
  }
  assert_int_equal(line.relay.bytes, sent);
}

static void a_relay_that_ends_while_it_holds_bytes_gives_the_pipe_back(void **state) {
  stuff();
  assert_true(line.relay.in_pipe > 0 || buf_len(&line.relay.copied) > 0);
  assert_true(line.pool.open <= 1);
}

static void little_is_copied_without_a_pipe(void **state) {
  say(line.source, "little");
  pass_time();
  while (line.relay.bytes < 6) {
    step();
    pass_time();
  }
  peers_expect(line.net, line.target, "little");
  assert_int_equal(line.splices, 0);
  assert_int_equal(line.pool.open, 0);
}

static void much_is_spliced(void **state) {
  while (line.got < 1000000) {
    feed(1000000);
    step();
    drink();
    pass_time();
  }
  assert_true(line.splices >= 2);
  assert_true(line.pool.open <= 1);
  assert_int_equal(line.relay.in_pipe, 0);
}

static void the_pool_has_an_end(void **state) {
  line.pool.open += RELAY_PIPES;
  while (line.got < 1000000) {
    feed(1000000);
    step();
    drink();
    pass_time();
  }
  assert_int_equal(line.splices, 0);
  line.pool.open -= RELAY_PIPES;
}

static void a_target_that_has_gone_is_named(void **state) {
  int status = 1;
  net_close(line.net, line.target);
  line.target = -1;
  while (status >= 0 || status == -EAGAIN) {
    feed(SIZE_MAX);
    status = step();
    pass_time();
  }
  assert_true(status == -EPIPE || status == -ECONNRESET);
  assert_int_equal(line.relay.side, RELAY_TO);
}

static void a_source_that_breaks_is_named(void **state) {
  int status = 1;
  say(line.from.h, "unread");
  assert_int_equal(net_flush(line.net, line.from.h), 0);
  net_close(line.net, line.source); /* with unread bytes: a reset */
  line.source = -1;
  while (status >= 0 || status == -EAGAIN) {
    status = step();
    pass_time();
  }
  assert_int_equal(status, -ECONNRESET);
  assert_int_equal(line.relay.side, RELAY_FROM);
}

static void a_target_that_was_shut_before_is_left_alone(void **state) {
  int status = 1;
  assert_int_equal(net_shutdown(line.net, line.to.h, SHUT_WR), 0);
  stream_end(&line.out);
  end_source();
  while ((status = step()) == -EAGAIN) pass_time();
  assert_int_equal(status, STATUS_EOF);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* What the program does in its handler: a broken pipe that is a socket's means nothing. */
static void on_pipe(int signal) {
  if (!file_is_sending) _exit(128 + signal);
}

int main(void) {
  const struct CMUnitTest any[] = {
      NET_TEST(every_byte_and_the_end_arrive),
      NET_TEST(what_is_held_is_bounded_while_the_target_reads_nothing),
      NET_TEST(a_relay_that_ends_while_it_holds_bytes_gives_the_pipe_back),
      NET_TEST(little_is_copied_without_a_pipe),
      NET_TEST(the_pool_has_an_end),
      NET_TEST(a_target_that_has_gone_is_named),
      NET_TEST(a_source_that_breaks_is_named),
      NET_TEST(a_target_that_was_shut_before_is_left_alone),
  };
  const struct CMUnitTest sound[] = {NET_TEST(much_is_spliced)};
  const struct CMUnitTest refusing[] = {NET_TEST(every_byte_and_the_end_arrive)};
  alarm(120); /* a poll that sleeps for ever ends the program */
  signal(SIGPIPE, on_pipe);
  int failed = cmocka_run_group_tests_name("in memory", any, use_fake, NULL);
  failed += cmocka_run_group_tests_name("in memory, sound", sound, use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", any, use_host, NULL);
  failed += cmocka_run_group_tests_name("host, sound", sound, use_host, NULL);
  failed += cmocka_run_group_tests_name("host under faults", any, use_faulty, NULL);
  return failed +
         cmocka_run_group_tests_name("host that refuses", refusing, use_refusing, NULL);
}
