/* Gives a head to the parser in every way that bytes can arrive: at once, each prefix,
 * byte by byte, in random pieces; always at the edge of readable memory, and at another
 * address each time. Fails by assert. */
#ifndef SUPPORT_HTTP1_WAYS_H
#define SUPPORT_HTTP1_WAYS_H

#include "proto/http1.h"

enum ways_kind { WAYS_REQUEST, WAYS_RESPONSE, WAYS_LENIENT, WAYS_TRAILERS };

enum { WAYS_FIELDS = 8, WAYS_LINE_MAX = 100, WAYS_HEAD_MAX = 300 };

struct ways {
  struct http1_head head;
  struct http1_field fields[WAYS_FIELDS];
};

void ways_init(void);
void ways_fini(void);

/* The same as the set-up and the tear-down of a group of tests. */
int ways_set_up(void **state);
int ways_tear_down(void **state);

/* Parses the text at once into `w`; `asked` is for responses. The parser's result. */
ssize_t ways_parse(struct ways *w, enum ways_kind kind, enum http1_method asked,
                   const char *text, size_t len);

/* Checks that every way gives the result of parsing it at once. A prefix may
 * only be partial, or bad in the same way. That result. */
ssize_t ways_check(struct ways *w, enum ways_kind kind, const char *text, size_t len);

#endif
