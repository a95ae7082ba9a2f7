/* Watches folders for changes. */
#include "net/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "net/file.h"

struct watch_dir {
  int wd;     /* inotify's; two roots may reach one folder, and then share it */
  int root;   /* borrowed */
  char *path; /* owned; beneath the root, without slashes at its ends */
};

enum {
  CHANGES = IN_MODIFY | IN_ATTRIB | IN_CLOSE_WRITE | IN_CREATE | IN_DELETE |
            IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
};

/* --- what is watched -------------------------------------------------------------------- */

static bool is_watched(const struct watch *w, int root, const char *path, size_t len) {
  for (size_t i = 0; i < w->count; i++) {
    const struct watch_dir *d = &w->dirs[i];
    if (d->root == root && strlen(d->path) == len && memcmp(d->path, path, len) == 0)
      return true;
  }
  return false;
}

static int reserve(struct watch *w) {
  if (w->count == WATCH_DIRS_MAX) return -ENOSPC;
  if (w->count < w->cap) return 0;
  size_t cap = w->cap ? w->cap * 2 : 8;
  struct watch_dir *dirs = realloc(w->dirs, cap * sizeof *dirs);
  if (!dirs) return -ENOMEM;
  w->dirs = dirs;
  w->cap = cap;
  return 0;
}

/* A descriptor may be watched by its name in /proc alone. */
static int add_watch(const struct watch *w, int dir) {
  char name[32];
  snprintf(name, sizeof name, "/proc/self/fd/%d", dir);
  int wd = inotify_add_watch(w->h, name, CHANGES | IN_ONLYDIR);
  return wd < 0 ? -errno : wd;
}

static int watch_dir(struct watch *w, int root, const char *path, size_t len) {
  if (is_watched(w, root, path, len)) return 0;
  int r = reserve(w);
  if (r < 0) return r;
  char *copy = strndup(path, len);
  if (!copy) return -ENOMEM;
  int dir = file_open_folder(root, len ? copy : ".");
  r = dir < 0 ? dir : add_watch(w, dir);
  if (dir >= 0) file_close(dir);
  if (r < 0) {
    free(copy);
    return r;
  }
  w->dirs[w->count++] = (struct watch_dir){r, root, copy};
  return 0;
}

int watch_file(struct watch *w, int root, const char *path) {
  if (w->h < 0) return -EBADF;
  int r = watch_dir(w, root, path, 0);
  for (const char *slash = strchr(path, '/'); r == 0 && slash;
       slash = strchr(slash + 1, '/'))
    r = watch_dir(w, root, path, (size_t)(slash - path));
  return r;
}

/* --- what has changed ------------------------------------------------------------------- */

static void tell(struct watch *w, const struct watch_dir *d, const char *name) {
  char path[PATH_MAX];
  const char *between = *d->path && *name ? "/" : "";
  int n = snprintf(path, sizeof path, "%s%s%s", d->path, between, name);
  if (n < (int)sizeof path)
    w->changed(w, d->root, path);
  else
    w->changed(w, -1, "");
}

/* The kernel watches a folder no longer, because it is gone. */
static void forget(struct watch *w, int wd) {
  size_t kept = 0;
  for (size_t i = 0; i < w->count; i++) {
    if (w->dirs[i].wd != wd)
      w->dirs[kept++] = w->dirs[i];
    else
      free(w->dirs[i].path);
  }
  w->count = kept;
}

static void take(struct watch *w, const struct inotify_event *ev) {
  if (ev->mask & IN_Q_OVERFLOW) w->changed(w, -1, "");
  for (size_t i = 0; i < w->count; i++)
    if (w->dirs[i].wd == ev->wd) tell(w, &w->dirs[i], ev->len ? ev->name : "");
  if (ev->mask & IN_MOVE_SELF) inotify_rm_watch(w->h, ev->wd); /* it is elsewhere now */
  if (ev->mask & (IN_IGNORED | IN_MOVE_SELF)) forget(w, ev->wd);
}

/* Reads what has come, until nothing more is there; then waits for more. */
static void fire(struct waiter *waiter) {
  struct watch *w = list_entry(waiter, struct watch, waiter);
  _Alignas(struct inotify_event) char bytes[4096];
  ssize_t r;
  while ((r = net_recv(w->loop->net, w->h, bytes, sizeof bytes)) > 0) {
    const struct inotify_event *ev;
    for (char *at = bytes; at < bytes + r; at += sizeof *ev + ev->len) {
      ev = (const struct inotify_event *)at;
      take(w, ev);
    }
  }
  if (r == -EAGAIN) r = loop_wait(w->loop, &w->waiter, w->h, NET_RD, NET_NEVER);
  if (r == 0) return;
  w->changed(w, -1, ""); /* nothing is told any more */
  watch_close(w);
}

int watch_open(struct watch *w, struct loop *loop,
               void (*changed)(struct watch *, int root, const char *path)) {
  *w = (struct watch){.loop = loop, .h = -1, .changed = changed};
  waiter_init(&w->waiter, fire);
  int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  if (fd < 0) return -errno;
  net_h h = net_adopt(loop->net, fd, true);
  if (h < 0) {
    close(fd);
    return h;
  }
  w->h = h;
  fire(&w->waiter);
  return w->h < 0 ? -ENOMEM : 0;
}

void watch_close(struct watch *w) {
  if (w->h < 0) return;
  loop_cancel(w->loop, &w->waiter);
  net_close(w->loop->net, w->h);
  w->h = -1;
  for (size_t i = 0; i < w->count; i++) free(w->dirs[i].path);
  free(w->dirs);
  w->dirs = NULL;
  w->count = w->cap = 0;
}
