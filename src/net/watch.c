/* Watches folders for changes. */
#include "net/watch.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
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
  /* The name, or the folder, may now be another one. */
  PLACES = IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
           IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED,
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
  int wd = inotify_add_watch(w->fd, name, CHANGES | IN_ONLYDIR);
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
  return 1;
}

int watch_file(struct watch *w, int root, const char *path) {
  if (w->fd < 0) return -EBADF;
  int r = watch_dir(w, root, path, 0), added = r;
  for (const char *slash = strchr(path, '/'); r >= 0 && slash;
       slash = strchr(slash + 1, '/')) {
    r = watch_dir(w, root, path, (size_t)(slash - path));
    added |= r;
  }
  return r < 0 ? r : added;
}

/* Watches the folder at place `i` no longer. */
static void forget(struct watch *w, size_t i) {
  int wd = w->dirs[i].wd;
  bool shared = false;
  free(w->dirs[i].path);
  w->dirs[i] = w->dirs[--w->count];
  for (size_t k = 0; k < w->count; k++) shared |= w->dirs[k].wd == wd;
  if (!shared) inotify_rm_watch(w->fd, wd);
}

static bool is_below(const char *path, const char *folder) {
  size_t len = strlen(folder);
  if (len == 0) return true;
  return strncmp(path, folder, len) == 0 && (path[len] == 0 || path[len] == '/');
}

/* What stands at that path may be another folder now, and so may all below it. */
static void forget_below(struct watch *w, int root, const char *path) {
  for (size_t i = w->count; i-- > 0;)
    if (root < 0 || (w->dirs[i].root == root && is_below(w->dirs[i].path, path)))
      forget(w, i);
}

/* --- what has changed ------------------------------------------------------------------- */

static void tell_all(struct watch *w) {
  w->changed(w, -1, "");
  forget_below(w, -1, "");
}

static void tell(struct watch *w, int root, const char *path, uint32_t mask) {
  w->changed(w, root, path);
  if (mask & PLACES) forget_below(w, root, path);
}

/* Two paths may have the folder's number. Telling can end the watch of a folder, and the
 * last one then takes its place: so from the last to the first. */
static void take(struct watch *w, const struct inotify_event *ev) {
  char path[PATH_MAX];
  const char *name = ev->len ? ev->name : "";
  if (ev->mask & IN_Q_OVERFLOW) tell_all(w);
  for (size_t i = w->count; i-- > 0;) {
    if (i >= w->count || w->dirs[i].wd != ev->wd) continue;
    struct watch_dir d = w->dirs[i];
    int n =
        snprintf(path, sizeof path, "%s%s%s", d.path, *d.path && *name ? "/" : "", name);
    if (n < (int)sizeof path)
      tell(w, d.root, path, ev->mask);
    else
      tell_all(w);
  }
}

void watch_take(struct watch *w) {
  _Alignas(struct inotify_event) char bytes[4096];
  ssize_t r;
  while ((r = read(w->fd, bytes, sizeof bytes)) > 0) {
    const struct inotify_event *ev;
    for (char *at = bytes; at < bytes + r; at += sizeof *ev + ev->len) {
      ev = (const struct inotify_event *)at;
      take(w, ev);
    }
  }
}

int watch_open(struct watch *w,
               void (*changed)(struct watch *, int root, const char *path)) {
  *w = (struct watch){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .changed = changed};
  return w->fd < 0 ? -errno : 0;
}

void watch_close(struct watch *w) {
  if (w->fd < 0) return;
  for (size_t i = 0; i < w->count; i++) free(w->dirs[i].path);
  free(w->dirs);
  close(w->fd);
  *w = (struct watch){.fd = -1, .changed = w->changed};
}
