/* Tests of what both host backends promise: each test has a net of one of them and a connected
 * pair of streams, and leaves no handle open and no buffer of the ring taken. */
#ifndef SUPPORT_BACKENDS_H
#define SUPPORT_BACKENDS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/host_uring.h"
#include "support/peers.h"

extern struct net *net;
extern net_h a, b; /* connected; -1 once the test has closed it */
extern char bytes[64 * 1024];

bool on_ring(void);

/* Before anybody waits: the ring, where there is one, has so many places, powers of two. */
void small_ring(unsigned entries, unsigned completions, unsigned buffers);

/* What is there now, without sleeping. */
int poll_now(struct net_event *events, int max);

/* Takes in all that has come; who is told does not matter. */
void take_in(void);

/* The peer's own send, past the queue. */
void put(net_h to, const void *data, size_t n);

/* A receive that finds nothing. */
void wait_on(net_h h);

int backends_set_up(void **state);
int backends_tear_down(void **state);

#define BACKENDS_TEST(name) \
  cmocka_unit_test_setup_teardown(name, backends_set_up, backends_tear_down)

/* Runs the tests on epoll and, where the kernel has it for us, on io_uring; returns the number
 * of failed ones. */
#define BACKENDS_RUN(tests) \
  ((backends_use("epoll") ? cmocka_run_group_tests_name("epoll", tests, NULL, NULL) \
                          : 0) + \
   (backends_use("uring") ? cmocka_run_group_tests_name("io_uring", tests, NULL, NULL) \
                          : 0))

bool backends_use(const char *name);

#endif
