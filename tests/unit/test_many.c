/* Many datagrams in one call: the seam's two members, for every net, and the trains of
 * net/datagrams.h. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/datagrams.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/nets.h"
#include "support/peers.h"

static struct net *net;
static net_h a, b; /* a sends, b receives */
static struct addr a_addr, b_addr;
static struct outgoing out;
static struct incoming *in;
static char text[65536];

static int set_up(void **state) {
  net = nets_new();
  a = peers_bound(net, SOCK_DGRAM, &a_addr);
  b = peers_bound(net, SOCK_DGRAM, &b_addr);
  in = incoming_new();
  outgoing_init(&out, true);
  for (size_t i = 0; i < sizeof text; i++) text[i] = (char)(i % 251);
  return 0;
}

static int tear_down(void **state) {
  net_close(net, a);
  net_close(net, b);
  int open = net->open;
  net_free(net);
  free(in);
  return open;
}

/* --- the seam, on every net --- */

enum { FEW = 10 };
static struct mmsghdr all[FEW];
static struct iovec iov[FEW];

/* Messages of one byte, 'a' and on, to an address. */
static void prepare(char bytes[FEW], struct addr *to) {
  for (int i = 0; i < FEW; i++) {
    bytes[i] = (char)('a' + i);
    iov[i] = (struct iovec){&bytes[i], 1};
    all[i].msg_hdr = (struct msghdr){
        .msg_name = &to->u, .msg_namelen = to->len, .msg_iov = &iov[i], .msg_iovlen = 1};
  }
}

/* Sends messages `from` to `to`, over as many calls as it takes. */
static void send_range(int from, int to) {
  while (from < to) {
    int r = net_sendmany(net, a, all + from, (unsigned)(to - from), 0);
    if (r == -EAGAIN) {
      peers_await(net, a, NET_WR);
      continue;
    }
    assert_in_range(r, 1, to - from);
    for (int i = from; i < from + r; i++) assert_int_equal(all[i].msg_len, 1);
    from += r;
  }
}

/* Receives a datagram for each byte of the text. */
static void expect_many(const char *bytes, int n) {
  char got[FEW];
  struct addr from = {.len = sizeof from.u};
  for (int at = 0; at < n;) {
    prepare(got, &from);
    memset(got, 0, sizeof got);
    int r = net_recvmany(net, b, all, (unsigned)(n - at), 0);
    if (r == -EAGAIN) {
      peers_await(net, b, NET_RD);
      continue;
    }
    assert_in_range(r, 1, n - at);
    assert_memory_equal(got, bytes + at, (size_t)r);
    at += r;
  }
}

static void many_go_and_come_in_order(void **state) {
  char bytes[FEW];
  prepare(bytes, &b_addr);
  send_range(0, FEW);
  expect_many("abcdefghij", FEW);
}

static void who_waits_for_many_is_woken(void **state) {
  char bytes[FEW];
  for (int i = 0; i < 3; i++) {
    struct addr from = {.len = sizeof from.u};
    prepare(bytes, &from);
    assert_int_equal(net_recvmany(net, b, all, 4, 0), -EAGAIN);
    prepare(bytes, &b_addr);
    send_range(0, 3);
    expect_many("abc", 3);
  }
}

/* The first of a call tells why; one behind it only stops the call. */
static void the_failure_of_one_is_told_when_it_is_the_first(void **state) {
  static char large[65600];
  char bytes[FEW];
  prepare(bytes, &b_addr);
  iov[2] = (struct iovec){large, sizeof large};
  send_range(0, 2);
  int r;
  while ((r = net_sendmany(net, a, all + 2, 2, 0)) == -EAGAIN)
    peers_await(net, a, NET_WR);
  assert_int_equal(r, -EMSGSIZE);
  send_range(3, 5);
  expect_many("abde", 4);
}

static void one_by_one_and_many_share_a_socket(void **state) {
  char bytes[FEW], byte;
  struct addr from;
  size_t size;
  prepare(bytes, &b_addr);
  send_range(0, 6);
  assert_int_equal(peers_recvfrom(net, b, &byte, 1, &from, &size), 1);
  assert_int_equal(byte, 'a');
  expect_many("bc", 2); /* what was read ahead comes first */
  assert_int_equal(peers_recvfrom(net, b, &byte, 1, &from, &size), 1);
  assert_int_equal(byte, 'd');
  expect_many("ef", 2);
}

/* --- trains, on every net --- */

