#include "proto/log_line.h"

#include <stdio.h>
#include <string.h>

#include "proto/http_date.h"

void log_line_stamp(int64_t time, char out[LOG_LINE_STAMP + 1]) {
  char date[HTTP_DATE_LEN + 1]; /* Sun, 06 Nov 1994 08:49:37 GMT */
  http_date_format(time, date);
  snprintf(out, LOG_LINE_STAMP + 1, "%.2s/%.3s/%.4s:%.8s +0000", date + 5, date + 8,
           date + 12, date + 17);
}

size_t log_line_escape(const char *text, size_t len, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    uint8_t c = (uint8_t)text[i];
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      out[n++] = text[i];
      continue;
    }
    out[n++] = '\\';
    out[n++] = 'x';
    out[n++] = "0123456789abcdef"[c >> 4];
    out[n++] = "0123456789abcdef"[c & 15];
  }
  return n;
}

static char *put(char *out, const char *text, size_t len) {
  memcpy(out, text, len);
  return out + len;
}

static char *put_number(char *out, uint64_t n) {
  char digits[20];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + n % 10);
  while (n /= 10);
  return put(out, digits + at, sizeof digits - at);
}

static char *put_request(char *out, const struct log_line *l) {
  if (!l->method) return put(out, "-", 1);
  out += log_line_escape(l->method, l->method_len, out);
  *out++ = ' ';
  out += log_line_escape(l->target, l->target_len, out);
  return put(out, l->minor ? " HTTP/1.1" : " HTTP/1.0", 9);
}

size_t log_line_max(const struct log_line *l) {
  enum { REST = 100 }; /* what stands between them, and two numbers */
  return strlen(l->host) + LOG_LINE_STAMP + 4 * (l->method_len + l->target_len) + REST;
}

size_t log_line_common(const struct log_line *l, char *out) {
  char *at = out;
  at = *l->host ? put(at, l->host, strlen(l->host)) : put(at, "-", 1);
  at = put(at, " - - [", 6);
  at = put(at, l->stamp, LOG_LINE_STAMP);
  at = put(at, "] \"", 3);
  at = put_request(at, l);
  at = put(at, "\" ", 2);
  at = put_number(at, (uint64_t)l->status);
  *at++ = ' ';
  at = l->bytes ? put_number(at, l->bytes) : put(at, "-", 1);
  *at++ = '\n';
  return (size_t)(at - out);
}
