/* Queued sends. */
#include "net/outq.h"

#include <errno.h>
#include <stdlib.h>

#include "base/copy.h"
#include "base/table.h"

void outq_init(struct outq *q, struct net *net,
               ssize_t (*write)(struct net *, net_h, const void *, size_t)) {
  *q = (struct outq){.net = net, .write = write, .failed = -1};
}

static void free_rest(struct outq *q, struct outq_slot *slot) {
  if (!slot->rest) return;
  buf_fini(slot->rest);
  free(slot->rest);
  slot->rest = NULL;
  q->rests--;
}

void outq_fini(struct outq *q) {
  for (size_t h = 0; h < q->slot_count; h++) free_rest(q, &q->slots[h]);
  table_free(q->slots, q->slot_count, sizeof *q->slots);
  free(q->entries);
  free(q->arena);
  *q = (struct outq){0};
}

/* --- tables --------------------------------------------------------------------------- */

static int grow_slots(struct outq *q, net_h h) {
  if ((size_t)h < q->slot_count) return 0;
  void *slots = table_reach(q->slots, &q->slot_count, sizeof *q->slots, (size_t)h);
  if (!slots) return -ENOMEM;
  q->slots = slots;
  return 0;
}

static int grow_entries(struct outq *q) {
  if (q->count < q->cap) return 0;
  size_t cap = q->cap ? q->cap * 2 : 64;
  struct outq_entry *entries = realloc(q->entries, cap * sizeof *entries);
  if (!entries) return -ENOMEM;
  q->entries = entries;
  q->cap = cap;
  return 0;
}

/* The slot of a handle that has ever sent, or NULL. */
static struct outq_slot *slot_of(const struct outq *q, net_h h) {
  return h >= 0 && (size_t)h < q->slot_count ? &q->slots[h] : NULL;
}

/* --- the remainder -------------------------------------------------------------------- */

static size_t held(const struct outq_slot *slot) {
  return slot->rest ? buf_len(slot->rest) : 0;
}

/* Notes that queued bytes have met an error. */
static void fail(struct outq *q, struct outq_slot *slot, int error) {
  slot->error = error;
  if (slot->chained) return;
  slot->chained = true;
  slot->next = q->failed;
  q->failed = (net_h)(slot - q->slots);
}

int outq_failed(struct outq *q, struct net_event *events, int max) {
  int count = 0;
  for (; count < max && q->failed >= 0; count++) {
    struct outq_slot *slot = &q->slots[q->failed];
    events[count] = (struct net_event){q->failed, NET_RD | NET_WR};
    slot->chained = false;
    q->failed = slot->next;
  }
  return count;
}

/* Keeps bytes that the kernel did not take. 0 or -ENOMEM. */
static int keep(struct outq *q, struct outq_slot *slot, const char *bytes, size_t n) {
  if (!slot->rest) {
    slot->rest = malloc(sizeof *slot->rest);
    if (!slot->rest) return -ENOMEM;
    buf_init(slot->rest);
    q->rests++;
  }
  return buf_append(slot->rest, bytes, n);
}

/* Appends to a remainder that is there already, as far as there is room. */
static ssize_t extend(struct outq *q, struct outq_slot *slot, const char *bytes,
                      size_t n) {
  size_t used = held(slot);
  if (used >= OUTQ_REST_BYTES) return -EAGAIN;
  if (n > OUTQ_REST_BYTES - used) n = OUTQ_REST_BYTES - used;
  int r = keep(q, slot, bytes, n);
  return r < 0 ? r : (ssize_t)n;
}

bool outq_resume(struct outq *q, net_h h) {
  struct outq_slot *slot = slot_of(q, h);
  if (!slot || !slot->rest) return false;
  while (held(slot) > 0) {
    ssize_t r = q->write(q->net, h, buf_bytes(slot->rest), held(slot));
    if (r == -EAGAIN) return true;
    if (r < 0) {
      fail(q, slot, (int)r);
      break;
    }
    buf_consume(slot->rest, (size_t)r);
  }
  free_rest(q, slot);
  return false;
}

/* --- entries -------------------------------------------------------------------------- */

/* Hands one entry to the kernel; what it does not take becomes the remainder. */
static void leave(struct outq *q, struct outq_entry *entry) {
  struct outq_slot *slot = &q->slots[entry->h];
  const char *bytes = q->arena + entry->begin;
  size_t n = entry->len;
  slot->entry = 0;
  net_h h = entry->h;
  entry->h = -1;
  while (n > 0) { /* until -EAGAIN, which arms the wake; a short send does not */
    ssize_t r = q->write(q->net, h, bytes, n);
    if (r == -EAGAIN) r = keep(q, slot, bytes, n) < 0 ? -ENOMEM : (ssize_t)n;
    if (r < 0) {
      fail(q, slot, (int)r);
      return;
    }
    bytes += r;
    n -= (size_t)r;
  }
}

