/* Watches folders for changes, by inotify(7). What is told is a path beneath the root that
 * was named: something there, or below it, is not what it was.
 *
 * Nothing is told by itself: watch_take asks the kernel, which has queued every change
 * before the call that made it returned. So who takes after bytes have come from a peer
 * knows all that was changed before the peer sent them, in whatever order a poll would
 * have told the two. What is changed on another machine, through a memory mapping or
 * through a hard link elsewhere, is not told. */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include <stddef.h>

struct watch {
  int fd;                 /* owned; of inotify; -1: closed */
  struct watch_dir *dirs; /* owned; what is watched */
  size_t count, cap;
  void (*changed)(struct watch *, int root, const char *path);
};

enum { WATCH_DIRS_MAX = 1024 };

/* Begins to watch nothing. `changed` is told the root's descriptor and a path, which ends
 * without a slash; "" is the root itself, and root -1 is everything: changes were lost.
 * 0, or -errno, as inotify_init1(2). */
int watch_open(struct watch *w,
               void (*changed)(struct watch *, int root, const char *path));

/* Watches each folder from the root to the file at `path`. The root stays the caller's,
 * and open. 0: each was watched already; 1: now they are; -ELOOP where a link stands in
 * the path; -ENOSPC for too many folders; or another -errno. */
int watch_file(struct watch *w, int root, const char *path);

/* Tells what has changed until now. */
void watch_take(struct watch *w);

/* Closes it; twice is as once. */
void watch_close(struct watch *w);

#endif
