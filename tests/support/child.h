/* A runtime for one test of the Lua API, as luatest and the campaign run them: the harness
 * can be required, and the module `testing` tells it of the process. */
#ifndef SUPPORT_CHILD_H
#define SUPPORT_CHILD_H

#include <stdint.h>

#include "api/runtime.h"

enum { CHILD_LEFT_OVER = 90 }; /* exit status of a test that left something behind */

/* The net of a test: "epoll", "fake", "soft" and "hard": epoll with faults, or "full": the
 * fake, where no accept finds a descriptor. */
struct net *child_net(const char *kind, uint64_t seed);

/* Takes `net`. Fails by abort. */
struct runtime *child_runtime(struct net *net);

/* Called when the test proper begins, if it is set: before that lies what every test does. */
extern void (*child_begins)(struct runtime *);

/* Loads `file` and runs its test number `test`; with 0 only registers its tests. */
int child_run(struct runtime *rt, const char *file, int test, uint64_t seed);

/* After the run: `status`, or CHILD_LEFT_OVER with words on stderr. */
int child_leftovers(struct runtime *rt, int status);

#endif
