/* The trace, read back from a pipe. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/trace.h"
#include "support/fake_net.h"
#include "support/peers.h"

struct fixture {
  struct net *net;
  struct trace trace;
  int ends[2];
  net_h a, b;
  char text[4096]; /* what was printed since the last look, without its times */
};

static void place(void *arg, char out[TRACE_PLACE]) {
  snprintf(out, TRACE_PLACE, "%s", (const char *)arg);
}

static int set_up(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->net = fake_net_new();
  peers_pair(f->net, &f->a, &f->b);
  if (pipe(f->ends) < 0) return -1;
  trace_open(&f->trace, f->net, f->ends[1], place, "task 1  x.lua:9");
  *state = f;
  return 0;
}

static int tear_down(void **state) {
  struct fixture *f = *state;
  close(f->ends[0]);
  close(f->ends[1]);
  net_free(f->net);
  trace_fini(&f->trace);
  free(f);
  return 0;
}

/* The last lines that were printed; a call that prints nothing would hang here. */
static const char *printed(struct fixture *f) {
  ssize_t n = read(f->ends[0], f->text, sizeof f->text - 1);
  assert_true(n > 0);
  f->text[n] = '\0';
  return f->text;
}

static void assert_line(struct fixture *f, const char *rest) {
  const char *line = printed(f);
  assert_memory_equal(line, "  0.0", 5);
  assert_string_equal(line + 10, rest);
}

static void put(struct fixture *f, const char *bytes, size_t n) {
  assert_int_equal(net_send(f->net, f->a, bytes, n), n);
}

static void a_line_tells_time_place_operation_peer_and_bytes(void **state) {
  struct fixture *f = *state;
  fake_net_advance(f->net, 12345678);
  put(f, "hello", 5);
  const char *line = printed(f);
  assert_string_equal(line, "  0.012346  task 1  x.lua:9          send #1 "
                            "127.0.0.1:40000: 5 bytes \"hello\"\n");
}

static void bytes_that_do_not_print_are_escaped(void **state) {
  struct fixture *f = *state;
  put(f, "a\"\\\n\r\t\0\x7f\xff~", 10);
  assert_line(f, "  task 1  x.lua:9          send #1 127.0.0.1:40000: 10 bytes "
                 "\"a\\\"\\\\\\n\\r\\x09\\x00\\x7f\\xff~\"\n");
}

