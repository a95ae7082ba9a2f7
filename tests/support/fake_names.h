/* The names that the net in memory knows, and how long it takes to answer. */
#ifndef SUPPORT_FAKE_NAMES_H
#define SUPPORT_FAKE_NAMES_H

#include "net/net.h"

/* How long the answer takes. */
int64_t fake_answer_ns(const struct net_lookup *q);

/* The answer: 0, or the resolver's status. */
int fake_answer(struct net_lookup *q);

#endif
