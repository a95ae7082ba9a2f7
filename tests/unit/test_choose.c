/* Which backend a program gets where the kernel refuses io_uring. Each refusal is played in a
 * child by a filter of its system calls. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/host_uring.h"
#include "support/peers.h"

struct refusal {
  const char *what;
  unsigned call;
  int error; /* that the call fails with */
  int told;  /* to who names the backend */
};

static const struct refusal refusals[] = {
    {"a kernel that has none",            SYS_io_uring_setup,    ENOSYS, -ENOSYS    },
    {"seccomp or io_uring_disabled",      SYS_io_uring_setup,    EPERM,  -EPERM     },
    {"a limit of locked memory",          SYS_io_uring_setup,    ENOMEM, -ENOMEM    },
    {"a kernel that lacks a flag",        SYS_io_uring_setup,    EINVAL, -EOPNOTSUPP},
    {"a kernel without rings of buffers", SYS_io_uring_register, EINVAL, -EOPNOTSUPP},
    {"a limit of what is registered",     SYS_io_uring_register, ENOMEM, -ENOMEM    },
    {"a filter that lets it be made",     SYS_io_uring_enter,    EPERM,  -EPERM     },
};

enum { CASES = sizeof refusals / sizeof *refusals };

static void refuse(const struct refusal *r) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->call, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)r->error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) _exit(97);
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) < 0) _exit(98);
}

/* Runs `body` in a child; 0: it holds there. */
static int in_child(bool (*body)(const struct refusal *), const struct refusal *r) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    alarm(20);
    _exit(body(r) ? 0 : 1);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  return status;
}

/* A net of `auto` works: a stream waits and gets what comes. */
static bool auto_works(bool with_ring) {
  int status;
  net_h a, b;
  char bytes[8];
  struct net *net = net_host("auto", &status);
  if (!net) return false;
  struct epoll_net *e = epoll_self(net);
  peers_pair(net, &a, &b);
  for (int i = 0; i < 3; i++) {
    if (net_recv(net, a, bytes, sizeof bytes) != -EAGAIN) return false;
    if (net_send(net, b, "abc", 3) != 3) return false;
    peers_expect(net, a, "abc");
  }
  bool as_told = (e->ring != NULL) == with_ring && !e->takes_ring;
  net_close(net, a);
  net_close(net, b);
  net_free(net);
  return as_told;
}

static bool falls_back(const struct refusal *r) {
  refuse(r);
  return auto_works(false);
}

static bool is_told(const struct refusal *r) {
  int status = 0, anyway = net_host_has_uring(); /* the kernel may refuse before that */
  refuse(r);
  bool refused = !net_host("uring", &status);
  return refused && (status == r->told || (anyway < 0 && status == anyway)) &&
         net_host_has_uring() == status;
}

static bool lacks_descriptors(const struct refusal *r) {
  enum { OF_A_NET_AND_A_PAIR = 7 };
  int lowest = dup(0);
  struct rlimit few = {(rlim_t)lowest + OF_A_NET_AND_A_PAIR - 1, 4096};
  close(lowest);
  return setrlimit(RLIMIT_NOFILE, &few) == 0 && auto_works(false);
}

static void auto_is_epoll_without_a_word_where_io_uring_is_refused(void **state) {
  for (int i = 0; i < CASES; i++) {
    int status = in_child(falls_back, &refusals[i]);
    if (status != 0) fail_msg("%s: status %x", refusals[i].what, (unsigned)status);
  }
}

static void who_names_io_uring_is_told_why_it_is_refused(void **state) {
  for (int i = 0; i < CASES; i++) {
    int status = in_child(is_told, &refusals[i]);
    if (status != 0) fail_msg("%s: status %x", refusals[i].what, (unsigned)status);
  }
}

static void auto_is_epoll_where_descriptors_run_out(void **state) {
  if (getenv("UNDER_VALGRIND")) skip(); /* which plays the limit itself */
  assert_int_equal(in_child(lacks_descriptors, NULL), 0);
}

static void auto_takes_the_ring_where_there_is_one(void **state) {
  assert_true(auto_works(net_host_has_uring() == 0));
}

static void an_unknown_backend_is_refused(void **state) {
  int status;
  assert_null(net_host("kqueue", &status));
  assert_int_equal(status, -EINVAL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(auto_is_epoll_without_a_word_where_io_uring_is_refused),
      cmocka_unit_test(who_names_io_uring_is_told_why_it_is_refused),
      cmocka_unit_test(auto_is_epoll_where_descriptors_run_out),
      cmocka_unit_test(auto_takes_the_ring_where_there_is_one),
      cmocka_unit_test(an_unknown_backend_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