static void only_32_bytes_are_shown(void **state) {
  struct fixture *f = *state;
  char bytes[100];
  memset(bytes, 'x', sizeof bytes);
  put(f, bytes, 32);
  assert_line(f, "  task 1  x.lua:9          send #1 127.0.0.1:40000: 32 bytes "
                 "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"\n");
  put(f, bytes, 33);
  assert_line(f, "  task 1  x.lua:9          send #1 127.0.0.1:40000: 33 bytes "
                 "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"…\n");
}

static void the_longest_line_fits(void **state) {
  struct fixture *f = *state;
  char bytes[100];
  memset(bytes, '\xff', sizeof bytes);
  put(f, bytes, sizeof bytes);
  const char *line = printed(f);
  assert_non_null(strstr(line, "100 bytes \"\\xff\\xff"));
  assert_string_equal(line + strlen(line) - 9, "\\xff\"…\n");
}

static void one_byte_is_one_byte(void **state) {
  struct fixture *f = *state;
  put(f, "x", 1);
  assert_non_null(strstr(printed(f), ": 1 byte \"x\"\n"));
}

static void bytes_that_only_the_kernel_sees_are_counted(void **state) {
  struct fixture *f = *state;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  assert_int_equal(write(ends[1], "hello", 5), 5);
  assert_int_equal(net_splice_out(f->net, f->a, ends[0], 5), 5);
  assert_non_null(strstr(printed(f), " splice_out #1 127.0.0.1:40000: 5 bytes\n"));
  assert_int_equal(net_discard(f->net, f->b, 9), 5);
  const char *line = printed(f);
  assert_non_null(strstr(line, " discard #"));
  assert_non_null(strstr(line, ": 5 bytes\n"));
  close(ends[0]);
  close(ends[1]);
}

static void what_would_block_and_what_ends_say_so(void **state) {
  struct fixture *f = *state;
  char byte;
  net_recv(f->net, f->b, &byte, 1);
  assert_non_null(strstr(printed(f), " recv #2 127.0.0.1:40001: would block\n"));
  net_shutdown(f->net, f->a, SHUT_WR);
  assert_non_null(strstr(printed(f), " shutdown #1 127.0.0.1:40000: ok\n"));
  net_recv(f->net, f->b, &byte, 1);
  assert_non_null(strstr(printed(f), " recv #2 127.0.0.1:40001: end of stream\n"));
}

static void failures_are_told_by_name(void **state) {
  struct fixture *f = *state;
  net_shutdown(f->net, f->a, SHUT_WR);
  printed(f);
  net_send(f->net, f->a, "x", 1);
  assert_non_null(strstr(printed(f), " send #1 127.0.0.1:40000: EPIPE\n"));
}

static void a_new_handle_is_told_by_its_number(void **state) {
  struct fixture *f = *state;
  assert_int_equal(net_socket(f->net, AF_INET, SOCK_DGRAM, 0), 0);
  assert_non_null(strstr(printed(f), "  socket: #0\n"));
}

static void datagrams_tell_whom_they_are_from_and_to(void **state) {
  struct fixture *f = *state;
  struct addr a_addr, b_addr, from;
  size_t size;
  char bytes[8], line[128];
  f->net->observer = NULL;
  net_h a = peers_bound(f->net, SOCK_DGRAM, &a_addr);
  net_h b = peers_bound(f->net, SOCK_DGRAM, &b_addr);
  f->net->observer = &f->trace.observer;
  net_sendto(f->net, a, "hi", 2, &b_addr, 0);
  snprintf(line, sizeof line, " sendto #%d 127.0.0.1:%d: 2 bytes \"hi\"\n", a,
           addr_port(&b_addr));
  assert_non_null(strstr(printed(f), line));
  net_recvfrom(f->net, b, bytes, 8, &from, &size, 0);
  snprintf(line, sizeof line, " recvfrom #%d 127.0.0.1:%d: 2 bytes \"hi\"\n", b,
           addr_port(&a_addr));
  assert_non_null(strstr(printed(f), line));
  net_sendto(f->net, a, "", 0, &b_addr, 0);
  assert_non_null(strstr(printed(f), ": 0 bytes \"\"\n"));
  net_recvfrom(f->net, b, bytes, 8, &from, &size, 0);
  assert_non_null(strstr(printed(f), ": 0 bytes \"\"\n"));
}

/* A message with room for an address, and its bytes. */
static void message(struct msghdr *msg, struct iovec *iov, struct addr *addr) {
  *msg = (struct msghdr){.msg_iov = iov, .msg_iovlen = 1};
  if (!addr) return;
  msg->msg_name = &addr->u;
  msg->msg_namelen = addr->len;
}

static void messages_tell_whom_they_are_from_and_to(void **state) {
  struct fixture *f = *state;
  struct addr a_addr, b_addr, from = {.len = sizeof from.u};
  struct msghdr msg;
  char bytes[8] = "hi", line[128];
  struct iovec out = {bytes, 2}, in = {bytes, sizeof bytes};
  f->net->observer = NULL;
  net_h a = peers_bound(f->net, SOCK_DGRAM, &a_addr);
  net_h b = peers_bound(f->net, SOCK_DGRAM, &b_addr);
  f->net->observer = &f->trace.observer;
  message(&msg, &out, &b_addr);
  assert_int_equal(net_sendmsg(f->net, a, &msg, 0), 2);
  snprintf(line, sizeof line, " sendmsg #%d 127.0.0.1:%d: 2 bytes \"hi\"\n", a,
           addr_port(&b_addr));
  assert_non_null(strstr(printed(f), line));
  message(&msg, &in, &from);
  assert_int_equal(net_recvmsg(f->net, b, &msg, 0), 2);
  snprintf(line, sizeof line, " recvmsg #%d 127.0.0.1:%d: 2 bytes \"hi\"\n", b,
           addr_port(&a_addr));
  assert_non_null(strstr(printed(f), line));
  message(&msg, &in, NULL);
  assert_int_equal(net_recvmsg(f->net, b, &msg, 0), -EAGAIN);
  assert_non_null(strstr(printed(f), " recvmsg "));
}

static void each_of_many_datagrams_has_its_line(void **state) {
  struct fixture *f = *state;
  struct addr to;
  net_h d = peers_bound(f->net, SOCK_DGRAM, &to);
  char bytes[2][8] = {"one", "three"};
  struct iovec parts[] = {
      {bytes[0], 3},
      {bytes[1], 5}
  };
  struct mmsghdr all[2] = {0};
  for (int i = 0; i < 2; i++)
    all[i].msg_hdr = (struct msghdr){
        .msg_name = &to.u, .msg_namelen = to.len, .msg_iov = &parts[i], .msg_iovlen = 1};
  printed(f);
  assert_int_equal(net_sendmany(f->net, d, all, 2, 0), 2);
  const char *text = printed(f);
  assert_non_null(strstr(text, " sendmany #0 127.0.0.1:40002: 3 bytes \"one\"\n"));
  assert_non_null(strstr(text, " sendmany #0 127.0.0.1:40002: 5 bytes \"three\"\n"));
  assert_int_equal(net_recvmany(f->net, d, all, 2, 0), 2);
  text = printed(f);
  assert_non_null(strstr(text, " recvmany #0 127.0.0.1:40002: 3 bytes \"one\"\n"));
  assert_non_null(strstr(text, " recvmany #0 127.0.0.1:40002: 5 bytes \"three\"\n"));
  assert_int_equal(net_recvmany(f->net, d, all, 2, 0), -EAGAIN);
  assert_non_null(strstr(printed(f), " recvmany #0 127.0.0.1:40002: would block\n"));
}

static void a_lookup_tells_its_name_and_what_was_found(void **state) {
  struct fixture *f = *state;
  struct net_lookup q = {.host = "localhost", .family = AF_INET, .ticket = -1};
  assert_int_equal(peers_lookup(f->net, &q), 0);
  net_lookup_fini(f->net, &q);
  assert_non_null(strstr(printed(f), " lookup \"localhost\" 127.0.0.1"));
}

static void the_peer_of_a_closed_connection_is_still_told(void **state) {
  struct fixture *f = *state;
  put(f, "x", 1);
  printed(f);
  net_close(f->net, f->a);
  assert_non_null(strstr(printed(f), " close #1 127.0.0.1:40000: ok\n"));
}

static void without_an_observer_nothing_is_printed(void **state) {
  struct fixture *f = *state;
  f->net->observer = NULL;
  put(f, "quiet", 5);
  f->net->observer = &f->trace.observer;
  put(f, "loud", 4);
  assert_null(strstr(printed(f), "quiet"));
}

#define TRACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest tests[] = {
      TRACE_TEST(a_line_tells_time_place_operation_peer_and_bytes),
      TRACE_TEST(bytes_that_do_not_print_are_escaped),
      TRACE_TEST(only_32_bytes_are_shown),
      TRACE_TEST(the_longest_line_fits),
      TRACE_TEST(one_byte_is_one_byte),
      TRACE_TEST(bytes_that_only_the_kernel_sees_are_counted),
      TRACE_TEST(what_would_block_and_what_ends_say_so),
      TRACE_TEST(failures_are_told_by_name),
      TRACE_TEST(a_new_handle_is_told_by_its_number),
      TRACE_TEST(datagrams_tell_whom_they_are_from_and_to),
      TRACE_TEST(messages_tell_whom_they_are_from_and_to),
      TRACE_TEST(each_of_many_datagrams_has_its_line),
      TRACE_TEST(a_lookup_tells_its_name_and_what_was_found),
      TRACE_TEST(the_peer_of_a_closed_connection_is_still_told),
      TRACE_TEST(without_an_observer_nothing_is_printed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
