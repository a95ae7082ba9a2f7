#include "proto/log_line.h"

#include <stdio.h>
#include <string.h>

#include "proto/http_date.h"

static unsigned month_of(const char *name) {
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  unsigned month = 0;
  while (month < 11 && memcmp(months + 3 * month, name, 3) != 0) month++;
  return month + 1;
}

void log_line_stamp(int64_t time, bool json, char out[LOG_LINE_STAMP + 1]) {
  char date[HTTP_DATE_LEN + 1]; /* Sun, 06 Nov 1994 08:49:37 GMT */
  http_date_format(time, date);
  if (json)
    snprintf(out, LOG_LINE_STAMP + 1, "%.4s-%02u-%.2sT%.8sZ", date + 12,
             month_of(date + 8), date + 5, date + 17);
  else
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
  enum { REST = 250, ESCAPED = 6 }; /* what stands between them, and numbers */
  return ESCAPED * (strlen(l->host) + l->method_len + l->target_len) + LOG_LINE_STAMP +
         l->more_len + REST;
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

/* --- JSON ------------------------------------------------------------------------------- */

/* The length of the sequence that begins at `s`, of the `n` bytes there; 0: it is none (RFC
 * 3629: no surrogate, nothing that a shorter one could say). */
static size_t sequence(const uint8_t *s, size_t n) {
  uint8_t low = 0x80, high = 0xbf;
  size_t len = s[0] < 0x80 ? 1 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
  if ((s[0] >= 0x80 && s[0] < 0xc2) || s[0] > 0xf4 || len > n) return 0;
  if (s[0] == 0xe0) low = 0xa0;
  if (s[0] == 0xed) high = 0x9f;
  if (s[0] == 0xf0) low = 0x90;
  if (s[0] == 0xf4) high = 0x8f;
  for (size_t i = 1; i < len; i++, low = 0x80, high = 0xbf)
    if (s[i] < low || s[i] > high) return 0;
  return len;
}

static bool is_utf8(const char *text, size_t len) {
  const uint8_t *s = (const uint8_t *)text;
  for (size_t at = 0, n; at < len; at += n)
    if (!(n = sequence(s + at, len - at))) return false;
  return true;
}

static char *put_hex(char *out, const char *prefix, uint8_t c) {
  out = put(out, prefix, strlen(prefix));
  *out++ = "0123456789abcdef"[c >> 4];
  *out++ = "0123456789abcdef"[c & 15];
  return out;
}

static char *put_text(char *out, const char *text, size_t len) {
  bool utf8 = is_utf8(text, len);
  *out++ = '"';
  for (size_t i = 0; i < len; i++) {
    uint8_t c = (uint8_t)text[i];
    bool marks = c == '"' || c == '\\';
    if (!utf8 && (marks || c < 0x20 || c >= 0x7f)) {
      out = put_hex(out, "\\\\x", c);
    } else if (c < 0x20 || c == 0x7f) {
      out = put_hex(out, "\\u00", c);
    } else {
      if (marks) *out++ = '\\';
      *out++ = text[i];
    }
  }
  *out++ = '"';
  return out;
}

size_t log_line_member_max(const char *name, size_t len) {
  return strlen(name) + 6 * len + 8;
}

/* A comma, the name, a colon. */
static char *put_name(char *out, const char *name) {
  out = put(out, ",\"", 2);
  out = put(out, name, strlen(name));
  return put(out, "\":", 2);
}

size_t log_line_member(const char *name, const char *text, size_t len, char *out) {
  return (size_t)(put_text(put_name(out, name), text, len) - out);
}

static char *put_micros(char *out, uint64_t micros) {
  char digits[6];
  out = put_number(out, micros / 1000000);
  micros %= 1000000;
  for (int i = 5; i >= 0; i--, micros /= 10) digits[i] = (char)('0' + micros % 10);
  *out++ = '.';
  return put(out, digits, sizeof digits);
}

size_t log_line_json(const struct log_line *l, char *out) {
  char *at = put(out, "{\"time\":\"", 9);
  at = put(at, l->stamp, strlen(l->stamp));
  *at++ = '"';
  if (*l->host) at = put_text(put_name(at, "peer"), l->host, strlen(l->host));
  if (l->method) {
    at = put_text(put_name(at, "method"), l->method, l->method_len);
    at = put_text(put_name(at, "target"), l->target, l->target_len);
    at = put_text(put_name(at, "version"), l->minor ? "1.1" : "1.0", 3);
  }
  at = put_number(put_name(at, "status"), (uint64_t)l->status);
  at = put_number(put_name(at, "bytes"), l->bytes);
  if (l->method && l->micros >= 0)
    at = put_micros(put_name(at, "seconds"), (uint64_t)l->micros);
  if (l->more_len) at = put(at, l->more, l->more_len);
  at = put(at, "}\n", 2);
  return (size_t)(at - out);
}
