/* Checks HTTP answers as they come: status 200, a Content-Length that is the body's, and
 * each byte of the body. Comparing large bodies would take as long as serving them, and the
 * generator be what is measured: of those each eighth answer is compared whole, and of the
 * others the length and the beginning of each piece. It knows just what the bench's servers
 * answer; net.http has the real parser. */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stddef.h>

enum {
  ANSWER_HEAD_MAX = 2048,
  ANSWER_LARGE = 65536,  /* bodies above it are sampled: */
  ANSWER_WHOLE = 8,      /* one of so many answers is compared whole, ... */
  ANSWER_BEGINNING = 256 /* ... of the others so many bytes of a piece */
};

struct answer {
  unsigned count;  /* of the answers that have begun; 0 before the first */
  size_t head_len; /* bytes of the head so far */
  size_t body_got;
  int in_body;
  char head[ANSWER_HEAD_MAX + 1];
};

/* Forgets what came: the next answer begins. The struct is zeroed before the first. */
void answer_init(struct answer *a);

/* Takes n bytes. 1: complete with the last of them, 0: more is to come, -1: wrong, with
 * the reason in `*why`. */
int answer_feed(struct answer *a, const char *bytes, size_t n, const char *body,
                size_t body_len, const char **why);

#endif
