/* Gates. */
#include "api/gate.h"

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

void gate_hand_on(struct task *t) {
  struct gate *g = t->gate;
  t->gate = NULL;
  g->holder = NULL;
  struct list *node = list_shift(&g->queue);
  if (!node) return;
  struct task *next = list_entry(node, struct task, queued);
  g->holder = next; /* at once, so that nobody comes in between */
  next->gate = g;
  loop_ready(&next->sched->loop, &next->waiter);
}

void gate_break(struct gate *g) {
  if (g->holder) g->holder->gate = NULL;
  g->holder = NULL;
  struct list *node;
  while ((node = list_shift(&g->queue))) {
    struct task *t = list_entry(node, struct task, queued);
    loop_ready(&t->sched->loop, &t->waiter);
  }
}
