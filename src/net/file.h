/* Regular files beneath a folder, for reading. The kernel confines the path: `..`, an
 * absolute path and a link, wherever they stand in it, cannot lead out of the folder.
 * Nothing is looked at before it is open, so nothing can be exchanged in between.
 *
 * Reading a file is a system call that sleeps until the disk has answered: no kernel
 * interface tells when a file is ready. */
#ifndef NET_FILE_H
#define NET_FILE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct file_info {
  int64_t size;     /* bytes */
  int64_t mtime_ns; /* since 1970 */
};

/* A folder for file_open: a descriptor, or -errno. */
int file_open_root(const char *path);

/* The regular file at `path` beneath the folder: a descriptor, or -EXDEV: the path leads
 * out of it, -EISDIR, STATUS_IRREGULAR (FIFO, device, socket), -ENOSYS: the kernel cannot
 * confine paths, or another -errno. Never waits for the other end of a FIFO. */
int file_open(int root, const char *path, struct file_info *info);

/* How many bytes the file has now, or -errno. */
int64_t file_size(int fd);

/* Up to n bytes from `offset`; 0: the file ends there. */
ssize_t file_read(int fd, void *bytes, size_t n, int64_t offset);

/* sendfile(2) to a non-blocking socket: > 0, 0: the file ends at `offset`, or -errno. */
ssize_t file_send(int to, int fd, int64_t offset, size_t n);

/* True inside file_send, for the handler of SIGPIPE: sendfile(2) has no MSG_NOSIGNAL. */
extern volatile sig_atomic_t file_is_sending;

void file_close(int fd);

#endif
