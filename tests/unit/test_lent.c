/* Lent pages: what is on its way stays as it was, whatever becomes of the memory. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/lent.h"
#include "support/backends.h"

#define HEAD "the first head. "
enum { HEAD_LEN = sizeof HEAD - 1, BODY_LEN = 50000, ALL = HEAD_LEN + BODY_LEN };

static struct lender lender;
static struct stream st;

static struct lent made(void) {
  struct lent l;
  assert_int_equal(lent_open(&l, HEAD_LEN, BODY_LEN), 0);
  memcpy(l.bytes, HEAD, HEAD_LEN);
  for (int i = 0; i < BODY_LEN; i++) l.bytes[HEAD_LEN + i] = (char)(i % 251);
  return l;
}

static ssize_t lend(const struct lent *l, size_t at) {
  return lender_send(&lender, &st, net, a, l->bytes + at, ALL - at);
}

/* What has arrived is the whole, from its byte `at` on. */
static void assert_arrived(size_t at, size_t n) {
  static char got[ALL];
  for (size_t have = 0; have < n;) {
    ssize_t r = recv(b, got + have, n - have, 0);
    if (r < 0 && errno == EAGAIN) continue; /* the loopback delivers at once, or nearly */
    assert_true(r > 0);
    have += (size_t)r;
  }
  for (size_t i = 0; i < n; i++, at++) {
    char right = at < HEAD_LEN ? HEAD[at] : (char)((at - HEAD_LEN) % 251);
    if (got[i] != right) fail_msg("byte %zu is %d, not %d", at, got[i], right);
  }
}

/* Somebody else wants memory now, and writes to it. */
static void use_memory(void) {
  for (int i = 0; i < 64; i++) {
    size_t n = 16 * 4096;
    char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(p, MAP_FAILED);
    memset(p, 'x', n);
    munmap(p, n);
  }
}

static void the_head_and_the_body_are_one(void **state) {
  struct lent l = made();
  assert_int_equal(lend(&l, 0), ALL);
  assert_arrived(0, ALL);
  assert_int_equal(lend(&l, 7), ALL - 7);
  assert_arrived(7, ALL - 7);
  lent_close(&l);
}

static void what_is_on_its_way_outlives_the_mapping(void **state) {
  struct lent l = made();
  assert_int_equal(lend(&l, 0), ALL);
  lent_close(&l);
  use_memory();
  assert_arrived(0, ALL);
}

static void a_head_that_is_renewed_changes_for_later_sends_only(void **state) {
  struct lent l = made();
  const char *at = l.bytes;
  assert_int_equal(lend(&l, 0), ALL);
  assert_int_equal(lent_renew(&l), 0);
  assert_ptr_equal(l.bytes, at);
  assert_memory_equal(l.bytes, HEAD, HEAD_LEN);
  memset(l.bytes, '!', 3);
  assert_arrived(0, ALL);
  assert_int_equal(lend(&l, 0), ALL);
  char got[4];
  assert_int_equal(recv(b, got, 4, MSG_WAITALL), 4);
  assert_memory_equal(got, "!!! ", 4);
  assert_arrived(4, ALL - 4);
  lent_close(&l);
}

static void what_a_full_peer_did_not_take_is_not_sent_to_the_next(void **state) {
  struct lent l = made();
  size_t sent = 0;
  ssize_t r;
  while ((r = lend(&l, sent % ALL)) > 0) sent += (size_t)r;
  assert_int_equal(r, -EAGAIN);
  assert_false(lender.open); /* with the pages that lie in it */
  size_t left = sent;
  for (size_t at = 0; left > 0;) {
    size_t n = left < ALL - at ? left : ALL - at;
    assert_arrived(at, n);
    left -= n;
    at = (at + n) % ALL;
  }
  while ((r = lend(&l, 0)) == -EAGAIN) take_in();
  assert_true(r > 0);
  assert_arrived(0, (size_t)r);
  lent_close(&l);
}

/* splice(2): not to a file that only grows. */
static void who_cannot_be_lent_to_is_told_to_copy(void **state) {
  struct lent l = made();
  int fd = open("/tmp", O_TMPFILE | O_WRONLY | O_APPEND, 0600);
  net_h file = net_adopt(net, fd, true);
  assert_true(file >= 0);
  assert_int_equal(lender_send(&lender, &st, net, file, l.bytes, ALL), -EINVAL);
  assert_false(lender.open);
  assert_int_equal(lend(&l, 0), ALL);
  assert_arrived(0, ALL);
  net_close(net, file);
  lent_close(&l);
}

static void a_peer_that_is_gone_stays_so(void **state) {
  struct lent l = made();
  assert_int_equal(net_close(net, b), 0);
  b = -1;
  ssize_t r;
  while ((r = lend(&l, 0)) > 0 || r == -EAGAIN) take_in();
  assert_true(r == -EPIPE || r == -ECONNRESET);
  assert_int_equal(lend(&l, 0), r);
  lent_close(&l);
}

static int set_up(void **state) {
  stream_init(&st);
  return backends_set_up(state);
}

static int tear_down(void **state) {
  lender_close(&lender);
  stream_fini(&st);
  return backends_tear_down(state);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(the_head_and_the_body_are_one),
      TEST(what_is_on_its_way_outlives_the_mapping),
      TEST(a_head_that_is_renewed_changes_for_later_sends_only),
      TEST(what_a_full_peer_did_not_take_is_not_sent_to_the_next),
      TEST(who_cannot_be_lent_to_is_told_to_copy),
      TEST(a_peer_that_is_gone_stays_so),
  };
  return BACKENDS_RUN(tests);
}
