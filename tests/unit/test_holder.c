/* Who holds a port, asked about real sockets of this process and of a child. Every port
 * is the kernel's choice, and every test leaves as many descriptors as it found. */
#include "net/holder.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct addr text_addr(const char *text) {
  struct addr_text t;
  struct addr a;
  const char *why;
  assert_int_equal(addr_split(text, strlen(text), &t, &why), 0);
  assert_int_equal(addr_from_text(&a, &t, AF_UNSPEC), 0);
  return a;
}

/* A socket bound to `a`, which takes the kernel's choice of a port. -1: no such family */
static int bound(struct addr *a, int type) {
  int fd = socket(addr_family(a), type | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (bind(fd, &a->u.sa, a->len) != 0) {
    close(fd);
    return -1;
  }
  a->len = sizeof a->u;
  assert_int_equal(getsockname(fd, &a->u.sa, &a->len), 0);
  return fd;
}

static int listening(struct addr *a) {
  int fd = bound(a, SOCK_STREAM);
  if (fd >= 0) assert_int_equal(listen(fd, 1), 0);
  return fd;
}

static void assert_held_by(const struct addr *a, int type, pid_t pid) {
  char name[17] = "", want[64], out[64] = "";
  prctl(PR_GET_NAME, name); /* a child's is its parent's */
  snprintf(want, sizeof want, "%s (pid %d)", name, pid);
  assert_int_equal(holder_find(a, type, out, sizeof out), 0);
  assert_string_equal(out, want);
}

static void assert_unheld(const struct addr *a, int type) {
  char out[64] = "before";
  assert_int_equal(holder_find(a, type, out, sizeof out), -ENOENT);
  assert_string_equal(out, "before");
}

/* Asks for `text`'s host with the port of `a`. */
static struct addr with_port(const char *text, const struct addr *a) {
  struct addr b = text_addr(text);
  addr_set_port(&b, addr_port(a));
  return b;
}

/* ---- tests ---- */

static void a_listening_socket_is_found_by_its_address(void **state) {
  struct addr a = text_addr("127.0.0.1:0");
  int fd = listening(&a);
  assert_true(fd >= 0);
  assert_held_by(&a, SOCK_STREAM, getpid());
  assert_unheld(&a, SOCK_DGRAM);
  assert_unheld(&a, SOCK_RAW);
  close(fd);
}

static void the_any_address_clashes_with_every_other_one(void **state) {
  struct addr one = text_addr("127.0.0.1:0"), any = text_addr(":0");
  int fd = listening(&one);
  struct addr asked = with_port("0.0.0.0", &one);
  assert_held_by(&asked, SOCK_STREAM, getpid());
  asked = with_port("127.0.0.2", &one);
  assert_unheld(&asked, SOCK_STREAM);
  close(fd);
  fd = listening(&any);
  asked = with_port("127.0.0.2", &any);
  assert_held_by(&asked, SOCK_STREAM, getpid());
  asked = with_port("::1", &any);
  assert_unheld(&asked, SOCK_STREAM);
  close(fd);
}

static void a_dual_stack_socket_clashes_with_ipv4(void **state) {
  struct addr any = text_addr("[::]:0");
  int fd = listening(&any);
  if (fd < 0) skip(); /* a kernel without IPv6 */
  struct addr asked = with_port("127.0.0.1", &any);
  assert_held_by(&asked, SOCK_STREAM, getpid());
  asked = with_port("0.0.0.0", &any);
  assert_held_by(&asked, SOCK_STREAM, getpid());
  asked = with_port("::1", &any);
  assert_held_by(&asked, SOCK_STREAM, getpid());
  close(fd);
  struct addr v4 = text_addr("127.0.0.1:0");
  fd = listening(&v4);
  asked = with_port("::", &v4);
  assert_held_by(&asked, SOCK_STREAM, getpid());
  addr_map(&v4);
  assert_held_by(&v4, SOCK_STREAM, getpid());
  close(fd);
}

static void ipv6_addresses_are_compared_whole(void **state) {
  struct addr a = text_addr("[::1]:0");
  int fd = listening(&a);
  if (fd < 0) skip(); /* a kernel without IPv6 */
  assert_held_by(&a, SOCK_STREAM, getpid());
  struct addr asked = with_port("2001:db8::1", &a);
  assert_unheld(&asked, SOCK_STREAM);
  asked = with_port("127.0.0.1", &a);
  assert_unheld(&asked, SOCK_STREAM);
  close(fd);
}

static void a_bound_datagram_socket_is_found(void **state) {
  struct addr a = text_addr("127.0.0.1:0");
  int fd = bound(&a, SOCK_DGRAM);
  assert_true(fd >= 0);
  assert_held_by(&a, SOCK_DGRAM, getpid());
  assert_unheld(&a, SOCK_STREAM);
  close(fd);
}

static void a_tcp_socket_that_only_is_bound_does_not_show(void **state) {
  struct addr a = text_addr("127.0.0.1:0");
  int fd = bound(&a, SOCK_STREAM);
  assert_true(fd >= 0);
  assert_unheld(&a, SOCK_STREAM);
  close(fd);
}

static void unix_sockets_are_found_by_path_and_by_abstract_name(void **state) {
  char dir[] = "/tmp/test_holder.XXXXXX", text[64];
  assert_non_null(mkdtemp(dir));
  snprintf(text, sizeof text, "unix:%s/s", dir);
  struct addr path = text_addr(text), abstract;
  int fd = listening(&path);
  assert_true(fd >= 0);
  assert_held_by(&path, SOCK_STREAM, getpid());
  assert_unheld(&path, SOCK_DGRAM);
  close(fd);
  unlink(text + 5);
  rmdir(dir);
  assert_unheld(&path, SOCK_STREAM);
  snprintf(text, sizeof text, "unix:@test_holder/%d", getpid());
  abstract = text_addr(text);
  fd = bound(&abstract, SOCK_DGRAM);
  assert_true(fd >= 0);
  assert_held_by(&abstract, SOCK_DGRAM, getpid());
  assert_unheld(&abstract, SOCK_STREAM);
  close(fd);
}

static void an_address_without_a_port_is_held_by_nobody(void **state) {
  struct addr none = {.len = 0};
  struct addr unnamed = {.len = sizeof(sa_family_t), .u.un.sun_family = AF_UNIX};
  assert_unheld(&none, SOCK_STREAM);
  assert_unheld(&unnamed, SOCK_STREAM);
}

/* A process that listens at `addr` until the pipe to it closes. */
struct child {
  pid_t pid;
  int pipe; /* owned: the end that is written */
  struct addr addr;
};

static _Noreturn void child_main(int tell, int until, int dumpable) {
  struct addr a = text_addr("127.0.0.1:0");
  char byte;
  prctl(PR_SET_DUMPABLE, dumpable);
  if (listening(&a) < 0 || write(tell, &a, sizeof a) != sizeof a) _exit(1);
  _exit(read(until, &byte, 1) == 0 ? 0 : 1);
}

/* proc(5): who is not "dumpable" shows its descriptors to root alone. */
static struct child child_start(int dumpable) {
  struct child c;
  int told[2], until[2];
  assert_int_equal(pipe(told) | pipe(until), 0);
  c.pid = fork();
  if (c.pid == 0) {
    close(until[1]); /* or it would keep itself alive */
    child_main(told[1], until[0], dumpable);
  }
  assert_true(c.pid > 0);
  assert_int_equal(read(told[0], &c.addr, sizeof c.addr), sizeof c.addr);
  close(told[0]);
  close(told[1]);
  close(until[0]);
  c.pipe = until[1];
  return c;
}

static void child_stop(struct child *c) {
  int status;
  close(c->pipe);
  assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
  assert_int_equal(status, 0);
}

static void another_process_is_named_by_its_pid(void **state) {
  struct child c = child_start(1);
  assert_held_by(&c.addr, SOCK_STREAM, c.pid);
  child_stop(&c);
  assert_unheld(&c.addr, SOCK_STREAM);
}

/* The answer that a process without privileges gets. */
static int ask_as_nobody(const struct addr *a) {
  char out[64];
  int status;
  pid_t pid = fork();
  if (pid == 0) {
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(0);
    _exit(-holder_find(a, SOCK_STREAM, out, sizeof out));
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  return -WEXITSTATUS(status);
}

static void a_process_that_hides_its_descriptors_is_an_eacces(void **state) {
  struct child c = child_start(0);
  assert_int_equal(ask_as_nobody(&c.addr), -EACCES);
  child_stop(&c);
}

static void control_bytes_in_a_process_name_are_hidden(void **state) {
  char name[17], out[64], want[64];
  struct addr a = text_addr("127.0.0.1:0");
  int fd = listening(&a);
  prctl(PR_GET_NAME, name);
  prctl(PR_SET_NAME, "a\x1b[1m");
  int r = holder_find(&a, SOCK_STREAM, out, sizeof out);
  prctl(PR_SET_NAME, name);
  close(fd);
  snprintf(want, sizeof want, "a?[1m (pid %d)", getpid());
  assert_int_equal(r, 0);
  assert_string_equal(out, want);
}

static void a_small_buffer_cuts_the_text(void **state) {
  char out[4] = "...";
  struct addr a = text_addr("127.0.0.1:0");
  int fd = listening(&a);
  assert_int_equal(holder_find(&a, SOCK_STREAM, out, sizeof out), 0);
  assert_int_equal(strlen(out), 3);
  close(fd);
}

/* ---- main ---- */

static int open_descriptors(void) {
  int count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (readdir(dir)) count++;
  closedir(dir);
  return count;
}

static int descriptors;

static int set_up(void **state) {
  descriptors = open_descriptors();
  return 0;
}

static int tear_down(void **state) {
  return open_descriptors() == descriptors ? 0 : -1;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_listening_socket_is_found_by_its_address),
      TEST(the_any_address_clashes_with_every_other_one),
      TEST(a_dual_stack_socket_clashes_with_ipv4),
      TEST(ipv6_addresses_are_compared_whole),
      TEST(a_bound_datagram_socket_is_found),
      TEST(a_tcp_socket_that_only_is_bound_does_not_show),
      TEST(unix_sockets_are_found_by_path_and_by_abstract_name),
      TEST(an_address_without_a_port_is_held_by_nobody),
      TEST(another_process_is_named_by_its_pid),
      TEST(a_process_that_hides_its_descriptors_is_an_eacces),
      TEST(control_bytes_in_a_process_name_are_hidden),
      TEST(a_small_buffer_cuts_the_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
