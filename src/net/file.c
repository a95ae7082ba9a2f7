/* Files beneath a folder, by openat2(2). A kernel before Linux 5.6, or a sandbox that does
 * not know the call, refuses: a walk of our own, folder by folder, would follow other
 * rules for links, and a script's files would depend on the machine. */
#include "net/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"

_Static_assert(sizeof(off_t) == 8, "files may be larger than 2 GiB");

enum {
  RACES = 16,                /* openat2(2): EAGAIN when a folder was renamed meanwhile */
  SENDFILE_MAX = 0x7ffff000, /* sendfile(2) moves no more in one call */
};

volatile sig_atomic_t file_is_sending;

int file_open_root(const char *path) {
  int fd;
  do fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

static int open_beneath(int root, const char *path) {
  /* O_NONBLOCK: a FIFO without a writer must not keep us; O_NOCTTY: nor a terminal. */
  struct open_how how = {
      .flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
      .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
  };
  for (int tries = 0;;) {
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0) return fd;
    if (errno == ENXIO || errno == ENODEV) return STATUS_IRREGULAR; /* open(2) */
    if (errno != EINTR && (errno != EAGAIN || ++tries == RACES)) return -errno;
  }
}

int file_open(int root, const char *path, struct file_info *info) {
  struct stat st;
  int fd = open_beneath(root, path);
  if (fd < 0) return fd;
  int r = fstat(fd, &st) < 0 ? -errno : 0;
  if (r == 0 && S_ISDIR(st.st_mode)) r = -EISDIR;
  if (r == 0 && !S_ISREG(st.st_mode)) r = STATUS_IRREGULAR;
  if (r < 0) {
    close(fd);
    return r;
  }
  info->size = st.st_size;
  info->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
  return fd;
}

int64_t file_size(int fd) {
  struct stat st;
  return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

ssize_t file_read(int fd, void *bytes, size_t n, int64_t offset) {
  ssize_t r;
  do r = pread(fd, bytes, n, offset);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

ssize_t file_send(int to, int fd, int64_t offset, size_t n) {
  ssize_t r;
  if (n > SENDFILE_MAX) n = SENDFILE_MAX;
  file_is_sending = 1;
  do r = sendfile(to, fd, &offset, n);
  while (r < 0 && errno == EINTR);
  file_is_sending = 0;
  return r < 0 ? -errno : r;
}

void file_close(int fd) {
  close(fd);
}
