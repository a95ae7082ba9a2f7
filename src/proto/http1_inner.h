/* What the files of http1.h share: the head's lines are cut by http1_head.c, the first one
 * is read by http1_start.c, and http1_meaning.c draws the message's meaning from fields.
 * Each function here gives 0, or -rule with `bad_at` set. */
#ifndef PROTO_HTTP1_INNER_H
#define PROTO_HTTP1_INNER_H

#include "proto/http1.h"

/* The bits of `known`. */
enum {
  KNOWN_START = 1 << 0, /* the first line is through */
  KNOWN_HOST = 1 << 1,
  KNOWN_LENGTH = 1 << 2,
  KNOWN_CODING = 1 << 3,
  KNOWN_CLOSE = 1 << 4,   /* options of Connection: close, */
  KNOWN_KEEP = 1 << 5,    /* keep-alive, */
  KNOWN_SWITCH = 1 << 6,  /* upgrade */
  KNOWN_UPGRADE = 1 << 7, /* the field Upgrade */
};

static inline int http1_bad(struct http1_head *h, uint32_t at, enum http1_rule rule) {
  h->bad_at = at;
  return -(int)rule;
}

/* The first line, from `at` to `end`, has no control byte but HTAB. */
int http1_request_line(struct http1_head *h, const char *bytes, uint32_t at,
                       uint32_t end);
int http1_status_line(struct http1_head *h, const char *bytes, uint32_t at, uint32_t end);

/* Splits h->target by its form (RFC 9112 section 3.2). */
int http1_split_target(struct http1_head *h, const char *bytes);

/* Whether a field says something about the message itself; only such are looked at. */
static inline bool http1_has_meaning(enum http1_field_id id) {
  switch (id) {
  case HTTP1_FIELD_CONNECTION:
  case HTTP1_FIELD_CONTENT_LENGTH:
  case HTTP1_FIELD_EXPECT:
  case HTTP1_FIELD_HOST:
  case HTTP1_FIELD_TRANSFER_ENCODING:
  case HTTP1_FIELD_UPGRADE: return true;
  default: return false;
  }
}

/* A field of a request or a response, in turn. */
typedef int http1_judge(struct http1_head *h, const char *bytes,
                        const struct http1_field *f, bool lenient);
http1_judge http1_request_field, http1_response_field;

/* After the last field. */
int http1_request_end(struct http1_head *h);
void http1_response_end(struct http1_head *h, enum http1_method asked);

#endif
