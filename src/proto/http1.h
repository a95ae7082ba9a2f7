/* HTTP/1 messages: heads of requests and responses, chunked bodies, trailers.
 *
 * Pure functions on the caller's bytes: no I/O, no memory of their own, nothing copied. A
 * result is slices, offsets from the first byte of the head, so the buffer may move
 * between two calls and after the last one.
 *
 * Strict as RFC 9110 and RFC 9112 want: what two programs could read in two ways is bad.
 * The judgement does not depend on how the bytes were cut on their way: one byte at a time
 * gives what the whole gives, and costs time that grows with the bytes, not their square.
 *
 *   struct http1_field fields[100];
 *   static const struct http1_limits limits = HTTP1_LIMITS;
 *   struct http1_head head;
 *   http1_head_init(&head, fields, 100);
 *   for (;;) {
 *     ssize_t r = http1_request(&head, &limits, bytes, len);
 *     if (r > 0) break;                    // the body begins at bytes + r
 *     if (r < 0) return refuse(http1_rule(r)->status);
 *     len += receive(bytes + len);         // partial: more bytes, from the first on
 *   }
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/http1_field.h"
#include "proto/slice.h"

/* ---- what can be wrong ---- */

/* The rules, one row each: name, status to answer, RFC section, words. */
#define HTTP1_RULES(X) \
  X(METHOD, 400, "9112 3.1", "the method is not a token") \
  X(REQUEST_LINE, 400, "9112 3", "not method, space, target, space, version") \
  X(LINE_LONG, 414, "9112 3", "the request line is too long") \
  X(TARGET, 400, "9112 3.2", "the request target is invalid") \
  X(VERSION, 400, "9112 2.3", "the version is not HTTP/digit.digit") \
  X(VERSION_UNKNOWN, 505, "9110 2.5", "the major version is not 1") \
  X(STATUS_LINE, 502, "9112 4", "not version, space, status of three digits") \
  X(CONTROL, 400, "9110 5.5", "a control byte") \
  X(BARE_CR, 400, "9112 2.2", "CR without LF") \
  X(BARE_LF, 400, "9112 2.2", "LF without CR") \
  X(HEAD_LONG, 431, "6585 5", "the head is too long") \
  X(FIELDS_MANY, 431, "6585 5", "too many fields") \
  X(FIELD_NAME, 400, "9112 5.1", "a field name is empty or not a token") \
  X(FIELD_COLON, 400, "9112 5.1", "a field line without a colon after its name") \
  X(FOLD, 400, "9112 5.2", "a field line begins with white space") \
  X(HOST_MISSING, 400, "9112 3.2", "HTTP/1.1 without a Host field") \
  X(HOST_TWICE, 400, "9112 3.2", "two Host fields") \
  X(HOST, 400, "9112 3.2", "the Host field is invalid") \
  X(LENGTH, 400, "9112 6.3", "Content-Length is not a number below 2^63") \
  X(LENGTH_TWICE, 400, "9112 6.3", "two Content-Length fields") \
  X(LENGTH_AND_CODING, 400, "9112 6.1", "Content-Length and Transfer-Encoding") \
  X(CODING, 400, "9112 6.3", "Transfer-Encoding is not a list that chunked ends") \
  X(CODING_TWICE, 400, "9112 6.1", "two Transfer-Encoding fields") \
  X(CODING_UNKNOWN, 501, "9112 6.1", "a transfer coding other than chunked") \
  X(CODING_OLD, 400, "9112 6.1", "Transfer-Encoding in HTTP/1.0") \
  X(EXPECT, 417, "9110 10.1.1", "an expectation other than 100-continue") \
  X(CHUNK_SIZE, 400, "9112 7.1", "a chunk size is not a hexadecimal number below 2^63") \
  X(CHUNK_LINE, 400, "9112 7.1", "a chunk's size line is too long or holds junk") \
  X(CHUNK_END, 400, "9112 7.1", "no CRLF after a chunk's data") \
  X(CHUNK_EXTENSIONS, 431, "9112 7.1.1", "too many bytes of chunk extensions")

enum http1_rule {
  HTTP1_FINE,
#define X(name, status, section, text) HTTP1_BAD_##name,
  HTTP1_RULES(X)
#undef X
      HTTP1_RULE_COUNT
};

struct http1_rule_row {
  const char *name;    /* "HOST_TWICE" */
  const char *text;    /* one line in words */
  const char *section; /* RFC and section: "9112 3.2" */
  int status;          /* what a server answers, before it closes */
};

/* The row of a broken rule. Takes the negative result of the functions below or the
 * rule; never NULL. */
const struct http1_rule_row *http1_rule(ssize_t rule);

/* ---- heads ---- */

struct http1_limits {
  uint32_t line_max; /* bytes of the request or status line, without its CRLF: 414 */
  uint32_t head_max; /* bytes of the head: 431. At most HTTP1_HEAD_CAP */
  bool lenient;      /* responses only; see http1_response */
};
enum { HTTP1_HEAD_CAP = 1 << 30 };
#define HTTP1_LIMITS \
  { 8192, 16384, false }

struct http1_field {
  struct slice name;  /* as it came */
  struct slice value; /* without the white space around it; may be empty */
  enum http1_field_id id;
};

/* Case counts (RFC 9110 section 9.1). */
enum http1_method {
  HTTP1_METHOD_OTHER,
  HTTP1_GET,
  HTTP1_HEAD,
  HTTP1_POST,
  HTTP1_PUT,
  HTTP1_DELETE,
  HTTP1_CONNECT,
  HTTP1_OPTIONS,
  HTTP1_TRACE,
  HTTP1_PATCH,
  HTTP1_METHODS
};

