/* A cache of small files as ready answers: a text (the target of a request) leads to bytes
 * that only have to be sent. The least recently used goes when there is no more room.
 *
 * An answer is right as long as its file is what it was. Folders are watched (watch.h), and
 * the watch is asked between the arrival of a request and its answer: once a turn for all
 * the requests that a poll has brought. An entry that was not looked at for a second is
 * compared with the file again, for what a watch is not told. Files behind links are not
 * kept. */
#ifndef NET_HOT_H
#define NET_HOT_H

#include <time.h>

#include "base/list.h"
#include "net/file.h"
#include "net/lent.h"
#include "net/loop.h"
#include "net/watch.h"

struct hot_entry {
  struct list link;       /* in hot.used; empty once it is dropped */
  struct hot_entry *next; /* of the same bucket */
  uint64_t hash;
  unsigned holds; /* 1 for the cache, 1 for each that is sending it */
  int root;       /* borrowed */
  char *path;     /* beneath the root; owned as one block with the key and the bytes */
  char *key;
  size_t key_len;
  char *bytes; /* the answer: in the block, or the lent pages */
  size_t len, body_len;
  struct lent lent; /* its pages, when it is HOT_LENT_BYTES long; else none */
  size_t date;      /* where its date stands, HTTP_DATE_LEN bytes; 0: nowhere */
  time_t date_at;   /* the second that it tells */
  struct file_id id;
  int64_t looked_ns;
};

enum { HOT_ENTRIES = 4096, HOT_BUCKETS = 4096, HOT_FILE_BYTES = 512 * 1024 };
enum { HOT_LENT_BYTES = 32 * 1024 };   /* from here on pages are lent, not copied */
enum { HOT_BYTES = 32 * 1024 * 1024 }; /* of all entries */

struct hot {
  struct watch watch;
  struct loop *loop; /* borrowed */
  uint64_t intake;   /* the net's when the watch was asked */
  int64_t turn_ns;   /* the turn in which the clock was read ... */
  time_t now;        /* ... and the second that it told */
  struct lender lender;
  struct list used; /* of hot_entry.link, the least recently used first */
  size_t count, bytes;
  struct hot_entry *buckets[HOT_BUCKETS];
};

/* An empty cache. NULL with `*status` when nothing can be watched or there is no memory. */
struct hot *hot_new(struct loop *loop, int *status);

/* Drops all and closes the watch. NULL is allowed. Entries that are held live on. */
void hot_free(struct hot *hot);

static inline bool hot_is_empty(const struct hot *hot) {
  return hot->count == 0;
}

/* Nothing was ever to be kept: there is nothing to be told of either. */
static inline bool hot_is_idle(const struct hot *hot) {
  return hot_is_empty(hot) && hot->watch.count == 0;
}

/* The answer for a key, if there is one and its file has not changed; with the present
 * date, unless somebody is sending it. It is the cache's: who keeps it beyond the call
 * holds it. */
struct hot_entry *hot_find(struct hot *hot, const char *key, size_t len);

/* What an answer is made of. */
struct hot_source {
  const char *key; /* borrowed, as all below; always the same one for the same answer */
  size_t key_len;
  int root;         /* stays open as long as the cache */
  const char *path; /* beneath the root, without links */
  int fd;           /* the open file, from which the body is read ... */
  size_t body_len;  /* ... and its size when the head was made */
  const char *head;
  size_t head_len;
  size_t date; /* as hot_entry.date */
};

/* Makes an answer of a head and a file. 0; or the reason why there is none: -EAGAIN: one of
 * the folders was not watched yet, the next answer can be kept; -EFBIG; -ELOOP (a link in
 * the path); -ESTALE (it is no longer the file at the path); -ENOMEM; or what watch_file
 * gives. */
int hot_put(struct hot *hot, const struct hot_source *source);

/* Sends once of the answer from its byte `at` on. > 0: so many; -EAGAIN, NET_WR comes; a status,
 * which stays. `hot` NULL: the cache is no more, an answer that was held is. */
ssize_t hot_send(struct hot *hot, const struct hot_entry *entry, size_t at,
                 struct stream *st, struct net *net, net_h h);

void hot_hold(struct hot_entry *entry);
void hot_release(struct hot_entry *entry);

#endif
