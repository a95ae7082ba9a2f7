/* Files beneath a folder, and sendfile of every net: the one in memory, the host's, and the
 * host's under faults that a program has to live with. */
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/status.h"
#include "net/file.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/peers.h"
#include "support/seed.h"

static char folder[] = "/tmp/soquete-file-XXXXXX";
static int root = -1;

/* --- a folder --- */

static void write_file(const char *path, size_t size) {
  int fd = openat(root, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  assert_true(fd >= 0);
  char bytes[4096];
  for (size_t at = 0; at < size; at += sizeof bytes) {
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)((at + i) % 251);
    size_t n = size - at < sizeof bytes ? size - at : sizeof bytes;
    assert_int_equal(write(fd, bytes, n), n);
  }
  close(fd);
}

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder)) return -1;
  root = file_open_root(folder);
  if (root < 0 || mkdirat(root, "sub", 0700) < 0) return -1;
  write_file("small", 5);
  write_file("sub/large", 1000000);
  return 0;
}

static int remove_folder(void **state) {
  char command[64];
  (void)state;
  file_close(root);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return system(command);
}

/* A tool such as valgrind may play a kernel that does not know openat2(2). */
static void need_openat2(void) {
  struct file_info info;
  if (file_open(root, "none", &info) == -ENOSYS) skip();
}

/* The status of opening `path`; what it gave is closed again. */
static int opening(const char *path) {
  struct file_info info;
  int fd = file_open(root, path, &info);
  if (fd >= 0) file_close(fd);
  return fd < 0 ? fd : 0;
}

static void a_file_is_opened_with_its_size_and_time(void **state) {
  need_openat2();
  struct file_info info;
  struct stat st;
  char bytes[8];
  int fd = file_open(root, "sub/../small", &info);
  assert_true(fd >= 0);
  assert_int_equal(fstatat(root, "small", &st, 0), 0);
  assert_int_equal(info.size, 5);
  assert_int_equal(info.mtime_ns,
                   st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec);
  assert_int_equal(file_read(fd, bytes, sizeof bytes, 3), 2);
  assert_int_equal(file_read(fd, bytes, sizeof bytes, 5), 0);
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  file_close(fd);
}

static void what_is_no_file_is_refused(void **state) {
  need_openat2();
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  snprintf(name.sun_path, sizeof name.sun_path, "%s/socket", folder);
  assert_int_equal(bind(s, (struct sockaddr *)&name, sizeof name), 0);
  assert_int_equal(mkfifoat(root, "fifo", 0600), 0);
  assert_int_equal(opening("sub"), -EISDIR);
  assert_int_equal(opening("."), -EISDIR);
  assert_int_equal(opening("fifo"), STATUS_IRREGULAR);
  assert_int_equal(opening("socket"), STATUS_IRREGULAR);
  assert_int_equal(opening("none"), -ENOENT);
  assert_int_equal(opening(""), -ENOENT);
  assert_int_equal(opening("small/x"), -ENOTDIR);
  close(s);
}

static void nothing_leads_out_of_the_folder(void **state) {
  need_openat2();
  assert_int_equal(symlinkat("/etc/passwd", root, "absolute"), 0);
  assert_int_equal(symlinkat("../../etc/passwd", root, "sub/up"), 0);
  assert_int_equal(symlinkat("..", root, "parent"), 0);
  assert_int_equal(opening("/etc/passwd"), -EXDEV);
  assert_int_equal(opening("../x"), -EXDEV);
  assert_int_equal(opening("sub/../../x"), -EXDEV);
  assert_int_equal(opening("absolute"), -EXDEV);
  assert_int_equal(opening("sub/up"), -EXDEV);
  assert_int_equal(opening("parent/x"), -EXDEV);
}

static void a_link_that_stays_inside_is_followed(void **state) {
  need_openat2();
  assert_int_equal(symlinkat("../small", root, "sub/back"), 0);
  assert_int_equal(opening("sub/back"), 0);
}

static void links_of_proc_are_not_followed(void **state) {
  need_openat2();
  int proc = file_open_root("/proc/self");
  struct file_info info;
  assert_true(proc >= 0);
  int r = file_open(proc, "root/etc/passwd", &info);
  assert_true(r == -ELOOP || r == -EXDEV);
  r = file_open(proc, "exe", &info);
  assert_true(r == -ELOOP || r == -EXDEV);
  file_close(proc);
}

static void a_root_has_to_be_a_folder(void **state) {
  assert_int_equal(file_open_root("/dev/null"), -ENOTDIR);
  assert_int_equal(file_open_root("/nowhere"), -ENOENT);
}

/* --- sendfile --- */

enum { PIECE = 100000 };
enum kind { FAKE, HOST, FAULTY };
static enum kind kind;

static int set_up(void **state) {
  int status;
  if (kind == FAKE) {
    *state = fake_net_new();
    return 0;
  }
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  if (!net) return -1;
  *state = kind == HOST ? net : fault_net_new(net, seed_get(), &fault_soft);
  return 0;
}

static int tear_down(void **state) {
  struct net *net = *state;
  int left = net->open;
  net_free(net);
  return left;
}

static int use_fake(void **state) {
  kind = FAKE;
  return 0;
}

static int use_host(void **state) {
  kind = HOST;
  return 0;
}

static int use_faulty(void **state) {
  kind = FAULTY;
  return 0;
}

static int open_plainly(const char *path) {
  int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  return fd;
}

