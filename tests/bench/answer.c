/* Checks HTTP answers as they come. */
#include "bench/answer.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char length_name[] = "\r\ncontent-length:";

void answer_init(struct answer *a) {
  a->head_len = a->body_got = 0;
  a->in_body = 0;
  a->count++;
}

static int wrong(const char **why, const char *what) {
  *why = what;
  return -1;
}

/* The number after "Content-Length:", or -1. */
static long length_of(const char *head) {
  for (const char *at = strstr(head, "\r\n"); at; at = strstr(at + 2, "\r\n"))
    if (strncasecmp(at, length_name, sizeof length_name - 1) == 0)
      return atol(at + sizeof length_name - 1);
  return -1;
}

/* Takes bytes into the head; how many of them belonged to it, or -1. */
static long feed_head(struct answer *a, const char *bytes, size_t n, size_t body_len,
                      const char **why) {
  size_t before = a->head_len, room = ANSWER_HEAD_MAX - before;
  if (n > room) n = room;
  memcpy(a->head + before, bytes, n);
  a->head[before + n] = '\0';
  const char *from = a->head + (before > 3 ? before - 3 : 0);
  char *end = strstr(from, "\r\n\r\n");
  if (!end && n == room) return wrong(why, "the head is too long");
  if (!end) {
    a->head_len += n;
    return (long)n;
  }
  end[4] = '\0';
  a->in_body = 1;
  if (strncmp(a->head, "HTTP/1.1 200 ", 13) != 0)
    return wrong(why, "the status is not 200 of HTTP/1.1");
  if (length_of(a->head) != (long)body_len)
    return wrong(why, "Content-Length is not the body's");
  return end + 4 - a->head - (long)before;
}

/* How many of the n bytes of a piece are compared. */
static size_t compared(const struct answer *a, size_t n, size_t body_len) {
  bool whole = body_len <= ANSWER_LARGE || a->count % ANSWER_WHOLE == 1;
  return whole || n < ANSWER_BEGINNING ? n : ANSWER_BEGINNING;
}

int answer_feed(struct answer *a, const char *bytes, size_t n, const char *body,
                size_t body_len, const char **why) {
  if (!a->in_body) {
    long used = feed_head(a, bytes, n, body_len, why);
    if (used < 0) return -1;
    bytes += used;
    n -= (size_t)used;
  }
  if (!a->in_body) return 0;
  if (n > body_len - a->body_got) return wrong(why, "more came than was asked for");
  if (memcmp(bytes, body + a->body_got, compared(a, n, body_len)) != 0)
    return wrong(why, "the body has a wrong byte");
  a->body_got += n;
  return a->body_got == body_len;
}
