/* Pipes of ours. */
#include "net/host_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/file.h"

int host_pipe_open(struct host_pipe *p, size_t room) {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
  fcntl(fds[1], F_SETPIPE_SZ, (int)room); /* a smaller one serves too */
  *p = (struct host_pipe){fds[0], fds[1]};
  return 0;
}

void host_pipe_close(struct host_pipe *p) {
  close(p->rd);
  close(p->wr);
}

ssize_t host_pipe_write(int fd, const void *bytes, size_t n) {
  ssize_t r;
  do r = write(fd, bytes, n);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

ssize_t host_pipe_read(int fd, void *bytes, size_t n) {
  ssize_t r;
  do r = read(fd, bytes, n);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

ssize_t host_pipe_lend(int fd, const struct iovec *iov, size_t count) {
  ssize_t r;
  do r = vmsplice(fd, iov, count, SPLICE_F_NONBLOCK);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

ssize_t host_splice_in(int fd, int pipe_fd, size_t n) {
  ssize_t r;
  do r = splice(fd, NULL, pipe_fd, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

bool host_has_bytes(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

ssize_t host_splice_out(int fd, int pipe_fd, size_t n) {
  ssize_t r;
  file_is_sending = 1;
  do r = splice(pipe_fd, NULL, fd, NULL, n, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
  while (r < 0 && errno == EINTR);
  file_is_sending = 0;
  return r < 0 ? -errno : r;
}
