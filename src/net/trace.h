/* The trace: an observer that prints one line per operation of the seam:
 *
 *   0.001234  task 2  server.lua:9  recv 127.0.0.1:5012 → 127.0.0.1:12000  6 bytes "abc\r\n"
 *
 * It never changes what the operation does, and asks the net nothing while it prints. */
#ifndef NET_TRACE_H
#define NET_TRACE_H

#include <stddef.h>

#include "net/net.h"

enum { TRACE_PLACE = 96 };

struct trace {
  struct net_observer observer;
  int fd;
  int64_t begin_ns;
  void (*place)(void *arg, char out[TRACE_PLACE]); /* "task 2  server.lua:9" */
  void *arg;
  char (*whom)[ADDR_TEXT]; /* owned; per handle, whom it was with: known after its end */
  size_t whom_count;
};

/* Frees what the trace remembers; its net is freed already. */
void trace_fini(struct trace *t);

/* Sets the observer of `net`. Both structs have to stay until the net is freed. */
void trace_open(struct trace *t, struct net *net, int fd,
                void (*place)(void *, char[TRACE_PLACE]), void *arg);

#endif
