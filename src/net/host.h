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

/* recvmsg(2) and sendmsg(2) with their results and errno, through recvfrom(2) and sendto(2)
 * where one buffer is all there is: those take less time. */
ssize_t host_recvmsg(net_h h, struct msghdr *msg, int flags);
ssize_t host_sendmsg(net_h h, const struct msghdr *msg, int flags);

/* One wait of `ns` nanoseconds, NET_NEVER for no limit; epoll_wait's result and errno. Only
 * a true sleep needs epoll_pwait2 with its finer clock; a kernel before 5.11, or valgrind,
 * has milliseconds. */
int host_wait(int epoll_fd, struct epoll_event *found, int max, int64_t ns);

int64_t host_now(struct net *net);

#endif
