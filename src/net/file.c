/* Files beneath a folder, by openat2(2). A kernel before Linux 5.6, or a sandbox that does
 * not know the call, refuses: a walk of our own, folder by folder, would follow other
 * rules for links, and a script's files would depend on the machine. */
#include "net/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/status.h"

_Static_assert(sizeof(off_t) == 8, "files may be larger than 2 GiB");

enum {
  RACES = 16,                /* lost in a row before opening is given up */
  SENDFILE_MAX = 0x7ffff000, /* sendfile(2) moves no more in one call */
};

volatile sig_atomic_t file_is_sending;

static int64_t nanoseconds(const struct timespec *t) {
  return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

int file_open_root(const char *path) {
  int fd;
  do fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : fd;
}

/* openat2(2) beneath the root; -EAGAIN from it means that a folder was renamed meanwhile. */
static int open_beneath(int root, const char *path, uint64_t flags, uint64_t resolve) {
  struct open_how how = {.flags = flags | O_CLOEXEC,
                         .resolve = RESOLVE_BENEATH | resolve};
  for (int tries = 0;;) {
    int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
    if (fd >= 0) return fd;
    if (errno != EINTR && (errno != EAGAIN || ++tries == RACES)) return -errno;
  }
}

/* O_NONBLOCK: a FIFO without a writer must not keep us; O_NOCTTY: nor a terminal. */
static int open_to_read(int root, const char *path) {
  int fd =
      open_beneath(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_NO_MAGICLINKS);
  return fd == -ENXIO || fd == -ENODEV ? STATUS_IRREGULAR : fd; /* open(2) */
}

int file_open(int root, const char *path, struct file_info *info) {
  struct stat st;
  int fd = open_to_read(root, path);
  if (fd < 0) return fd;
  int r = fstat(fd, &st) < 0 ? -errno : 0;
  if (r == 0 && S_ISDIR(st.st_mode)) r = -EISDIR;
  if (r == 0 && !S_ISREG(st.st_mode)) r = STATUS_IRREGULAR;
  if (r < 0) {
    close(fd);
    return r;
  }
  info->size = st.st_size;
  info->mtime_ns = nanoseconds(&st.st_mtim);
  return fd;
}

int file_open_folder(int root, const char *path) {
  return open_beneath(root, path, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);
}

int file_identify(int fd, struct file_id *id) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  *id = (struct file_id){
      .device = st.st_dev,
      .inode = st.st_ino,
      .size = st.st_size,
      .mtime_ns = nanoseconds(&st.st_mtim),
      .ctime_ns = nanoseconds(&st.st_ctim),
  };
  return 0;
}

int file_look(int root, const char *path, struct file_id *id) {
  int fd = open_beneath(root, path, O_PATH, RESOLVE_NO_SYMLINKS);
  if (fd < 0) return fd;
  int r = file_identify(fd, id);
  close(fd);
  return r;
}

bool file_same(const struct file_id *a, const struct file_id *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size &&
         a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

/* --- folders ---------------------------------------------------------------------------- */

struct listing {
  int root;         /* borrowed, as the path */
  const char *path; /* of the folder */
  FILE *out;
};

/* What a link leads to, if that is beneath the root: its mode, else 0. */
static mode_t mode_behind(const struct listing *l, const char *name) {
  char path[PATH_MAX];
  struct stat st = {0};
  if (snprintf(path, sizeof path, "%s/%s", l->path, name) >= (int)sizeof path) return 0;
  int fd = open_beneath(l->root, path, O_PATH, RESOLVE_NO_MAGICLINKS);
  if (fd < 0) return 0;
  if (fstat(fd, &st) < 0) st.st_mode = 0;
  close(fd);
  return st.st_mode;
}

static bool add_name(const struct listing *l, const struct dirent *entry) {
  const char *name = entry->d_name;
  mode_t mode = DTTOIF(entry->d_type);
  if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return true;
  if (entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) mode = mode_behind(l, name);
  if (!S_ISREG(mode) && !S_ISDIR(mode)) return true;
  return fprintf(l->out, S_ISDIR(mode) ? "%s/" : "%s", name) >= 0 &&
         fputc(0, l->out) != EOF;
}

/* Closes the folder. */
static int list_names(struct listing *l, DIR *dir) {
  struct dirent *entry;
  bool whole = true;
  while (whole && (entry = readdir(dir))) whole = add_name(l, entry);
  closedir(dir);
  return fclose(l->out) == 0 && whole ? 0 : -ENOMEM;
}

int file_list(int root, const char *path, char **names, size_t *len) {
  int fd = open_beneath(root, path, O_RDONLY | O_DIRECTORY, RESOLVE_NO_MAGICLINKS);
  if (fd < 0) return fd;
  DIR *dir = fdopendir(fd);
  if (!dir) {
    close(fd);
    return -ENOMEM;
  }
  struct listing l = {root, path, open_memstream(names, len)};
  if (!l.out) {
    closedir(dir);
    return -ENOMEM;
  }
  int r = list_names(&l, dir);
  if (r == 0) return 0;
  free(*names);
  *names = NULL;
  return r;
}

/* --- bytes ------------------------------------------------------------------------------ */

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

bool file_has_places(int fd) {
  return lseek(fd, 0, SEEK_CUR) >= 0 || errno != ESPIPE;
}

int file_flush(FILE *f) {
  if (__fpending(f) == 0) return 0;
  return fflush(f) == 0 ? 0 : -errno;
}

/* Lets stdio read once into its buffer, which is empty. 1; 0: the end; or -errno. */
static int fill(FILE *f) {
  for (;;) {
    int c = getc(f);
    if (c != EOF) return ungetc(c, f), 1;
    if (!ferror(f)) return 0;
    int error = errno;
    clearerr(f);
    if (error != EINTR) return -error;
  }
}

/* glibc's FILE shows where its buffer lies; gnulib's freadptr looks at it in this way too. */
ssize_t file_peek(FILE *f, const char **bytes) {
  int r = f->_IO_read_ptr < f->_IO_read_end ? 1 : fill(f);
  if (r <= 0) return r;
  *bytes = f->_IO_read_ptr;
  return f->_IO_read_end - f->_IO_read_ptr;
}

void file_take(FILE *f, size_t n) {
  f->_IO_read_ptr += n;
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

int file_in_memory(void) {
  int fd = memfd_create("soquete", MFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

int file_append(int fd, const void *bytes, size_t n) {
  ssize_t written = write(fd, bytes, n);
  return written == (ssize_t)n ? 0 : written < 0 ? -errno : -ENOMEM;
}

void file_close(int fd) {
  close(fd);
}
