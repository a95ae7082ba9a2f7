/* What is promised of every net is tested with three: the one in memory, the host's, and the
 * host's under faults that a program has to live with. */
#ifndef SUPPORT_NETS_H
#define SUPPORT_NETS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/net.h"

struct CMUnitTest;

enum nets_kind { NETS_FAKE, NETS_HOST, NETS_FAULTY };

/* With which one the present tests run. */
extern enum nets_kind nets_kind;

/* True when the host's net, as SOQUETE_BACKEND chooses it, receives through io_uring. */
bool nets_have_ring(void);

/* A new net of that kind; never NULL. */
struct net *nets_new(void);

/* A test's set-up, with a new net as its state, and its tear-down: handles that are left open
 * fail the test. */
int nets_set_up(void **state);
int nets_tear_down(void **state);

/* A test with these two. */
#define NETS_TEST(name) cmocka_unit_test_setup_teardown(name, nets_set_up, nets_tear_down)

/* A group's set-up: with one of the nets. */
int nets_use_fake(void **state);
int nets_use_host(void **state);
int nets_use_faulty(void **state);

/* Runs the tests with each net. How many have failed. */
int nets_run(const struct CMUnitTest *tests, size_t count);

#endif
