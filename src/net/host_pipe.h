/* Pipes of ours, through which bytes go from one socket to another without being copied.
 * Neither end blocks. Each function returns >= 0 or -errno; -EAGAIN arms nothing. */
#ifndef NET_HOST_PIPE_H
#define NET_HOST_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

enum { HOST_PIPE_BYTES = 1024 * 1024 }; /* pipe(7): what a user may have by default */

struct host_pipe {
  int rd, wr;
};

/* A pipe for `room` bytes, if this user may have so large a one; else for fewer (pipe(7)). */
int host_pipe_open(struct host_pipe *p, size_t room);
void host_pipe_close(struct host_pipe *p);

ssize_t host_pipe_write(int fd, const void *bytes, size_t n);
ssize_t host_pipe_read(int fd, void *bytes, size_t n);

/* vmsplice(2): the pages of these bytes go into the pipe, as far as there is room. They must
 * not change until they have left the machine, and nobody tells when that is. */
ssize_t host_pipe_lend(int fd, const struct iovec *iov, size_t count);

/* splice(2) from a socket into an empty pipe: 0: end of stream. -EAGAIN has one meaning only
 * because the pipe is empty. */
ssize_t host_splice_in(int fd, int pipe_fd, size_t n);

/* True when a read would give bytes. */
bool host_has_bytes(int fd);

/* splice(2) of bytes that are in the pipe to a socket. For more than there are, kernels before
 * 6.5 hold the last piece back (MSG_MORE). */
ssize_t host_splice_out(int fd, int pipe_fd, size_t n);

#endif
