/* The net that injects faults keeps its own promises. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/peers.h"

enum { TEXT = 20000 };

static void fill(char *text) {
  for (int i = 0; i < TEXT; i++) text[i] = (char)(i * 7 + i / 251);
}

/* Sends a text over a faulty pair; how many faults that met. Every byte must arrive. */
static unsigned transfer(struct net *net) {
  static char text[TEXT], got[TEXT];
  net_h a, b;
  size_t sent = 0, received = 0;
  fill(text);
  peers_pair(net, &a, &b);
  while (received < TEXT) {
    if (sent < TEXT) sent += (size_t)peers_send(net, a, text + sent, TEXT - sent);
    received += (size_t)peers_recv(net, b, got + received, TEXT - received);
  }
  assert_memory_equal(text, got, TEXT);
  net_close(net, a);
  net_close(net, b);
  assert_int_equal(net->open, 0);
  return fault_net_count(net);
}

static void soft_faults_lose_no_byte(void **state) {
  unsigned faults = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    struct net *net = fault_net_new(fake_net_new(), seed, &fault_soft);
    faults += transfer(net);
    net_free(net);
  }
  assert_true(faults > 400);
}

static void the_same_seed_gives_the_same_faults(void **state) {
  unsigned counts[2][50];
  for (int round = 0; round < 2; round++) {
    for (uint64_t seed = 0; seed < 50; seed++) {
      struct net *net = fault_net_new(fake_net_new(), seed, &fault_soft);
      counts[round][seed] = transfer(net);
      net_free(net);
    }
  }
  assert_memory_equal(counts[0], counts[1], sizeof counts[0]);
}

static void a_needless_again_brings_its_event(void **state) {
  struct fault_rates always = {.again = 1000};
  struct net *net = fault_net_new(fake_net_new(), 1, &always);
  struct net_event events[4];
  net_h h = net_socket(net, AF_INET, SOCK_STREAM, 0);
  char byte;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(net_recv(net, h, &byte, 1), -EAGAIN);
    assert_int_equal(net_send(net, h, "x", 1), -EAGAIN);
    assert_int_equal(net_poll(net, events, 4, NET_NEVER), 1);
    assert_int_equal(events[0].h, h);
    assert_int_equal(events[0].what, NET_RD | NET_WR);
  }
  net_close(net, h);
  net_free(net);
}

static void a_promised_event_goes_with_its_handle(void **state) {
  struct fault_rates always = {.again = 1000};
  struct net *net = fault_net_new(fake_net_new(), 1, &always);
  struct net_event events[4];
  net_h h = net_socket(net, AF_INET, SOCK_STREAM, 0);
  char byte;
  assert_int_equal(net_recv(net, h, &byte, 1), -EAGAIN);
  net_close(net, h);
  assert_int_equal(net_poll(net, events, 4, 0), 0);
  net_free(net);
}

static void rates_of_zero_change_nothing(void **state) {
  struct fault_rates none = {0};
  struct net *net = fault_net_new(fake_net_new(), 1, &none);
  assert_int_equal(transfer(net), 0);
  net_free(net);
}

static void hard_faults_are_failures_of_the_kernel(void **state) {
  struct fault_rates rates = {.reset = 500, .refused = 500, .no_name = 500};
  struct net *net = fault_net_new(fake_net_new(), 1, &rates);
  unsigned failures = 0;
  for (int i = 0; i < 200; i++) {
    net_h h = net_socket(net, AF_INET, SOCK_STREAM, 0);
    failures += h < 0;
    assert_int_not_equal(h, -EINTR);
    if (h >= 0) net_close(net, h);
  }
  assert_true(failures > 50 && failures < 150);
  assert_int_equal(net->open, 0);
  net_free(net);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(soft_faults_lose_no_byte),
      cmocka_unit_test(the_same_seed_gives_the_same_faults),
      cmocka_unit_test(a_needless_again_brings_its_event),
      cmocka_unit_test(a_promised_event_goes_with_its_handle),
      cmocka_unit_test(rates_of_zero_change_nothing),
      cmocka_unit_test(hard_faults_are_failures_of_the_kernel),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
