/* A cache of small files as ready answers. */
#include "net/hot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_date.h"

/* Entries are compared with their file so often. */
static const int64_t LOOK_NS = 1000000000;

/* FNV-1a. A file is kept under one spelling of its name, so no client can fill a bucket. */
static uint64_t hash_of(const char *key, size_t len) {
  uint64_t hash = 14695981039346656037u;
  for (size_t i = 0; i < len; i++) hash = (hash ^ (uint8_t)key[i]) * 1099511628211u;
  return hash;
}

static struct hot_entry **bucket_of(struct hot *hot, uint64_t hash) {
  return &hot->buckets[hash % HOT_BUCKETS];
}

/* --- entries ---------------------------------------------------------------------------- */

void hot_hold(struct hot_entry *entry) {
  entry->holds++;
}

void hot_release(struct hot_entry *entry) {
  if (--entry->holds > 0) return;
  lent_close(&entry->lent);
  free(entry);
}

static void drop(struct hot *hot, struct hot_entry *entry) {
  struct hot_entry **at = bucket_of(hot, entry->hash);
  while (*at != entry) at = &(*at)->next;
  *at = entry->next;
  list_remove(&entry->link);
  hot->count--;
  hot->bytes -= entry->len;
  hot_release(entry);
}

static void drop_all(struct hot *hot) {
  while (!list_empty(&hot->used))
    drop(hot, list_entry(hot->used.next, struct hot_entry, link));
}

/* Whether `path` is the entry's file, a folder above it, or the file with something behind
 * its name, such as ".gz", which is then to be looked at anew. */
static bool concerns(const struct hot_entry *entry, const char *path) {
  size_t len = strlen(path), own = strlen(entry->path);
  if (len == 0) return true;
  if (len > own) return memcmp(path, entry->path, own) == 0 && path[own] == '.';
  return memcmp(path, entry->path, len) == 0 && (own == len || entry->path[len] == '/');
}

static void changed(struct watch *watch, int root, const char *path) {
  struct hot *hot = list_entry(watch, struct hot, watch);
  for (struct list *i = hot->used.next, *next; i != &hot->used; i = next) {
    struct hot_entry *entry = list_entry(i, struct hot_entry, link);
    next = i->next;
    if (root < 0 || (entry->root == root && concerns(entry, path))) drop(hot, entry);
  }
}

/* --- the cache -------------------------------------------------------------------------- */

struct hot *hot_new(struct loop *loop, int *status) {
  struct hot *hot = calloc(1, sizeof *hot);
  *status = -ENOMEM;
  if (!hot) return NULL;
  hot->loop = loop;
  hot->turn_ns = -1;
  list_init(&hot->used);
  *status = watch_open(&hot->watch, changed);
  if (*status == 0) return hot;
  free(hot);
  return NULL;
}

void hot_free(struct hot *hot) {
  if (!hot) return;
  drop_all(hot);
  watch_close(&hot->watch);
  lender_close(&hot->lender);
  free(hot);
}

static bool is_fresh(struct hot *hot, struct hot_entry *entry) {
  struct file_id id;
  int64_t now = hot->loop->turn_ns;
  if (now - entry->looked_ns < LOOK_NS) return true;
  if (file_look(entry->root, entry->path, &id) < 0 || !file_same(&id, &entry->id))
    return false;
  entry->looked_ns = now;
  return true;
}

static struct hot_entry *look(struct hot *hot, const char *key, size_t len,
                              uint64_t hash) {
  for (struct hot_entry *e = *bucket_of(hot, hash); e; e = e->next)
    if (e->hash == hash && e->key_len == len && memcmp(e->key, key, len) == 0) return e;
  return NULL;
}

/* What has changed before the last bytes came from peers. */
static void take_changes(struct hot *hot) {
  uint64_t intake = hot->loop->net->intake;
  if (hot->intake != intake) watch_take(&hot->watch);
  hot->intake = intake;
}

static void set_date(struct hot *hot, struct hot_entry *entry) {
  char date[HTTP_DATE_LEN + 1];
  if (hot->turn_ns != hot->loop->turn_ns) {
    hot->turn_ns = hot->loop->turn_ns;
    hot->now = time(NULL);
  }
  if (entry->date_at == hot->now || entry->holds > 1) return;
  if (entry->date && entry->lent.map && lent_renew(&entry->lent) < 0) return;
  http_date_format(hot->now, date);
  if (entry->date) memcpy(entry->bytes + entry->date, date, HTTP_DATE_LEN);
  entry->date_at = hot->now;
}

struct hot_entry *hot_find(struct hot *hot, const char *key, size_t len) {
  if (hot_is_idle(hot)) return NULL;
  take_changes(hot);
  struct hot_entry *entry = look(hot, key, len, hash_of(key, len));
  if (!entry) return NULL;
  if (!is_fresh(hot, entry)) {
    drop(hot, entry);
    return NULL;
  }
  set_date(hot, entry);
  list_remove(&entry->link);
  list_append(&hot->used, &entry->link);
  return entry;
}