/* Receives one piece, if one is there. */
static size_t take(struct net *net, net_h h, unsigned char bytes[PIECE]) {
  ssize_t r = net_recv(net, h, bytes, PIECE);
  assert_true(r > 0 || r == -EAGAIN);
  return r > 0 ? (size_t)r : 0;
}

/* The same, of the large file from `at` on. */
static size_t take_of_file(struct net *net, net_h h, size_t at) {
  static unsigned char bytes[PIECE];
  size_t n = take(net, h, bytes);
  for (size_t i = 0; i < n; i++) assert_int_equal(bytes[i], (at + i) % 251);
  return n;
}

static void sendfile_sends_every_byte_once_and_in_order(void **state) {
  struct net *net = *state;
  struct net_event events[8];
  net_h a, b;
  size_t sent = 0, got = 0;
  int fd = open_plainly("sub/large");
  peers_pair(net, &a, &b);
  while (got < 1000000) {
    ssize_t r =
        sent < 1000000 ? net_sendfile(net, a, fd, (int64_t)sent, 200000) : -EAGAIN;
    assert_true(r > 0 || r == -EAGAIN);
    if (r > 0) sent += (size_t)r;
    size_t n = take_of_file(net, b, got);
    got += n;
    if (r < 0 && n == 0)
      assert_true(net_poll(net, events, 8, net_now(net) + 1000000000) >= 0);
  }
  assert_int_equal(sent, 1000000);
  net_close(net, a);
  net_close(net, b);
  file_close(fd);
}

static void sendfile_follows_what_was_queued(void **state) {
  struct net *net = *state;
  net_h a, b;
  ssize_t r;
  int fd = open_plainly("small");
  peers_pair(net, &a, &b);
  assert_int_equal(peers_send(net, a, "h", 1), 1);
  do r = net_sendfile(net, a, fd, 1, 1);
  while (r == -EAGAIN);
  assert_int_equal(r, 1);
  peers_expect(net, b, "h\1");
  net_close(net, a);
  net_close(net, b);
  file_close(fd);
}

static void sendfile_gives_0_where_the_file_ends(void **state) {
  struct net *net = *state;
  net_h a, b;
  ssize_t r;
  int fd = open_plainly("small");
  peers_pair(net, &a, &b);
  do r = net_sendfile(net, a, fd, 5, 10);
  while (r == -EAGAIN);
  assert_int_equal(r, 0);
  net_close(net, a);
  net_close(net, b);
  file_close(fd);
}

static void sendfile_that_would_block_is_woken_by_room(void **state) {
  static unsigned char bytes[PIECE];
  struct net *net = *state;
  net_h a, b;
  size_t sent = 0, got = 0;
  ssize_t r;
  int fd = open_plainly("sub/large");
  peers_pair(net, &a, &b);
  for (int i = 0; i < 20; i++) /* a needless -EAGAIN does not count */
    while ((r = net_sendfile(net, a, fd, 0, 4096)) > 0) sent += (size_t)r;
  assert_int_equal(r, -EAGAIN);
  while (got < sent) {
    size_t n = take(net, b, bytes);
    struct net_event events[4];
    if (n == 0) assert_true(net_poll(net, events, 4, net_now(net) + 100000000) >= 0);
    got += n;
  }
  do r = net_sendfile(net, a, fd, 0, 1);
  while (r == -EAGAIN);
  assert_int_equal(r, 1);
  net_close(net, a);
  net_close(net, b);
  file_close(fd);
}

static void sendfile_to_who_has_gone_fails_without_a_signal(void **state) {
  struct net *net = *state;
  net_h a, b;
  ssize_t r;
  int fd = open_plainly("sub/large");
  peers_pair(net, &a, &b);
  net_close(net, b);
  do {
    r = net_sendfile(net, a, fd, 0, 100000);
    net_poll(net, &(struct net_event){0}, 1, 0);
  } while (r > 0 || r == -EAGAIN);
  assert_true(r == -EPIPE || r == -ECONNRESET);
  net_close(net, a);
  file_close(fd);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* What the program does in its handler: a broken pipe that is a socket's means nothing. */
static void on_pipe(int signal) {
  if (!file_is_sending) _exit(128 + signal);
}

int main(void) {
  const struct CMUnitTest files[] = {
      cmocka_unit_test(a_file_is_opened_with_its_size_and_time),
      cmocka_unit_test(what_is_no_file_is_refused),
      cmocka_unit_test(nothing_leads_out_of_the_folder),
      cmocka_unit_test(a_link_that_stays_inside_is_followed),
      cmocka_unit_test(links_of_proc_are_not_followed),
      cmocka_unit_test(a_root_has_to_be_a_folder),
  };
  const struct CMUnitTest nets[] = {
      NET_TEST(sendfile_sends_every_byte_once_and_in_order),
      NET_TEST(sendfile_follows_what_was_queued),
      NET_TEST(sendfile_gives_0_where_the_file_ends),
      NET_TEST(sendfile_that_would_block_is_woken_by_room),
      NET_TEST(sendfile_to_who_has_gone_fails_without_a_signal),
  };
  alarm(30); /* a poll that sleeps for ever ends the program */
  signal(SIGPIPE, on_pipe);
  if (make_folder(NULL) < 0) return 1;
  int failed = cmocka_run_group_tests_name("files", files, NULL, NULL);
  failed += cmocka_run_group_tests_name("in memory", nets, use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", nets, use_host, NULL);
  failed += cmocka_run_group_tests_name("host under faults", nets, use_faulty, NULL);
  return failed + remove_folder(NULL);
}
