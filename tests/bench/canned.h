/* The one answer of the bench's bare HTTP servers, whatever is asked, and where requests
 * end: all that their ways through epoll and io_uring have in common. */
#ifndef BENCH_CANNED_H
#define BENCH_CANNED_H

#include <stddef.h>

enum { CANNED_CONNECTIONS = 32768 }; /* descriptors that a server knows */

struct canned {
  char *bytes; /* owned; lives as long as the program, so a send may take its time */
  size_t len;
};

/* A head like that of a file server, and the file's bytes. */
struct canned canned_answer(const char *body_path);

/* How many requests end in these n bytes. `*matched`, of the connection and 0 at first,
 * counts the bytes of a blank line that the last piece ended with. */
unsigned canned_ends(unsigned *matched, const char *bytes, size_t n);

#endif
