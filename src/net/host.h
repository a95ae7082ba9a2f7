/* What both host backends share: operations that are one direct system call. Each returns
 * >= 0 or -errno; EINTR is dealt with here and in the backends, nowhere else. */
#ifndef NET_HOST_H
#define NET_HOST_H

#include <sys/epoll.h>

#include "net/net.h"

int host_bind(struct net *net, net_h h, const struct addr *addr);
int host_listen(struct net *net, net_h h, int backlog);
int host_setopt(struct net *net, net_h h, int level, int name, const void *, socklen_t);
int host_getopt(struct net *net, net_h h, int level, int name, void *, socklen_t *);
int host_name_of(struct net *net, net_h h, int which, struct addr *out);
int64_t host_now(struct net *net);

/* The rest acts on a plain descriptor. None of these sleeps on a socket of ours. */
int host_connect(int fd, const struct addr *addr);
int host_accept(int fd, struct addr *peer);
int host_pair(int family, int type, int fds[2]);
ssize_t host_recv(int fd, void *bytes, size_t n);
ssize_t host_send(int fd, const void *bytes, size_t n);

/* tcp(7), MSG_TRUNC: receives up to n bytes of a TCP socket without copying them. */
ssize_t host_discard(int fd, size_t n);

/* close(2) will end the stream as if bytes were left that nobody has read: with a reset. */
void host_reset_at_close(int fd);

/* True for a stream over TCP. */
bool host_is_tcp(int fd);

/* recvmsg(2) and sendmsg(2), through recvfrom(2) and sendto(2) where one buffer is all there
 * is: those take less time. With MSG_OOB: -EAGAIN until an urgent byte is there, 0 when none can come any more. */
ssize_t host_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t host_sendmsg(int fd, const struct msghdr *msg, int flags);

/* recvmmsg(2) and sendmmsg(2): how many, or the first one's failure. */
int host_recvmany(int fd, struct mmsghdr *all, unsigned n, int flags);
int host_sendmany(int fd, struct mmsghdr *all, unsigned n, int flags);

/* Out of descriptors: gives up the reserve, takes one connection and closes it, so that its
 * client learns at once, and takes the reserve back. */
void host_refuse(int listener, int *reserve_fd);

/* poll(2), without sleeping: what it found of each is added to `what`, 16 bits higher. */
int host_poll_all(struct net_event *asked, int n);

/* NET_RD | NET_WR of what poll(2) or epoll(7) found; their numbers are the same. */
uint32_t host_what_of(uint32_t events);

/* epoll_wait(2) until a deadline. Only a true sleep needs epoll_pwait2 with its finer clock;
 * a kernel before 5.11, or valgrind, has milliseconds. */
int host_epoll_wait(int epoll_fd, struct epoll_event *found, int max,
                    int64_t deadline_ns);

/* True when a process that has `count` descriptors can have few more, or none. */
bool host_nears_limit(size_t count);

/* Until when a poll that may sleep until the deadline looks without sleeping (net.spin_ns); 0:
 * it does not. */
int64_t host_spin_end(struct net *net, int64_t deadline_ns);

/* The SOCK_ number of a descriptor that is a socket, 0 for any other, or -EBADF. */
int host_kind(int fd);

/* True when the kernel would let an operation on the descriptor sleep. */
bool host_blocks(int fd);

/* The terminal that `fd` is, opened once more with O_NONBLOCK, which then is nobody else's:
 * at Ctrl-C a terminal drops its input (termios(3), NOFLSH), also what poll(2) has just
 * found, and a read(2) that may sleep then does. A descriptor, -ENOTTY for what is none, or
 * another -errno: without /proc, or where this user may not open it, a read through the
 * shared one may sleep until the next line. */
int host_own_terminal(int fd);

/* Descriptors that are no sockets and that other programs share, so that O_NONBLOCK cannot
 * be set: poll(2) is asked first. -EAGAIN arms nothing. A write hands over at most 4 KiB,
 * which a pipe that is writable takes without sleeping (pipe(7), PIPE_BUF). */
ssize_t host_file_read(int fd, void *bytes, size_t n);
ssize_t host_file_write(int fd, const void *bytes, size_t n);

/* The same for sockets where no flag stands for O_NONBLOCK. Another program that takes the
 * client first makes the accept sleep until the next one. connect starts, and answers
 * -EINPROGRESS. */
int host_blocking_accept(int fd, struct addr *peer);
int host_blocking_connect(int fd, const struct addr *addr);

#endif