void outq_flush_all(struct outq *q) {
  for (size_t i = 0; i < q->count; i++)
    if (q->entries[i].h >= 0) leave(q, &q->entries[i]);
  q->count = 0;
  q->used = 0;
}

void outq_send_all(struct outq *q, void *to,
                   void (*send)(void *to, net_h, uint32_t number, const void *, size_t)) {
  for (size_t i = 0; i < q->count; i++) {
    const struct outq_entry *entry = &q->entries[i];
    if (entry->h < 0) continue;
    q->slots[entry->h].entry = 0;
    send(to, entry->h, (uint32_t)i, q->arena + entry->begin, entry->len);
  }
}

void outq_sent(struct outq *q, uint32_t number, ssize_t result) {
  struct outq_entry *entry = &q->entries[number];
  size_t taken = result > 0 ? (size_t)result : 0;
  if (result == -EAGAIN) result = 0;
  if (result < 0) {
    fail(q, &q->slots[entry->h], (int)result);
    return;
  }
  entry->begin += (uint32_t)taken;
  entry->len -= (uint32_t)taken;
  if (entry->len > 0) leave(q, entry); /* which arms the wake */
}

void outq_emptied(struct outq *q) {
  q->count = 0;
  q->used = 0;
}

static void flush_entry(struct outq *q, struct outq_slot *slot) {
  if (slot->entry) leave(q, &q->entries[slot->entry - 1]);
}

/* True when `n` more bytes can join the handle's entry: it is the last in the arena, and
 * as a remainder it would not be too large. */
static bool can_join(const struct outq *q, const struct outq_slot *slot, size_t n) {
  if (slot->entry != q->count || q->used + n > OUTQ_ARENA_BYTES) return false;
  return q->entries[slot->entry - 1].len + n <= OUTQ_REST_BYTES;
}

static int begin_entry(struct outq *q, struct outq_slot *slot, net_h h) {
  if (!q->arena) q->arena = malloc(OUTQ_ARENA_BYTES);
  if (!q->arena) return -ENOMEM;
  int r = grow_entries(q);
  if (r < 0) return r;
  q->entries[q->count++] = (struct outq_entry){h, (uint32_t)q->used, 0};
  slot->entry = (uint32_t)q->count;
  return 0;
}

static ssize_t append(struct outq *q, struct outq_slot *slot, net_h h, const char *bytes,
                      size_t n) {
  if (slot->entry && !can_join(q, slot, n)) flush_entry(q, slot);
  if (slot->error) return outq_error(q, h);
  if (held(slot) > 0) return extend(q, slot, bytes, n);
  if (q->used + n > OUTQ_ARENA_BYTES) outq_flush_all(q);
  if (!slot->entry) {
    int r = begin_entry(q, slot, h);
    if (r < 0) return r;
  }
  copy_bytes(q->arena + q->used, bytes, n);
  q->used += n;
  q->entries[slot->entry - 1].len += (uint32_t)n;
  return (ssize_t)n;
}

/* --- operations ----------------------------------------------------------------------- */

int outq_error(struct outq *q, net_h h) {
  struct outq_slot *slot = slot_of(q, h);
  if (!slot || !slot->error) return 0;
  int error = slot->error;
  slot->error = -EPIPE; /* told once; afterwards this direction is just broken */
  return error;
}

ssize_t outq_send(struct outq *q, net_h h, const void *bytes, size_t n) {
  int r = grow_slots(q, h);
  if (r < 0) return r;
  struct outq_slot *slot = &q->slots[h];
  if (slot->error) return outq_error(q, h);
  if (held(slot) > 0) return extend(q, slot, bytes, n);
  if (n <= OUTQ_SMALL_BYTES) return append(q, slot, h, bytes, n);
  flush_entry(q, slot);
  if (slot->error) return outq_error(q, h);
  if (held(slot) > 0) return extend(q, slot, bytes, n);
  return q->write(q->net, h, bytes, n);
}

int outq_flush(struct outq *q, net_h h) {
  struct outq_slot *slot = slot_of(q, h);
  if (!slot) return 0;
  flush_entry(q, slot);
  bool left = outq_resume(q, h);
  if (slot->error) return outq_error(q, h);
  return left ? -EAGAIN : 0;
}

bool outq_holds(const struct outq *q, net_h h) {
  struct outq_slot *slot = slot_of(q, h);
  return slot && (slot->entry || held(slot) > 0);
}

void outq_drop(struct outq *q, net_h h) {
  struct outq_slot *slot = slot_of(q, h);
  if (!slot) return;
  if (slot->entry) q->entries[slot->entry - 1].h = -1;
  free_rest(q, slot);
  *slot = (struct outq_slot){.next = slot->next, .chained = slot->chained};
}
