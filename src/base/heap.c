/* The min-heap. Places count from 1, so that 0 says "in no heap" and the parent of place
 * i is i / 2; nodes[0] stays unused. */
#include "base/heap.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { CAP_MIN = 16 };

static bool before(const struct heap_node *a, const struct heap_node *b) {
  return a->key != b->key ? a->key < b->key : (int32_t)(a->seq - b->seq) < 0;
}

static void put(struct heap *h, struct heap_node *node, size_t place) {
  h->nodes[place] = node;
  node->place = (uint32_t)place;
}

/* Puts `node` at the free place `place` or above it. */
static void sift_up(struct heap *h, struct heap_node *node, size_t place) {
  while (place > 1 && before(node, h->nodes[place / 2])) {
    put(h, h->nodes[place / 2], place);
    place /= 2;
  }
  put(h, node, place);
}

/* Puts `node` at the free place `place` or below it. */
static void sift_down(struct heap *h, struct heap_node *node, size_t place) {
  for (size_t child; (child = place * 2) <= h->count; place = child) {
    if (child < h->count && before(h->nodes[child + 1], h->nodes[child])) child++;
    if (!before(h->nodes[child], node)) break;
    put(h, h->nodes[child], place);
  }
  put(h, node, place);
}

void heap_init(struct heap *h) {
  *h = (struct heap){0};
}

void heap_fini(struct heap *h) {
  free(h->nodes);
  heap_init(h);
}

static int grow(struct heap *h) {
  size_t cap = h->cap ? h->cap * 2 : CAP_MIN;
  struct heap_node **nodes = reallocarray(h->nodes, cap, sizeof(*nodes));
  if (!nodes) return -ENOMEM;
  h->nodes = nodes;
  h->cap = cap;
  return 0;
}

int heap_insert(struct heap *h, struct heap_node *node, int64_t key) {
  assert(node->place == 0);
  if (h->count + 1 >= h->cap) {
    int r = grow(h);
    if (r < 0) return r;
  }
  node->key = key;
  node->seq = h->seq++;
  h->count++;
  sift_up(h, node, h->count);
  return 0;
}

void heap_remove(struct heap *h, struct heap_node *node) {
  size_t place = node->place;
  if (place == 0) return;
  assert(place <= h->count && h->nodes[place] == node);
  struct heap_node *last = h->nodes[h->count--];
  node->place = 0;
  if (last == node) return;
  /* The last node fills the gap; it may belong above it as well as below. */
  if (place > 1 && before(last, h->nodes[place / 2])) {
    sift_up(h, last, place);
  } else {
    sift_down(h, last, place);
  }
}

struct heap_node *heap_first(const struct heap *h) {
  return h->count ? h->nodes[1] : NULL;
}
