/* A binary min-heap of nodes embedded in their owners, ordered by key and, between equal
 * keys, by the order of insertion. A node knows its place, so removal is O(log n). */
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
  int64_t key;
  uint32_t seq;   /* set by heap_insert: first in, first out between equal keys */
  uint32_t place; /* 1-based place in the array; 0: in no heap */
};

struct heap {
  struct heap_node **nodes; /* owned array of borrowed nodes */
  size_t count, cap;
  uint32_t seq; /* may wrap: what counts is the distance, and no two nodes of one key lie
                   2^31 insertions apart */
};

void heap_init(struct heap *h);

/* Frees the array; the nodes are their owners'. */
void heap_fini(struct heap *h);

/* Puts `node` in with `key`. 0, or -ENOMEM with the heap as it was. The node must be in
 * no heap. */
int heap_insert(struct heap *h, struct heap_node *node, int64_t key);

/* Takes `node` out; harmless when it is in none. */
void heap_remove(struct heap *h, struct heap_node *node);

/* The node with the smallest key, or NULL. It stays in. */
struct heap_node *heap_first(const struct heap *h);

static inline bool heap_holds(const struct heap_node *node) {
  return node->place != 0;
}

#endif