/* The method's text ended by NUL; NULL for HTTP1_METHOD_OTHER. */
const char *http1_method_name(enum http1_method method);

/* The forms of a target (RFC 9112 section 3.2). */
enum http1_form {
  HTTP1_ORIGIN,    /* /path?query */
  HTTP1_ABSOLUTE,  /* http://host/path?query */
  HTTP1_AUTHORITY, /* host:port, with CONNECT only */
  HTTP1_ASTERISK,  /* *, with OPTIONS only */
};

/* Where the body ends (RFC 9112 section 6.3). */
enum http1_body {
  HTTP1_BODY_NONE,
  HTTP1_BODY_LENGTH, /* `content_length` bytes; may be 0 */
  HTTP1_BODY_CHUNKED,
  HTTP1_BODY_CLOSE, /* responses: until the peer ends the connection */
};

/* All slices count from the head's first byte. Results are set when a function returns
 * > 0, and mean nothing before. */
struct http1_head {
  /* requests */
  struct slice method, target;
  struct slice path;  /* of the target, raw; "/" may be absent in absolute form: len 0 */
  struct slice query; /* after the '?', raw; at 0 when there is no '?' */
  struct slice host;  /* host[:port] of the absolute form, else of Host; may be empty */
  enum http1_method method_id;
  enum http1_form form;
  bool expect_continue; /* Expect: 100-continue (RFC 9110 section 10.1.1) */

  /* responses */
  struct slice reason;
  int status; /* 100 to 999 */

  /* both */
  int minor; /* HTTP/1.0: 0; 1.1 and what a later minor version calls itself: 1 */
  enum http1_body body;
  int64_t content_length; /* of the field, -1 when there is none */
  bool keep_alive;        /* the peer lets the connection go on after this message */
  bool upgrade; /* asks for another protocol: Upgrade, and Connection: upgrade */
  uint32_t field_count;
  struct http1_field *fields; /* borrowed from the caller, in the order they came */

  /* bad */
  uint32_t bad_at; /* offset of the byte, or of the line, that broke the rule */

  /* between calls */
  uint32_t field_cap;
  uint32_t line;  /* where the line begins that is not complete */
  uint32_t seen;  /* no line ends between `line` and here */
  uint32_t known; /* what the lines so far have said: bits of http1_inner.h */
};

/* Begins a head. `fields` is the caller's, room for `cap` of them: one more field is bad
 * with FIELDS_MANY. */
void http1_head_init(struct http1_head *h, struct http1_field *fields, uint32_t cap);

/* A request's head. `bytes` are all bytes of the head so far, from its first on; a call
 * that follows a partial one has to give the same bytes and more behind them.
 * > 0: complete, so many bytes; the rest is the body's. 0: partial. < 0: bad, -rule, with
 * `bad_at`; the head is then of no use. Bytes behind the head are never looked at.
 * One empty line before the request line is passed over (RFC 9112 section 2.2). A target
 * may hold what browsers send raw (RFC 3986 would encode `[ ] { } | \ ^` and the grave
 * accent), but no space, control byte, byte above 0x7e, or any of `" # < >`. */
ssize_t http1_request(struct http1_head *h, const struct http1_limits *limits,
                      const char *bytes, size_t len);

/* A response's head; as http1_request. `asked` is the method of the request, since HEAD
 * and CONNECT change what follows (RFC 9112 section 6.3). A 1xx response (other than 101)
 * has no body and another head behind it.
 * A status line without the space before an absent reason is taken. `limits->lenient`
 * also takes lines that LF alone ends, white space before a field's colon, and repeated
 * Content-Length fields of one value. */
ssize_t http1_response(struct http1_head *h, const struct http1_limits *limits,
                       enum http1_method asked, const char *bytes, size_t len);

/* The trailer section behind the last chunk, its empty line included; as http1_request.
 * Sets `fields` and `field_count` alone. Fields of trailers are not to be merged into
 * those of the head (RFC 9110 section 6.5.1). */
ssize_t http1_trailers(struct http1_head *h, const struct http1_limits *limits,
                       const char *bytes, size_t len);

/* ---- chunked bodies ---- */

struct http1_chunks {
  uint64_t left;      /* bytes of the chunk's data that are still to come */
  uint32_t line;      /* bytes of the size line so far */
  uint32_t extra;     /* bytes of extensions so far, of the whole body */
  uint32_t extra_max; /* more of them are bad with CHUNK_EXTENSIONS */
  uint8_t state;      /* a state of http1_chunk.c */
};
enum { HTTP1_CHUNK_LINE_MAX = 256 }; /* bytes of a size line, extensions included */

enum http1_chunk {
  HTTP1_CHUNK_MORE, /* every byte was taken; the next come from the peer */
  HTTP1_CHUNK_DATA, /* `data` is a piece of the body, `used` ends where it ends */
  HTTP1_CHUNK_END,  /* the last chunk is through; http1_trailers reads what follows */
};

void http1_chunks_init(struct http1_chunks *c, uint32_t extra_max);

/* Takes bytes of a chunked body up to the end of the next piece of data. `*used` says how
 * many bytes it has taken; the caller gives the others again, and never those. `*data` is
 * the piece, counted from `bytes`. Returns an enum http1_chunk, or -rule with `*used` at
 * the offending byte. Never looks beyond the last chunk's line.
 *
 *   for (;;) {
 *     int r = http1_chunks_next(&chunks, bytes, len, &used, &data);
 *     if (r == HTTP1_CHUNK_DATA) take(bytes + data.at, data.len);
 *     bytes += used, len -= used;
 *     if (r != HTTP1_CHUNK_DATA) return r;
 *   }
 */
int http1_chunks_next(struct http1_chunks *c, const char *bytes, size_t len, size_t *used,
                      struct slice *data);

#endif