/* Adds datagrams of these sizes, in a row in memory; how many were taken. */
static int add(const size_t *sizes, int n) {
  size_t at = 0;
  for (int i = 0; i < n; at += sizes[i++])
    if (!outgoing_add(&out, text + at, sizes[i], &b_addr)) return i;
  return n;
}

static int send_out(void) {
  int r;
  while ((r = outgoing_send(&out, net, a, 0)) == -EAGAIN) peers_await(net, a, NET_WR);
  return r;
}

/* The next datagram that comes. */
static struct datagram next(void) {
  struct datagram d;
  struct incoming_wish wish = {4, DATAGRAM_ROOM, true, 0, NULL};
  while (!incoming_next(in, &d))
    if (incoming_receive(in, net, b, &wish) == -EAGAIN) peers_await(net, b, NET_RD);
  return d;
}

/* Sends all that was loaded, whole or derailed. */
static void deliver(const size_t *sizes, int n) {
  for (int sent = 0; sent < n;) {
    outgoing_init(&out, out.may_couple);
    size_t at = 0;
    for (int i = 0; i < n; at += sizes[i++])
      if (i >= sent) outgoing_add(&out, text + at, sizes[i], &b_addr);
    int r = send_out();
    if (outgoing_derailed(&out, r)) {
      out.may_couple = false;
      continue;
    }
    assert_in_range(r, 1, n - sent);
    sent += r;
  }
}

