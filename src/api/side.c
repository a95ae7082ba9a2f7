/* What only some tasks have: joiners, a set, a traceback, a cancellation. */
#include <stdlib.h>

#include "api/task.h"

struct task_side *task_side(struct task *t) {
  if (t->side) return t->side;
  t->side = calloc(1, sizeof *t->side);
  if (!t->side) return NULL;
  t->side->task = t;
  list_append(&t->sched->sides, &t->side->all);
  list_init(&t->side->joiners);
  list_init(&t->side->member);
  list_init(&t->side->kept);
  return t->side;
}

static void side_free(struct task_side *side) {
  list_remove(&side->all);
  free(side->trace);
  free(side);
}

void task_fini(struct task *t) {
  list_remove(&t->all);
  if (!t->side) return;
  while (list_shift(&t->side->joiners)) {}
  list_remove(&t->side->member);
  side_free(t->side);
  t->side = NULL;
}

void task_sides_fini(struct sched *s) {
  while (!list_empty(&s->sides))
    side_free(list_entry(s->sides.next, struct task_side, all));
}
