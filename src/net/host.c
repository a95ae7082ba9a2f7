/* Direct system calls of the host backends. */
#include "net/host.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int host_bind(struct net *net, net_h h, const struct addr *addr) {
  (void)net;
  return bind(h, &addr->u.sa, addr->len) < 0 ? -errno : 0;
}

int host_connect(int fd, const struct addr *addr) {
  int r;
  do r = connect(fd, &addr->u.sa, addr->len);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : 0;
}

int host_accept(int fd, struct addr *peer) {
  int r;
  peer->len = sizeof peer->u;
  do r = accept4(fd, &peer->u.sa, &peer->len, SOCK_CLOEXEC | SOCK_NONBLOCK);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

void host_refuse(int listener, int *reserve_fd) {
  if (*reserve_fd < 0) *reserve_fd = eventfd(0, EFD_CLOEXEC); /* lost to another */
  if (*reserve_fd < 0) return;
  close(*reserve_fd);
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd >= 0) close(fd);
  *reserve_fd = eventfd(0, EFD_CLOEXEC);
}

bool host_nears_limit(size_t count) {
  enum { FEW = 64 };
  struct rlimit files;
  return getrlimit(RLIMIT_NOFILE, &files) < 0 || count + FEW > files.rlim_cur;
}

int host_listen(struct net *net, net_h h, int backlog) {
  (void)net;
  return listen(h, backlog) < 0 ? -errno : 0;
}

int host_setopt(struct net *net, net_h h, int level, int name, const void *value,
                socklen_t len) {
  (void)net;
  return setsockopt(h, level, name, value, len) < 0 ? -errno : 0;
}

int host_getopt(struct net *net, net_h h, int level, int name, void *value,
                socklen_t *len) {
  (void)net;
  return getsockopt(h, level, name, value, len) < 0 ? -errno : 0;
}

int host_name_of(struct net *net, net_h h, int which, struct addr *out) {
  (void)net;
  socklen_t len = sizeof out->u;
  int r = which == NET_PEER ? getpeername(h, &out->u.sa, &len)
                            : getsockname(h, &out->u.sa, &len);
  if (r < 0) return -errno;
  out->len = len;
  return 0;
}

/* One wait of `ns` nanoseconds, NET_NEVER for no limit; epoll_wait's result and errno. */
static int wait_once(int epoll_fd, struct epoll_event *found, int max, int64_t ns) {
  if (ns <= 0) return epoll_wait(epoll_fd, found, max, ns == NET_NEVER ? -1 : 0);
  struct timespec left = {ns / 1000000000, ns % 1000000000};
  int n = epoll_pwait2(epoll_fd, found, max, &left, NULL);
  if (n >= 0 || errno != ENOSYS) return n;
  int64_t ms = ns / 1000000 + (ns % 1000000 != 0);
  return epoll_wait(epoll_fd, found, max, ms < INT_MAX ? (int)ms : INT_MAX);
}

int host_epoll_wait(int epoll_fd, struct epoll_event *found, int max,
                    int64_t deadline_ns) {
  for (;;) {
    int64_t now = deadline_ns > 0 ? host_now(NULL) : 0;
    int64_t ns = deadline_ns > now ? deadline_ns - now : 0;
    if (deadline_ns == NET_NEVER) ns = NET_NEVER;
    int n = wait_once(epoll_fd, found, max, ns);
    if (n >= 0 || errno != EINTR) return n < 0 ? -errno : n;
    if (ns == 0) return 0;
  }
}

int64_t host_spin_end(struct net *net, int64_t deadline_ns) {
  if (net->spin_ns == 0 || deadline_ns == 0) return 0;
  int64_t now = host_now(net), end = now + net->spin_ns;
  if (deadline_ns == NET_NEVER) return end;
  if (deadline_ns <= now) return 0;
  return deadline_ns < end ? deadline_ns : end;
}

static int poll_now(struct pollfd *asked, nfds_t n) {
  int r;
  do r = poll(asked, n, 0);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

int host_poll_all(struct net_event *asked, int n) {
  enum { SHARE = 256 }; /* poll(2) takes no more than the limit of descriptors */
  struct pollfd found[SHARE];
  for (; n > 0; asked += SHARE, n -= SHARE) {
    int share = n < SHARE ? n : SHARE;
    for (int i = 0; i < share; i++) {
      uint32_t what = asked[i].what;
      short events = (what & NET_RD ? POLLIN : 0) | (what & NET_WR ? POLLOUT : 0);
      found[i] = (struct pollfd){.fd = asked[i].h, .events = events};
    }
    int r = poll_now(found, (nfds_t)share);
    if (r < 0) return r;
    for (int i = 0; i < share; i++)
      asked[i].what |= (uint32_t)(unsigned short)found[i].revents << 16;
  }
  return 0;
}

uint32_t host_what_of(uint32_t events) {
  uint32_t what = 0;
  if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) what |= NET_RD;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) what |= NET_WR;
  return what;
}

int host_pair(int family, int type, int fds[2]) {
  int r = socketpair(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds);
  return r < 0 ? -errno : 0;
}

/* A socket that has sent its end, and has the peer's, but no answer yet to all it has sent. */
static bool only_repeats(int fd) {
  struct tcp_info info = {0};
  socklen_t len = sizeof info;
  int unsent = 0;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0) return false;
  if (info.tcpi_state != TCP_LAST_ACK && info.tcpi_state != TCP_CLOSING) return false;
  return ioctl(fd, SIOCOUTQNSD, &unsent) == 0 && unsent == 0;
}

/* tcp_close() of the kernel looks for unread bytes first. Once they are gone a linger of no
 * time has it do the same, except at the very end, where it would only forget to repeat what
 * gets lost. */
