/* Regular files beneath a folder, for reading. The kernel confines the path: `..`, an
 * absolute path and a link, wherever they stand in it, cannot lead out of the folder.
 * Nothing is looked at before it is open, so nothing can be exchanged in between.
 *
 * Reading a file is a system call that sleeps until the disk has answered: no kernel
 * interface tells when a file is ready. */
#ifndef NET_FILE_H
#define NET_FILE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
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

/* What a file is: as long as all of it is the same, its bytes are taken to be. */
struct file_id {
  uint64_t device, inode;
  int64_t size, mtime_ns, ctime_ns;
};

/* A folder beneath a folder, by a path without links; "." is the folder itself. For use as
 * a root: a descriptor, or -errno. */
int file_open_folder(int root, const char *path);

/* What the open file is. 0 or -errno. */
int file_identify(int fd, struct file_id *id);

/* What stands at `path` beneath the folder; -ELOOP where a link stands in it. */
int file_look(int root, const char *path, struct file_id *id);

bool file_same(const struct file_id *a, const struct file_id *b);

/* The names in a folder, each ended by NUL, those of folders by "/" and NUL: bytes to be
 * freed by the caller, with their number in `*len`; not sorted, without "." and "..", and
 * without what is neither file, folder nor link. 0 or -errno. */
int file_list(int root, const char *path, char **names, size_t *len);

/* How many bytes the file has now, or -errno. */
int64_t file_size(int fd);

/* Up to n bytes from `offset`; 0: the file ends there. */
ssize_t file_read(int fd, void *bytes, size_t n, int64_t offset);

/* False for pipes and terminals: what they give cannot be asked for again. */
bool file_has_places(int fd);

/* What stdio holds back of what was written to the stream goes to the file. 0 or -errno. */
int file_flush(FILE *f);

/* The bytes that stdio holds of a stream, which has no places; where it holds none, it reads
 * some first, and sleeps until some are there. 0: the stream has ended; or -errno. They stay
 * in the stream but for those that are taken. */
ssize_t file_peek(FILE *f, const char **bytes);
void file_take(FILE *f, size_t n);

/* sendfile(2) to a non-blocking socket: > 0, 0: the file ends at `offset`, or -errno. */
ssize_t file_send(int to, int fd, int64_t offset, size_t n);

/* True inside file_send and host_splice_out, for the handler of SIGPIPE: sendfile(2) and
 * splice(2) have no MSG_NOSIGNAL. */
extern volatile sig_atomic_t file_is_sending;

/* A nameless file in memory, empty: a descriptor, or -errno. */
int file_in_memory(void);

/* Writes at the end of such a file. 0 or a status. */
int file_append(int fd, const void *bytes, size_t n);

void file_close(int fd);

#endif
