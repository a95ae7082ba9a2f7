/* Checks HTTP answers as they come: status 200, a Content-Length that is the body's, and
 * each byte of the body. It knows just what the bench's servers answer; net.http has the
 * real parser. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stddef.h>

enum { ANSWER_HEAD_MAX = 2048 };

struct answer {
  size_t head_len; /* bytes of the head so far */
  size_t body_got;
  int in_body;
  char head[ANSWER_HEAD_MAX + 1];
};

/* Forgets what came: the next answer begins. */
void answer_init(struct answer *a);

/* Takes n bytes. 1: complete with the last of them, 0: more is to come, -1: wrong, with
 * the reason in `*why`. */
int answer_feed(struct answer *a, const char *bytes, size_t n, const char *body,
                size_t body_len, const char **why);

#endif
