/* Ready answers: found, bounded, and gone when their file is another one. The clock is the
 * net's in memory; the folder is the host's. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/hot.h"
#include "support/fake_net.h"
#include "support/peers.h"

#define HEAD "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"

struct fixture {
  struct loop loop;
  struct hot *hot;
  char folder[32];
  int root;
};

static void write_file(struct fixture *f, const char *path, const char *text) {
  int fd = openat(f->root, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  size_t len = strlen(text);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, len), len);
  close(fd);
}

static int put(struct fixture *f, const char *key, const char *path, size_t body_len) {
  struct file_info info;
  int fd = file_open(f->root, path, &info);
  assert_true(fd >= 0);
  struct hot_source source = {
      .key = key,
      .key_len = strlen(key),
      .root = f->root,
      .path = path,
      .fd = fd,
      .body_len = body_len,
      .head = HEAD,
      .head_len = sizeof HEAD - 1,
      .date = 6,
  };
  int r = hot_put(f->hot, &source);
  file_close(fd);
  return r;
}

/* Puts it, when its folders are watched. */
static int keep(struct fixture *f, const char *key, const char *path, size_t body_len) {
  int r = put(f, key, path, body_len);
  return r == -EAGAIN ? put(f, key, path, body_len) : r;
}

/* As a turn does that brings a request. */
static struct hot_entry *find(struct fixture *f, const char *key) {
  f->loop.net->intake++;
  f->loop.turn_ns = net_now(f->loop.net);
  return hot_find(f->hot, key, strlen(key));
}

static void assert_body(struct hot_entry *e, const char *body) {
  size_t head = sizeof HEAD - 1;
  assert_non_null(e);
  assert_int_equal(e->len, head + strlen(body));
  assert_memory_equal(e->bytes + head, body, strlen(body));
}

static int make_cache(void **state) {
  static struct fixture f;
  int status;
  strcpy(f.folder, "/tmp/soquete-hot-XXXXXX");
  if (!mkdtemp(f.folder)) return -1;
  f.root = file_open_root(f.folder);
  loop_init(&f.loop, fake_net_new());
  f.hot = hot_new(&f.loop, &status);
  *state = &f;
  if (f.root < 0 || !f.hot || mkdirat(f.root, "sub", 0700) < 0) return -1;
  write_file(&f, "a", "hello");
  return 0;
}

static int remove_cache(void **state) {
  struct fixture *f = *state;
  char command[64];
  hot_free(f->hot);
  assert_int_equal(f->loop.net->open, 0);
  struct net *net = f->loop.net;
  loop_fini(&f->loop);
  net_free(net);
  file_close(f->root);
  snprintf(command, sizeof command, "rm -r %s", f->folder);
  return system(command);
}

static void an_answer_is_found_by_its_key(void **state) {
  assert_null(find(*state, "/a"));
  assert_int_equal(keep(*state, "/a", "a", 5), 0);
  assert_body(find(*state, "/a"), "hello");
  assert_null(find(*state, "/b"));
  assert_null(find(*state, "/"));
}

static void nothing_is_kept_before_the_folder_was_watched(void **state) {
  assert_int_equal(put(*state, "/a", "a", 5), -EAGAIN);
  assert_int_equal(put(*state, "/a", "a", 5), 0);
}

static void a_second_answer_replaces_the_first(void **state) {
  struct fixture *f = *state;
  write_file(f, "b", "other");
  keep(f, "/a", "a", 5);
  keep(f, "/a", "b", 5);
  assert_body(find(f, "/a"), "other");
  assert_int_equal(f->hot->count, 1);
}

static void the_date_is_the_present_one(void **state) {
  time_t before = time(NULL);
  struct tm tm = {0};
  keep(*state, "/a", "a", 5);
  struct hot_entry *e = find(*state, "/a");
  assert_non_null(strptime(e->bytes, "Date: %a, %d %b %Y %T GMT", &tm));
  assert_in_range(timegm(&tm), before, time(NULL));
}

static void put_large(struct fixture *f, const char *key) {
  char *text = calloc(1, HOT_FILE_BYTES + 1);
  memset(text, 'x', HOT_FILE_BYTES);
  write_file(f, "large", text);
  free(text);
  assert_int_equal(keep(f, key, "large", HOT_FILE_BYTES), 0);
}

/* Its head lies on pages that were lent. */
static void the_date_of_a_large_one_too(void **state) {
  put_large(*state, "/large");
  struct hot_entry *e = find(*state, "/large");
  const char *body = e->bytes + sizeof HEAD - 1;
  for (int i = 0; i < 3; i++) {
    memcpy(e->bytes, HEAD, 35);
    e->date_at = 0;
    assert_memory_not_equal(find(*state, "/large")->bytes, HEAD, 35);
    assert_memory_equal(e->bytes + 35, "\r\n\r\nxxx", 7);
    assert_int_equal(body[HOT_FILE_BYTES - 1], 'x');
  }
}

