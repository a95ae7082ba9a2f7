/* Who holds a port: reads /proc/net and /proc/PID/fd, for the hint of EADDRINUSE. */
#ifndef NET_HOLDER_H
#define NET_HOLDER_H

#include <stddef.h>

#include "net/addr.h"

/* Writes "python3 (pid 812)" for a process that holds `a`'s port with sockets of `type`
 * (SOCK_STREAM: listening ones; SOCK_DGRAM: bound ones) where /proc shows it. 0;
 * -ENOENT: nobody found; -EACCES: the socket is there, but its process is another
 * user's and does not show. */
int holder_find(const struct addr *a, int type, char *out, size_t size);

#endif
