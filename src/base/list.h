/* A doubly linked ring of nodes embedded in their owners. It allocates nothing; a node is
 * in one list at most, and a node that is in none points at itself. */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
  struct list *prev, *next;
};

/* The struct of type `type` whose member `member` is the list node `node`. */
#define list_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *l) {
  l->prev = l->next = l;
}

static inline bool list_empty(const struct list *l) {
  return l->next == l;
}

/* Appends `node`, which must be in no list. */
static inline void list_append(struct list *l, struct list *node) {
  node->prev = l->prev;
  node->next = l;
  l->prev->next = node;
  l->prev = node;
}

/* Takes `node` out of whatever list it is in; harmless when it is in none. */
static inline void list_remove(struct list *node) {
  node->prev->next = node->next;
  node->next->prev = node->prev;
  list_init(node);
}

/* Takes the first node out, or gives NULL. */
static inline struct list *list_shift(struct list *l) {
  if (list_empty(l)) return NULL;
  struct list *node = l->next;
  list_remove(node);
  return node;
}

#endif