static void the_date_stays_while_somebody_sends(void **state) {
  keep(*state, "/a", "a", 5);
  struct fixture *f = *state;
  struct hot_entry *e = find(f, "/a");
  hot_hold(e);
  memcpy(e->bytes, HEAD, 35);
  e->date_at = 0;
  assert_memory_equal(find(f, "/a")->bytes, HEAD, 35);
  hot_release(e);
  assert_memory_not_equal(find(f, "/a")->bytes, HEAD, 35);
}

static void a_changed_file_has_no_answer(void **state) {
  keep(*state, "/a", "a", 5);
  write_file(*state, "a", "world");
  assert_null(find(*state, "/a"));
}

static void what_stands_beside_it_does_not_matter(void **state) {
  keep(*state, "/a", "a", 5);
  write_file(*state, "ab", "x");
  write_file(*state, "b", "x");
  assert_non_null(find(*state, "/a"));
  write_file(*state, "a.gz", "x"); /* but this may be a better answer */
  assert_null(find(*state, "/a"));
}

static void a_change_is_seen_by_bytes_that_came_in_the_same_turn(void **state) {
  struct fixture *f = *state;
  keep(f, "/a", "a", 5);
  assert_non_null(find(f, "/a"));
  write_file(f, "a", "world");
  f->loop.net->intake++; /* a receive between two polls */
  assert_null(hot_find(f->hot, "/a", 2));
}

static void a_change_while_an_answer_is_made_is_seen(void **state) {
  struct fixture *f = *state;
  write_file(f, "b", "x");
  keep(f, "/b", "b", 1); /* the folder is watched */
  assert_null(find(f, "/a"));
  write_file(f, "a", "world"); /* between the head and the body */
  assert_int_equal(put(f, "/a", "a", 5), 0);
  assert_null(hot_find(f->hot, "/a", 2));
}

static void a_file_of_another_size_is_not_kept(void **state) {
  assert_int_equal(keep(*state, "/a", "a", 4), -ESTALE);
  assert_null(find(*state, "/a"));
}

static void a_file_behind_a_link_is_not_kept(void **state) {
  struct fixture *f = *state;
  assert_int_equal(symlinkat("a", f->root, "link"), 0);
  assert_int_equal(symlinkat("sub", f->root, "sublink"), 0);
  write_file(f, "sub/a", "hello");
  assert_int_equal(keep(f, "/link", "link", 5), -ELOOP);
  assert_int_equal(keep(f, "/sub", "sublink/a", 5), -ELOOP);
}

static void a_large_file_is_not_kept(void **state) {
  assert_int_equal(keep(*state, "/a", "a", HOT_FILE_BYTES + 1), -EFBIG);
}

/* A hard link elsewhere: inotify tells of names, and that one is not beneath the root. */
static void a_change_that_is_not_told_is_seen_after_a_second(void **state) {
  struct fixture *f = *state;
  char elsewhere[64];
  snprintf(elsewhere, sizeof elsewhere, "%s-link", f->folder);
  assert_int_equal(linkat(f->root, "a", AT_FDCWD, elsewhere, 0), 0);
  keep(f, "/a", "a", 5);
  find(f, "/a");
  keep(f, "/a", "a", 5);
  int fd = open(elsewhere, O_WRONLY);
  assert_int_equal(write(fd, "HELLO", 5), 5);
  close(fd);
  unlink(elsewhere);
  fake_net_advance(f->loop.net, 1100000000);
  assert_null(find(f, "/a"));
}

static void a_held_answer_lives_on(void **state) {
  keep(*state, "/a", "a", 5);
  struct hot_entry *e = find(*state, "/a");
  hot_hold(e);
  write_file(*state, "a", "world");
  assert_null(find(*state, "/a"));
  assert_body(e, "hello");
  hot_release(e);
}

static void look_on(struct net_observer *observer, struct net *net,
                    const struct net_call *call) {
  (void)observer;
  (void)net;
  (void)call;
}

static void take(net_h h, char *got, size_t n) {
  struct pollfd ready = {.fd = h, .events = POLLIN};
  for (size_t have = 0; have < n;) {
    assert_int_equal(poll(&ready, 1, 10000), 1);
    ssize_t r = recv(h, got + have, n - have, 0);
    assert_true(r > 0);
    have += (size_t)r;
  }
}

/* Its pages are lent, and those that are on their way keep the date that they left with. Who
 * watches is shown bytes, which are copied. */
