/* A cache of small files as ready answers. */
#include "net/hot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_date.h"

static const int64_t LOOK_NS =
    1000000000; /* entries are compared with their file so often */

/* FNV-1a. Only targets of files that exist are kept, so nobody can fill a bucket. */
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
  if (--entry->holds == 0) free(entry);
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
  list_init(&hot->used);
  *status = watch_open(&hot->watch, loop, changed);
  if (*status == 0) return hot;
  free(hot);
  return NULL;
}

void hot_free(struct hot *hot) {
  if (!hot) return;
  drop_all(hot);
  watch_close(&hot->watch);
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

struct hot_entry *hot_find(struct hot *hot, const char *key, size_t len) {
  struct hot_entry *entry = look(hot, key, len, hash_of(key, len));
  if (!entry) return NULL;
  if (!is_fresh(hot, entry)) {
    drop(hot, entry);
    return NULL;
  }
  list_remove(&entry->link);
  list_append(&hot->used, &entry->link);
  return entry;
}

/* --- making ----------------------------------------------------------------------------- */

/* One block: the struct, the answer, the key, the path. */
static struct hot_entry *allocate(const struct hot_source *s, size_t body_len) {
  size_t len = s->head_len + body_len, path_len = strlen(s->path) + 1;
  struct hot_entry *e = malloc(sizeof *e + len + s->key_len + path_len);
  if (!e) return NULL;
  *e = (struct hot_entry){
      .hash = hash_of(s->key, s->key_len),
      .holds = 1,
      .root = s->root,
      .bytes = (char *)(e + 1),
      .len = len,
      .key = (char *)(e + 1) + len,
      .key_len = s->key_len,
      .path = (char *)(e + 1) + len + s->key_len,
      .date = s->date,
  };
  list_init(&e->link);
  memcpy(e->bytes, s->head, s->head_len);
  memcpy(e->key, s->key, s->key_len);
  memcpy(e->path, s->path, path_len);
  return e;
}

static int read_body(const struct hot_source *s, char *out, size_t n) {
  for (size_t got = 0; got < n;) {
    ssize_t r = file_read(s->fd, out + got, n - got, (int64_t)got);
    if (r <= 0) return r < 0 ? (int)r : -ESTALE;
    got += (size_t)r;
  }
  return 0;
}

/* The open file has to be what stands at the path, with no link on the way, before and
 * after it is read. */
static int check_same(const struct hot_source *s, struct file_id *id) {
  struct file_id there;
  int r = file_identify(s->fd, id);
  if (r == 0) r = file_look(s->root, s->path, &there);
  if (r == 0 && !file_same(id, &there)) r = -ESTALE;
  return r;
}

static int fill(const struct hot_source *s, struct hot_entry **out) {
  struct file_id before, after;
  int r = check_same(s, &before);
  if (r < 0) return r;
  if (before.size > HOT_FILE_BYTES) return -EFBIG;
  struct hot_entry *e = allocate(s, (size_t)before.size);
  if (!e) return -ENOMEM;
  r = read_body(s, e->bytes + s->head_len, (size_t)before.size);
  if (r == 0) r = check_same(s, &after);
  if (r == 0 && !file_same(&before, &after)) r = -ESTALE;
  if (r < 0) {
    free(e);
    return r;
  }
  e->id = before;
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
  int r =
      watch_file(&hot->watch, source->root, source->path); /* before it is looked at */
  if (r == 0) r = fill(source, &entry);
  if (r < 0) return r;
  entry->looked_ns = hot->loop->turn_ns;
  insert(hot, entry);
  return 0;
}

void hot_date(struct hot_entry *entry, time_t now) {
  char date[HTTP_DATE_LEN + 1];
  if (!entry->date || entry->date_at == now || entry->holds > 1) return;
  http_date_format(now, date);
  memcpy(entry->bytes + entry->date, date, HTTP_DATE_LEN);
  entry->date_at = now;
}
