/* What the tests of parsers share: their inputs lie at the very edge of readable memory
 * (guard.h), their random bytes come from the run's seed. */
#ifndef SUPPORT_EDGE_H
#define SUPPORT_EDGE_H

#include <stddef.h>

#include "base/rng.h"
#include "proto/slice.h"

extern struct rng edge_rng;

/* The set-up and the tear-down of a group. */
int edge_set_up(void **state);
int edge_tear_down(void **state);

/* A copy, at most 4 KiB, of which the byte after the last may not be touched. Borrowed until
 * the next copy. */
const char *edge_bytes(const void *bytes, size_t n);
const char *edge(const char *text);

/* Fails the test unless the slice of `text` is `want`. */
void edge_assert_slice(const char *text, struct slice s, const char *want);

#endif
