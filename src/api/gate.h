/* Gates: a place that one task at a time may hold; the others queue, first come, first
 * served. One lies in each direction of a socket. A gate never waits by itself: task_queue
 * does, and whoever leaves the gate hands it on. */
#ifndef API_GATE_H
#define API_GATE_H

#include <stdbool.h>

#include "base/list.h"

struct sched;
struct task;

struct gate {
  struct task *holder; /* borrowed; NULL: free */
  struct list queue;   /* of task.queued */
};

void gate_init(struct gate *g);

/* The running task, if there is one, takes an open gate, for as long as it waits inside an operation. */
void gate_enter(struct gate *g, struct sched *s);

/* Hands the gate that `t` holds to the first in the queue. */
void gate_hand_on(struct task *t);

/* Frees the gate and readies all that queue: its socket is closed. */
void gate_break(struct gate *g);

#endif
