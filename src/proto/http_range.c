#include "proto/http_range.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/char.h"

static size_t digits(const char *text, size_t len) {
  size_t n = 0;
  while (n < len && char_is_digit(text[n])) n++;
  return n;
}

/* A number; one beyond 2^63 is the largest there is, since only sizes are compared to it.
 * Its digits are counted into `*at`. -1 where there is none. */
static int64_t read_number(const char *text, size_t len, size_t *at) {
  size_t n = digits(text + *at, len - *at);
  const char *from = text + *at;
  *at += n;
  if (n == 0) return -1;
  while (n > 1 && *from == '0') from++, n--;
  int64_t number = char_number(from, n);
  return number < 0 ? INT64_MAX : number;
}

enum spec { BAD, PAST, INSIDE };

/* One range-spec: first-last, first-, or -suffix. */
static enum spec read_spec(const char *text, size_t len, int64_t size,
                           struct http_range *range) {
  size_t at = 0;
  int64_t first = read_number(text, len, &at);
  if (at == len || text[at] != '-') return BAD;
  at++;
  int64_t last = read_number(text, len, &at);
  if (at != len || (first < 0 && last < 0)) return BAD;
  if (first < 0) { /* the last so many bytes */
    if (last == 0 || size == 0) return PAST;
    first = last < size ? size - last : 0;
    last = size - 1;
  } else if (last >= 0 && last < first) {
    return BAD;
  }
  if (first >= size) return PAST;
  if (last < 0 || last >= size) last = size - 1;
  *range = (struct http_range){first, last};
  return INSIDE;
}

int http_range_parse(const char *text, size_t len, int64_t size,
                     struct http_range out[HTTP_RANGE_MAX]) {
  static const char unit[] = "bytes=";
  size_t at = sizeof unit - 1;
  int count = 0, specs = 0;
  if (len < at || !char_same(text, at, unit)) return HTTP_RANGE_NONE;
  while (at <= len) {
    const char *comma = memchr(text + at, ',', len - at);
    size_t end = comma ? (size_t)(comma - text) : len, next = end + 1;
    while (at < end && char_is_blank(text[at])) at++;
    while (end > at && char_is_blank(text[end - 1])) end--;
    if (end > at) { /* a list may have empty elements (RFC 9110 section 5.6.1.2) */
      struct http_range range;
      enum spec spec = read_spec(text + at, end - at, size, &range);
      if (spec == BAD || ++specs > HTTP_RANGE_MAX) return HTTP_RANGE_NONE;
      if (spec == INSIDE) out[count++] = range;
    }
    at = next;
  }
  if (specs == 0) return HTTP_RANGE_NONE;
  return count ? count : HTTP_RANGE_PAST;
}

int64_t http_range_total(const struct http_range *ranges, int count) {
  int64_t total = 0;
  for (int i = 0; i < count; i++) {
    int64_t n = ranges[i].last - ranges[i].first + 1;
    if (__builtin_add_overflow(total, n, &total)) return INT64_MAX;
  }
  return total;
}

size_t http_range_format(const struct http_range *range, int64_t size,
                         char out[HTTP_RANGE_TEXT]) {
  int n = range
              ? snprintf(out, HTTP_RANGE_TEXT, "bytes %lld-%lld/%lld",
                         (long long)range->first, (long long)range->last, (long long)size)
              : snprintf(out, HTTP_RANGE_TEXT, "bytes */%lld", (long long)size);
  return (size_t)n;
}

int http_range_content(const char *text, size_t len, struct http_range *range,
                       int64_t *size) {
  static const char unit[] = "bytes ";
  size_t at = sizeof unit - 1;
  if (len < at || !char_same(text, at, unit)) return -1;
  int64_t first = read_number(text, len, &at);
  if (first < 0 || at == len || text[at++] != '-') return -1;
  int64_t last = read_number(text, len, &at);
  if (last < first || last == INT64_MAX || at == len || text[at++] != '/') return -1;
  bool unknown = len - at == 1 && text[at] == '*';
  int64_t whole = unknown ? -1 : read_number(text, len, &at);
  if (!unknown && (at != len || whole <= last)) return -1;
  *range = (struct http_range){first, last};
  *size = whole;
  return 0;
}
