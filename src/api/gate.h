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

/* Frees the gate and readies all that queue, and who keeps it: its socket is closed. */
void gate_break(struct gate *g);

/* A gate that stays held while its operation calls a function of the script, which may
 * enter other gates. Whoever embeds it keeps the gate's socket alive. */
struct gate_keep {
  struct list link;  /* in the `kept` of its task's side while the function runs */
  struct gate *gate; /* borrowed */
  struct task *task; /* borrowed while it is in that list */
};

void gate_keep_init(struct gate_keep *k, struct gate *g);

/* Keeps the gate, which must be open, for the running task. 0 or -ENOMEM. */
int gate_keep(struct gate_keep *k, struct sched *s);

/* The function has ended: the gate is the running task's again, unless it was lost. */
void gate_take_back(struct gate_keep *k, struct sched *s);

/* Hands on a gate that is kept; harmless when none is. */
void gate_let_go(struct gate_keep *k);

#endif