static void a_large_answer_on_its_way_keeps_its_date(void **state) {
  enum { BODY = HOT_LENT_BYTES };
  static struct net_observer observer = {look_on};
  static char text[BODY + 1], got[BODY + sizeof HEAD];
  struct fixture *f = *state;
  struct stream st;
  net_h a, b;
  int status;
  struct net *host = net_host("epoll", &status);
  peers_pair(host, &a, &b);
  stream_init(&st);
  memset(text, 'x', BODY);
  write_file(f, "large", text);
  assert_int_equal(keep(f, "/large", "large", BODY), 0);
  struct hot_entry *e = find(f, "/large");
  memcpy(e->bytes, HEAD, 35);
  assert_int_equal(hot_send(f->hot, e, 0, &st, host, a), e->len);
  assert_true(f->hot->lender.open);
  e->date_at = 0;
  assert_memory_not_equal(find(f, "/large")->bytes, HEAD, 35);
  take(b, got, e->len);
  assert_memory_equal(got, HEAD, 35);
  assert_memory_equal(got + sizeof HEAD - 1, text, BODY);
  lender_close(&f->hot->lender);
  host->observer = &observer;
  assert_int_equal(hot_send(f->hot, e, 0, &st, host, a), e->len);
  assert_false(f->hot->lender.open);
  take(b, got, e->len);
  assert_memory_equal(got, e->bytes, e->len);
  stream_fini(&st);
  net_close(host, a);
  net_close(host, b);
  net_free(host);
}

/* A server that stops drops the cache, and ends what it has begun. */
static void a_held_answer_is_sent_without_the_cache(void **state) {
  struct fixture *f = *state;
  struct net *net = f->loop.net;
  static char got[HOT_FILE_BYTES + sizeof HEAD];
  struct stream st;
  net_h ends[2];
  size_t have = 0, sent = 0;
  put_large(f, "/large");
  struct hot_entry *e = find(f, "/large");
  hot_hold(e);
  hot_free(f->hot);
  f->hot = NULL;
  stream_init(&st);
  assert_int_equal(net_pair(net, AF_UNIX, SOCK_STREAM, ends), 0);
  while (have < e->len) {
    ssize_t r = sent < e->len ? hot_send(NULL, e, sent, &st, net, ends[0]) : 0;
    if (r > 0) sent += (size_t)r;
    struct net_event event;
    net_poll(net, &event, 1, 0);
    r = net_recv(net, ends[1], got + have, sizeof got - have);
    if (r > 0) have += (size_t)r;
  }
  assert_int_equal(have, sizeof HEAD - 1 + HOT_FILE_BYTES);
  assert_memory_equal(got, e->bytes, have);
  hot_release(e);
  stream_fini(&st);
  net_close(net, ends[0]);
  net_close(net, ends[1]);
}

static void the_least_recently_used_goes(void **state) {
  struct fixture *f = *state;
  char key[16];
  keep(f, "/first", "a", 5);
  keep(f, "/second", "a", 5);
  for (int i = 2; i < HOT_ENTRIES; i++) {
    snprintf(key, sizeof key, "/%d", i);
    assert_int_equal(keep(f, key, "a", 5), 0);
  }
  assert_non_null(find(f, "/first"));
  keep(f, "/last", "a", 5);
  assert_int_equal(f->hot->count, HOT_ENTRIES);
  assert_non_null(find(f, "/first"));
  assert_null(find(f, "/second"));
}

static void the_bytes_have_a_limit(void **state) {
  struct fixture *f = *state;
  char key[16];
  put_large(f, "/large");
  for (int i = 0; i < 2 * HOT_BYTES / HOT_FILE_BYTES; i++) {
    snprintf(key, sizeof key, "/%d", i);
    assert_int_equal(keep(f, key, "large", HOT_FILE_BYTES), 0);
    assert_true(f->hot->bytes <= HOT_BYTES);
  }
  assert_null(find(f, "/0"));
  assert_non_null(find(f, key));
}

static void openat2_is_missing_here(void **state) {
  (void)state;
  skip();
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_cache, remove_cache)
  const struct CMUnitTest tests[] = {
      TEST(an_answer_is_found_by_its_key),
      TEST(nothing_is_kept_before_the_folder_was_watched),
      TEST(a_second_answer_replaces_the_first),
      TEST(the_date_is_the_present_one),
      TEST(the_date_of_a_large_one_too),
      TEST(the_date_stays_while_somebody_sends),
      TEST(a_changed_file_has_no_answer),
      TEST(what_stands_beside_it_does_not_matter),
      TEST(a_change_is_seen_by_bytes_that_came_in_the_same_turn),
      TEST(a_change_while_an_answer_is_made_is_seen),
      TEST(a_file_of_another_size_is_not_kept),
      TEST(a_file_behind_a_link_is_not_kept),
      TEST(a_large_file_is_not_kept),
      TEST(a_change_that_is_not_told_is_seen_after_a_second),
      TEST(a_held_answer_lives_on),
      TEST(a_large_answer_on_its_way_keeps_its_date),
      TEST(a_held_answer_is_sent_without_the_cache),
      TEST(the_least_recently_used_goes),
      TEST(the_bytes_have_a_limit),
  };
  const struct CMUnitTest none[] = {cmocka_unit_test(openat2_is_missing_here)};
  struct file_id id; /* valgrind and some sandboxes do not know the system call */
  if (file_look(AT_FDCWD, ".", &id) == -ENOSYS)
    return cmocka_run_group_tests(none, NULL, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