static void a_train_arrives_as_its_datagrams(void **state) {
  static const size_t sizes[] = {1000, 1000, 1000, 300, 200, 200, 0, 0, 1000, 1};
  int on = 1;
  if (nets_kind == NETS_HOST) net_setopt(net, b, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  deliver(sizes, 10);
  size_t at = 0;
  for (int i = 0; i < 10; at += sizes[i++]) {
    struct datagram d = next();
    assert_int_equal(d.len, sizes[i]);
    assert_int_equal(d.size, sizes[i]);
    assert_memory_equal(d.bytes, text + at, d.len);
    assert_int_equal(addr_port(d.from), addr_port(&a_addr));
  }
}

static void those_that_nobody_reads_are_counted(void **state) {
  static const size_t sizes[] = {500, 500, 500, 20, 0, 7};
  struct incoming_wish wish = {4, 0, true, 0, NULL};
  uint64_t count = 0, total = 0, bytes;
  int on = 1;
  if (nets_kind == NETS_HOST) net_setopt(net, b, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  deliver(sizes, 6);
  while (count < 6) {
    if (incoming_receive(in, net, b, &wish) == -EAGAIN) peers_await(net, b, NET_RD);
    count += incoming_count(in, &bytes);
    total += bytes;
  }
  assert_int_equal(count, 6);
  assert_int_equal(total, 1527);
}

static void what_is_held_comes_one_by_one(void **state) {
  static const size_t sizes[] = {100, 100, 100, 40};
  struct buf held;
  struct addr from;
  char bytes[200];
  struct joined_room room = {bytes, 60, 0, &from};
  int on = 1;
  ssize_t r;
  buf_init(&held);
  if (nets_kind == NETS_HOST) net_setopt(net, b, IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  deliver(sizes, 4);
  for (int i = 0; i < 8; i++) { /* each is peeked first */
    size_t size = sizes[i / 2], n = size < 60 ? size : 60;
    int flags = i % 2 == 0 ? MSG_PEEK : 0;
    while ((r = joined_recvfrom(in, &held, net, b, &room, flags)) == -EAGAIN)
      peers_await(net, b, NET_RD);
    assert_int_equal(r, n);
    assert_int_equal(room.size, size);
    assert_memory_equal(bytes, text + (size_t)(i / 2) * 100, n);
    assert_int_equal(addr_port(&from), addr_port(&a_addr));
  }
  assert_int_equal(buf_len(&held), 0);
  buf_fini(&held);
}

/* --- how trains are formed --- */

static void only_the_last_car_may_be_shorter(void **state) {
  static const size_t sizes[] = {100, 100, 50, 50, 60, 0, 60};
  assert_int_equal(add(sizes, 7), 7);
  assert_int_equal(out.count, 5);
  assert_int_equal(out.trains[0].count, 3); /* 100 100 50 */
  assert_int_equal(out.trains[1].count, 1); /* 50: a longer one follows */
  assert_int_equal(out.trains[2].count, 1); /* 60 */
  assert_int_equal(out.trains[3].count, 1); /* the empty one is alone */
  assert_int_equal(out.datagrams, 7);
  assert_int_equal(outgoing_bytes(&out, 3), 250);
  assert_int_equal(outgoing_bytes(&out, 7), 420);
}

static void a_train_has_as_many_cars_as_old_kernels_take(void **state) {
  for (int i = 0; i < 100; i++) assert_true(outgoing_add(&out, text + i * 10, 10, NULL));
  assert_int_equal(out.count, 2);
  assert_int_equal(out.trains[0].count, TRAIN_MAX);
}

static void a_train_is_no_longer_than_a_packet(void **state) {
  for (int i = 0; i < 3; i++) assert_true(outgoing_add(&out, text, 30000, NULL));
  assert_int_equal(out.count, 2);
  assert_int_equal(out.trains[0].count, 2);
}

static void each_address_has_its_own_train(void **state) {
  outgoing_add(&out, text, 10, &b_addr);
  outgoing_add(&out, text, 10, &b_addr);
  outgoing_add(&out, text, 10, &a_addr);
  outgoing_add(&out, text, 10, NULL);
  assert_int_equal(out.count, 3);
  assert_int_equal(out.trains[0].count, 2);
}

static void neighbours_in_memory_are_one_piece(void **state) {
  for (int i = 0; i < 20; i++) outgoing_add(&out, text + i * 10, 10, NULL);
  assert_int_equal(out.pieces, 1);
  outgoing_add(&out, text, 10, NULL);
  assert_int_equal(out.pieces, 2);
}

static void a_full_batch_says_so(void **state) {
  outgoing_init(&out, false);
  for (int i = 0; i < DATAGRAMS_MESSAGES; i++)
    assert_true(outgoing_add(&out, text, 10, NULL));
  assert_false(outgoing_add(&out, text, 10, NULL));
  assert_int_equal(out.datagrams, DATAGRAMS_MESSAGES);
  outgoing_init(&out, true);
  for (int i = 0; i < DATAGRAMS_PIECES; i++)
    assert_true(outgoing_add(&out, text, 10, NULL));
  assert_false(outgoing_add(&out, text, 10, NULL));
}

/* What one call sends is bounded in bytes too. */
static void a_batch_of_long_datagrams_is_full_early(void **state) {
  static const char block[TRAIN_BYTES];
  unsigned n = 0;
  outgoing_init(&out, false);
  while (outgoing_add(&out, block, sizeof block, NULL)) n++;
  assert_int_equal(n, DATAGRAMS_BYTES / TRAIN_BYTES + 1);
}

static void a_block_is_cut_into_whole_trains(void **state) {
  static const char block[200 * 1000 + 300];
  outgoing_init(&out, true);
  assert_int_equal(outgoing_cut(&out, block, sizeof block, 1000, &a_addr), sizeof block);
  assert_int_equal(out.count, 4); /* 64, 64, 64 and 9 */
  assert_int_equal(out.datagrams, 201);
  assert_int_equal(out.trains[0].count, 64);
  assert_int_equal(out.trains[3].count, 9);
  assert_int_equal(out.trains[3].bytes, 8300);
  assert_int_equal(out.all[3].msg_hdr.msg_iovlen, 1);
  assert_ptr_equal(out.iov[3].iov_base, block + 192000);
  assert_int_equal(out.all[3].msg_hdr.msg_namelen, a_addr.len);
}

static void a_block_of_tiny_datagrams_is_cut_as_far_as_one_call_goes(void **state) {
  static const char block[64 * 1024];
  outgoing_init(&out, true);
  assert_int_equal(outgoing_cut(&out, block, sizeof block, 1, NULL), DATAGRAMS_MOST);
  assert_int_equal(out.count, DATAGRAMS_MOST / TRAIN_MAX);
}

static void a_block_shorter_than_a_datagram_is_one(void **state) {
  outgoing_init(&out, true);
  assert_int_equal(outgoing_cut(&out, text, 7, 1000, NULL), 7);
  assert_int_equal(out.trains[0].count, 1);
  assert_int_equal(out.trains[0].segment, 7);
}

static void a_block_without_trains_is_cut_into_messages(void **state) {
  static const char block[100 * 1000];
  outgoing_init(&out, false);
  assert_int_equal(outgoing_cut(&out, block, sizeof block, 1000, NULL),
                   DATAGRAMS_MESSAGES * 1000);
  assert_int_equal(out.count, DATAGRAMS_MESSAGES);
  assert_int_equal(out.datagrams, DATAGRAMS_MESSAGES);
}

static void only_a_train_can_derail(void **state) {
  static const int refusals[] = {-EIO, -EINVAL, -EMSGSIZE};
  outgoing_add(&out, text, 10, NULL);
  for (int i = 0; i < 3; i++) assert_false(outgoing_derailed(&out, refusals[i]));
  outgoing_add(&out, text, 10, NULL);
  for (int i = 0; i < 3; i++) assert_true(outgoing_derailed(&out, refusals[i]));
  assert_false(outgoing_derailed(&out, -ECONNREFUSED));
  assert_false(outgoing_derailed(&out, 2));
}

static void a_kernel_that_knows_no_trains_is_found_out(void **state) {
  struct net *faulty = fault_net_new(fake_net_new(), 1, &(struct fault_rates){0});
  net_h h = net_socket(faulty, AF_INET, SOCK_DGRAM, 0);
  assert_true(trains_known(faulty, h));
  fault_net_fail(faulty, FAULT_GETOPT, 1, -ENOPROTOOPT);
  assert_false(trains_known(faulty, h));
  net_close(faulty, h);
  net_free(faulty);
}

/* A word of the kernel that makes no sense is no word. */
static void a_message_without_a_size_of_cars_is_one_datagram(void **state) {
  static const int words[] = {0, -5, 300, 301};
  struct datagram d;
  for (int i = 0; i < 4; i++) {
    struct cmsghdr *c = &in->control[0].first;
    in->all[0] = (struct mmsghdr){.msg_len = 300};
    in->all[0].msg_hdr.msg_control = c;
    in->all[0].msg_hdr.msg_controllen = sizeof in->control[0];
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_GRO;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &words[i], sizeof words[i]);
    in->count = 1;
    in->next = 0;
    in->at = 0;
    in->room = DATAGRAM_ROOM;
    assert_true(incoming_next(in, &d));
    assert_int_equal(d.size, 300);
    assert_false(incoming_next(in, &d));
  }
}

static void what_was_cut_is_held_with_its_size(void **state) {
  struct buf held;
  buf_init(&held);
  assert_int_equal(held_put(&held, &(struct datagram){text, 9, 12, &a_addr}), 0);
  struct datagram d;
  struct addr from;
  assert_true(held_first(&held, &d, &from));
  assert_int_equal(d.len, 9);
  assert_int_equal(d.size, 12);
  held_drop(&held);
  assert_false(held_first(&held, &d, &from));
  buf_fini(&held);
}

#define NET_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
  const struct CMUnitTest nets[] = {
      NET_TEST(many_go_and_come_in_order),
      NET_TEST(who_waits_for_many_is_woken),
      NET_TEST(the_failure_of_one_is_told_when_it_is_the_first),
      NET_TEST(one_by_one_and_many_share_a_socket),
      NET_TEST(a_train_arrives_as_its_datagrams),
      NET_TEST(those_that_nobody_reads_are_counted),
      NET_TEST(what_is_held_comes_one_by_one),
  };
  const struct CMUnitTest trains[] = {
      NET_TEST(only_the_last_car_may_be_shorter),
      NET_TEST(a_train_has_as_many_cars_as_old_kernels_take),
      NET_TEST(a_train_is_no_longer_than_a_packet),
      NET_TEST(each_address_has_its_own_train),
      NET_TEST(neighbours_in_memory_are_one_piece),
      NET_TEST(a_full_batch_says_so),
      NET_TEST(a_batch_of_long_datagrams_is_full_early),
      NET_TEST(a_block_is_cut_into_whole_trains),
      NET_TEST(a_block_of_tiny_datagrams_is_cut_as_far_as_one_call_goes),
      NET_TEST(a_block_shorter_than_a_datagram_is_one),
      NET_TEST(a_block_without_trains_is_cut_into_messages),
      NET_TEST(only_a_train_can_derail),
      NET_TEST(a_kernel_that_knows_no_trains_is_found_out),
      NET_TEST(a_message_without_a_size_of_cars_is_one_datagram),
      NET_TEST(what_was_cut_is_held_with_its_size),
  };
  alarm(30); /* a poll that sleeps for ever ends the program */
  int failed = cmocka_run_group_tests_name("in memory", nets, nets_use_fake, NULL);
  failed += cmocka_run_group_tests_name("host", nets, nets_use_host, NULL);
  failed += cmocka_run_group_tests_name("host under faults", nets, nets_use_faulty, NULL);
  return failed + cmocka_run_group_tests_name("trains", trains, nets_use_fake, NULL);
}