void host_reset_at_close(int fd) {
  struct linger at_once = {1, 0};
  if (!only_repeats(fd)) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

/* --- bytes ------------------------------------------------------------------------------ */

ssize_t host_recv(int fd, void *bytes, size_t n) {
  ssize_t r;
  do r = recv(fd, bytes, n, MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

/* The buffer is never touched, and so takes no memory. */
ssize_t host_discard(int fd, size_t n) {
  static char nowhere[8 * 1024 * 1024];
  ssize_t r;
  if (n > sizeof nowhere) n = sizeof nowhere;
  do r = recv(fd, nowhere, n, MSG_DONTWAIT | MSG_TRUNC);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

ssize_t host_send(int fd, const void *bytes, size_t n) {
  ssize_t r;
  do r = send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

/* tcp(7): EINVAL says that no urgent byte has been announced. It may come until the stream
 * ends, unless urgent bytes stay in the stream. */
static int no_urgent(int fd) {
  int is_inline = 0;
  socklen_t len = sizeof is_inline;
  struct pollfd p = {.fd = fd, .events = POLLRDHUP};
  if (getsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &is_inline, &len) < 0) return -errno;
  if (is_inline || host_kind(fd) != SOCK_STREAM) return -EINVAL;
  return poll_now(&p, 1) > 0 ? 0 : -EAGAIN;
}

static bool is_plain(const struct msghdr *msg) {
  return msg->msg_iovlen == 1 && !msg->msg_control;
}

static ssize_t receive(int fd, struct msghdr *msg, int flags) {
  struct iovec *iov = msg->msg_iov;
  if (flags & ~(MSG_TRUNC | MSG_DONTWAIT) || !(flags & MSG_TRUNC) || !is_plain(msg))
    return recvmsg(fd, msg, flags | MSG_CMSG_CLOEXEC);
  ssize_t r =
      recvfrom(fd, iov->iov_base, iov->iov_len, flags, msg->msg_name, &msg->msg_namelen);
  msg->msg_flags = r > 0 && (size_t)r > iov->iov_len ? MSG_TRUNC : 0;
  return r;
}

ssize_t host_recvmsg(int fd, struct msghdr *msg, int flags) {
  ssize_t r;
  do r = receive(fd, msg, flags | MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  if (r < 0 && errno == EINVAL && flags & MSG_OOB) return no_urgent(fd);
  return r < 0 ? -errno : r;
}

static ssize_t transmit(int fd, const struct msghdr *msg, int flags) {
  struct iovec *iov = msg->msg_iov;
  if (!is_plain(msg)) return sendmsg(fd, msg, flags);
  return sendto(fd, iov->iov_base, iov->iov_len, flags, msg->msg_name, msg->msg_namelen);
}

ssize_t host_sendmsg(int fd, const struct msghdr *msg, int flags) {
  ssize_t r;
  do r = transmit(fd, msg, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

int host_recvmany(int fd, struct mmsghdr *all, unsigned n, int flags) {
  int r;
  do r = recvmmsg(fd, all, n, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC, NULL);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

int host_sendmany(int fd, struct mmsghdr *all, unsigned n, int flags) {
  int r;
  do r = sendmmsg(fd, all, n, flags | MSG_NOSIGNAL | MSG_DONTWAIT);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

int64_t host_now(struct net *net) {
  (void)net;
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* --- descriptors that others share ---------------------------------------------------- */

int host_kind(int fd) {
  int type;
  socklen_t len = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0) return type;
  return errno == EBADF ? -EBADF : 0;
}

bool host_is_tcp(int fd) {
  int proto = 0;
  socklen_t len = sizeof proto;
  return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &proto, &len) == 0 &&
         proto == IPPROTO_TCP;
}

bool host_blocks(int fd) {
  return !(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

static bool is_ready(int fd, short events) {
  struct pollfd p = {.fd = fd, .events = events};
  return poll_now(&p, 1) > 0;
}

int host_own_terminal(int fd) {
  char name[32];
  int pair;
  if (!isatty(fd)) return -errno;
  if (ioctl(fd, TIOCGPTN, &pair) == 0)
    return -ENOTTY; /* a master: another open, another pair */
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  int access = fcntl(fd, F_GETFL) & O_ACCMODE;
  int own = open(name, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  return own < 0 ? -errno : own;
}

ssize_t host_file_read(int fd, void *bytes, size_t n) {
  if (!is_ready(fd, POLLIN)) return -EAGAIN;
  ssize_t r = read(fd, bytes, n);
  if (r < 0 && errno == EINTR) return -EAGAIN; /* what was there may be gone: ask again */
  return r < 0 ? -errno : r;
}

ssize_t host_file_write(int fd, const void *bytes, size_t n) {
  if (!is_ready(fd, POLLOUT)) return -EAGAIN;
  if (n > PIPE_BUF) n = PIPE_BUF;
  ssize_t r;
  do r = write(fd, bytes, n);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

int host_blocking_accept(int fd, struct addr *peer) {
  if (!is_ready(fd, POLLIN)) return -EAGAIN;
  peer->len = sizeof peer->u;
  int r = accept4(fd, &peer->u.sa, &peer->len, SOCK_CLOEXEC | SOCK_NONBLOCK);
  return r < 0 ? -errno : r;
}

int host_blocking_connect(int fd, const struct addr *addr) {
  struct timeval before = {0}, soon = {0, 1};
  socklen_t len = sizeof before;
  getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &before, &len);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
  /* socket(7): connect gives EINPROGRESS when the time is over, and goes on */
  int r = connect(fd, &addr->u.sa, addr->len) < 0 ? -errno : 0;
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &before, sizeof before);
  return r == -EINTR ? -EINPROGRESS : r;
}
