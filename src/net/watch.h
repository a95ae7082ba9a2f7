/* Watches folders for changes, by inotify(7) over a handle of the net. What is told is a
 * path beneath the root that was named: something there, or below it, is not what it was.
 *
 * A change that precedes a request on a socket is told before that request is handled: its
 * event has become ready first, and the loop keeps that order. What is changed on another
 * machine, through a memory mapping or through a hard link elsewhere, is not told. */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include "net/loop.h"

struct watch {
  struct waiter waiter;
  struct loop *loop;      /* borrowed */
  net_h h;                /* of inotify; -1: closed */
  struct watch_dir *dirs; /* owned; what is watched */
  size_t count, cap;
  void (*changed)(struct watch *, int root, const char *path);
};

enum { WATCH_DIRS_MAX = 1024 };

/* Begins to watch nothing. `changed` is told the root's descriptor and a path, which ends
 * without a slash; "" is the root itself, and root -1 is everything: events were lost.
 * 0, or -errno, as inotify_init1(2). */
int watch_open(struct watch *w, struct loop *loop,
               void (*changed)(struct watch *, int root, const char *path));

/* Watches each folder from the root to the file at `path`. The root stays the caller's,
 * and open. 0; -ELOOP where a link stands in the path; -ENOSPC for too many folders; or
 * another -errno. Twice is as once. */
int watch_file(struct watch *w, int root, const char *path);

/* Closes it; twice is as once. */
void watch_close(struct watch *w);

#endif