/* --- sending ---------------------------------------------------------------------------- */

/* Small answers are queued and leave together at the end of the turn; copying a larger one
 * into the queue costs more than its own system call. A reader that does not take all of an
 * answer at once gets the rest by copies: each time its pages would be lent once more. Who
 * observes the net is shown bytes, which are copied too. */
ssize_t hot_send(struct hot *hot, const struct hot_entry *entry, size_t at,
                 struct stream *st, struct net *net, net_h h) {
  enum { QUEUED_BYTES = 4096 };
  const char *bytes = entry->bytes + at;
  size_t left = entry->len - at;
  if (hot && entry->lent.map && at == 0 && !net->observer) {
    ssize_t r = lender_send(&hot->lender, st, net, h, bytes, left);
    if (r != -EINVAL) return r;
  }
  if (entry->len > QUEUED_BYTES) return stream_send_now(st, net, h, bytes, left);
  return stream_send(st, net, h, bytes, left);
}

/* --- making ----------------------------------------------------------------------------- */

/* One block: the struct, the key, the path, and the answer when it is small. */
static struct hot_entry *allocate(const struct hot_source *s) {
  size_t len = s->head_len + s->body_len, path_len = strlen(s->path) + 1;
  size_t inside = len < HOT_LENT_BYTES ? len : 0;
  struct hot_entry *e = malloc(sizeof *e + inside + s->key_len + path_len);
  if (!e) return NULL;
  *e = (struct hot_entry){
      .hash = hash_of(s->key, s->key_len),
      .holds = 1,
      .root = s->root,
      .bytes = (char *)(e + 1),
      .len = len,
      .body_len = s->body_len,
      .key = (char *)(e + 1) + inside,
      .key_len = s->key_len,
      .path = (char *)(e + 1) + inside + s->key_len,
      .date = s->date,
  };
  list_init(&e->link);
  if (!inside && lent_open(&e->lent, s->head_len, s->body_len) < 0) {
    free(e);
    return NULL;
  }
  if (!inside) e->bytes = e->lent.bytes;
  memcpy(e->bytes, s->head, s->head_len);
  memcpy(e->key, s->key, s->key_len);
  memcpy(e->path, s->path, path_len);
  return e;
}

static int read_body(const struct hot_source *s, char *out) {
  for (size_t got = 0; got < s->body_len;) {
    ssize_t r = file_read(s->fd, out + got, s->body_len - got, (int64_t)got);
    if (r <= 0) return r < 0 ? (int)r : -ESTALE;
    got += (size_t)r;
  }
  return 0;
}

/* The open file has to be what stands at the path, with no link on the way. */
static int check_same(const struct hot_source *s, struct file_id *id) {
  struct file_id there;
  int r = file_identify(s->fd, id);
  if (r == 0) r = file_look(s->root, s->path, &there);
  if (r == 0 && !file_same(id, &there)) r = -ESTALE;
  if (r == 0 && (uint64_t)id->size != s->body_len) r = -ESTALE;
  return r;
}

static int make(const struct hot_source *s, struct hot_entry **out) {
  struct file_id id;
  if (s->body_len > HOT_FILE_BYTES) return -EFBIG;
  int r = check_same(s, &id);
  if (r < 0) return r;
  struct hot_entry *e = allocate(s);
  if (!e) return -ENOMEM;
  r = read_body(s, e->bytes + s->head_len);
  if (r < 0) {
    hot_release(e);
    return r;
  }
  e->id = id;
  *out = e;
  return 0;
}

static void insert(struct hot *hot, struct hot_entry *entry) {
  struct hot_entry *old = look(hot, entry->key, entry->key_len, entry->hash);
  if (old) drop(hot, old);
  while (hot->count >= HOT_ENTRIES || hot->bytes + entry->len > HOT_BYTES)
    drop(hot, list_entry(hot->used.next, struct hot_entry, link));
  struct hot_entry **bucket = bucket_of(hot, entry->hash);
  entry->next = *bucket;
  *bucket = entry;
  list_append(&hot->used, &entry->link);
  hot->count++;
  hot->bytes += entry->len;
}

int hot_put(struct hot *hot, const struct hot_source *source) {
  struct hot_entry *entry = NULL;
  int r = watch_file(&hot->watch, source->root, source->path);
  if (r > 0) r = -EAGAIN; /* what has changed since the caller looked was not told */
  if (r == 0) r = make(source, &entry);
  if (r < 0) return r;
  entry->looked_ns = hot->loop->turn_ns;
  insert(hot, entry);
  hot->intake--; /* what has changed meanwhile has to be told before it is found */
  return 0;
}
