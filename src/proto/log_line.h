/* A line of an access log: in the Common Log Format
 * (https://httpd.apache.org/docs/2.4/logs.html#common), or as a JSON object. What a client
 * has sent is escaped: no line can pretend to be two, or move a terminal's cursor. */
#ifndef PROTO_LOG_LINE_H
#define PROTO_LOG_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_STAMP = 26 }; /* 06/Nov/1994:08:49:37 +0000, or 1994-11-06T08:49:37Z */

/* Writes the time of `time`, seconds since 1970, and a NUL. */
void log_line_stamp(int64_t time, bool json, char out[LOG_LINE_STAMP + 1]);

/* Copies the text with \x22 for '"', '\' and what is not printable ASCII. `out` has four
 * bytes for each of the text's. The bytes written. */
size_t log_line_escape(const char *text, size_t len, char *out);

struct log_line {
  const char *host;   /* "": it has none; in JSON with the port */
  const char *stamp;  /* as log_line_stamp gives it */
  const char *method; /* NULL: the head was none */
  const char *target; /* as it came */
  size_t method_len, target_len;
  int minor; /* HTTP/1.0: 0; 1.1: 1 */
  int status;
  uint64_t bytes; /* of the body */
  /* in JSON only */
  int64_t micros;   /* microseconds that it took; -1: not known */
  const char *more; /* further members, as log_line_member writes them; may be NULL */
  size_t more_len;
};

/* As many bytes at most will the line have, its LF included. */
size_t log_line_max(const struct log_line *l);

/* Writes it. The bytes written. */
size_t log_line_common(const struct log_line *l, char *out);
size_t log_line_json(const struct log_line *l, char *out);

/* Writes a member of a JSON object, a comma before it. Text that is no UTF-8 is escaped as
 * log_line_escape does. `out` has log_line_member_max bytes. The bytes written. */
size_t log_line_member(const char *name, const char *text, size_t len, char *out);
size_t log_line_member_max(const char *name, size_t len);

#endif
