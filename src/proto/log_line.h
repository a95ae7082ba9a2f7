/* A line of an access log in the Common Log Format
 * (https://httpd.apache.org/docs/2.4/logs.html#common). What a client has sent is escaped:
 * no line can pretend to be two, or move a terminal's cursor. */
#ifndef PROTO_LOG_LINE_H
#define PROTO_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

enum { LOG_LINE_STAMP = 26 }; /* 06/Nov/1994:08:49:37 +0000 */

/* Writes the time of `time`, seconds since 1970, and a NUL. */
void log_line_stamp(int64_t time, char out[LOG_LINE_STAMP + 1]);

/* Copies the text with \x22 for '"', '\' and what is not printable ASCII. `out` has four
 * bytes for each of the text's. The bytes written. */
size_t log_line_escape(const char *text, size_t len, char *out);

struct log_line {
  const char *host;   /* "": it has none */
  const char *stamp;  /* LOG_LINE_STAMP bytes */
  const char *method; /* NULL: the head was none */
  const char *target; /* as it came */
  size_t method_len, target_len;
  int minor; /* HTTP/1.0: 0; 1.1: 1 */
  int status;
  uint64_t bytes; /* of the body */
};

/* As many bytes at most will the line have, its LF included. */
size_t log_line_max(const struct log_line *l);

/* Writes it. The bytes written. */
size_t log_line_common(const struct log_line *l, char *out);

#endif
