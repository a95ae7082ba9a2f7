/* Gates. */
#include "api/gate.h"

#include <errno.h>

#include "api/task.h"

void gate_init(struct gate *g) {
  g->holder = NULL;
  list_init(&g->queue);
}

void gate_enter(struct gate *g, struct sched *s) {
  if (!s->current) return; /* a finalizer after the end: it cannot wait either */
  if (s->current->gate != g) gate_leave(s->current); /* one that an error left behind */
  g->holder = s->current;
  s->current->gate = g;
}

/* Gives the gate to the first in its queue. */
static void pass_on(struct gate *g) {
  g->holder = NULL;
  struct list *node = list_shift(&g->queue);
  if (!node) return;
  struct task *next = list_entry(node, struct task, queued);
  g->holder = next; /* at once, so that nobody comes in between */
  next->gate = g;
  loop_ready(&next->sched->loop, &next->waiter);
}

void gate_hand_on(struct task *t) {
  struct gate *g = t->gate;
  t->gate = NULL;
  pass_on(g);
}

void gate_break(struct gate *g) {
  struct task *t = g->holder;
  if (t && t->gate == g)
    t->gate = NULL;
  else if (t && t->parked) /* who keeps it may wait for something else */
    loop_ready(&t->sched->loop, &t->waiter);
  g->holder = NULL;
  struct list *node;
  while ((node = list_shift(&g->queue))) {
    t = list_entry(node, struct task, queued);
    loop_ready(&t->sched->loop, &t->waiter);
  }
}

/* --- gates that are kept ---------------------------------------------------------------- */

void gate_keep_init(struct gate_keep *k, struct gate *g) {
  *k = (struct gate_keep){.gate = g};
  list_init(&k->link);
}

int gate_keep(struct gate_keep *k, struct sched *s) {
  struct task *t = s->current;
  if (!t) return 0;
  struct task_side *side = task_side(t);
  if (!side) return -ENOMEM;
  gate_enter(k->gate, s);
  t->gate = NULL;
  k->task = t;
  list_append(&side->kept, &k->link);
  return 0;
}

void gate_take_back(struct gate_keep *k, struct sched *s) {
  if (list_empty(&k->link)) return;
  if (s->current) gate_leave(s->current); /* one that the function left behind */
  list_remove(&k->link);
  if (k->gate->holder != k->task) return;
  k->gate->holder = s->current;
  if (s->current) s->current->gate = k->gate;
}

void gate_let_go(struct gate_keep *k) {
  if (list_empty(&k->link)) return;
  list_remove(&k->link);
  if (k->gate->holder == k->task) pass_on(k->gate);
}
