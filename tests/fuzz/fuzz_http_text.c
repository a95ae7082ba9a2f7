/* Fuzz target: the texts of HTTP. The first byte chooses a reader: URIs, dates, ranges,
 * values of fields, lines of a log. Results lie inside their bounds; what is written reads back the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/http_date.h"
#include "proto/http_range.h"
#include "proto/http_value.h"
#include "proto/log_line.h"
#include "proto/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(struct slice s, size_t end) {
  assert(s.at <= end && s.len <= end - s.at);
}

/* A buffer of exactly `len` bytes, so that the sanitizer sees a write beyond it. */
static char *room(size_t len) {
  char *p = malloc(len ? len : 1);
  assert(p);
  return p;
}

static void fuzz_path(const char *text, size_t len) {
  char *out = room(len);
  ssize_t n = uri_path(text, len, out);
  assert(n >= URI_PATH_UP && n != 0 && n <= (ssize_t)len);
  if (n > 0) {
    assert(out[0] == '/' && !memchr(out, 0, (size_t)n));
    assert(!memmem(out, (size_t)n, "//", 2) && !memmem(out, (size_t)n, "/./", 3));
    assert(!memmem(out, (size_t)n, "/../", 4));
    assert(n < 3 || memcmp(out + n - 3, "/..", 3) != 0);
    uri_path_is_hidden(out, (size_t)n);
    char *encoded = room((size_t)n * 3), *again = room((size_t)n * 3);
    size_t m = uri_encode(out, (size_t)n, URI_KEEP_SLASH, encoded);
    assert(uri_path(encoded, m, again) == n && memcmp(again, out, (size_t)n) == 0);
    free(encoded);
    free(again);
  }
  free(out);
}

static void fuzz_encode(const char *text, size_t len) {
  char *out = room(len * 3), *back = room(len * 3);
  size_t n = uri_encode(text, len, URI_KEEP_NONE, out);
  assert(n >= len && n <= 3 * len);
  assert(uri_decode(out, n, URI_FORM, back) == (ssize_t)len);
  assert(memcmp(back, text, len) == 0);
  ssize_t d = uri_decode(text, len, URI_FORM, back);
  assert(d >= -1 && d <= (ssize_t)len);
  struct slice name, value;
  size_t last = 0;
  for (size_t at = 0; uri_pair(text, len, &at, &name, &value); last = at) {
    assert(at > last && at <= len);
    check_slice(name, len);
    check_slice(value, len);
    assert(!memchr(text + value.at, '&', value.len));
  }
  free(out);
  free(back);
}

static void fuzz_url(const char *text, size_t len) {
  static const char base[] = "http://a.b:81/c/d?e";
  struct uri u;
  const char *why = NULL;
  if (uri_parse(text, len, &u, &why) == 0) {
    check_slice(u.authority, len);
    check_slice(u.host, len);
    check_slice(u.path, len);
    check_slice(u.target, len);
    assert(u.host.len > 0 && u.port > 0 && u.port <= 65535);
  } else {
    assert(why && *why);
  }
  char *out = room(sizeof base - 1 + len + 2);
  ssize_t n = uri_resolve(base, sizeof base - 1, text, len, out);
  assert(n >= 0 && n <= (ssize_t)(sizeof base - 1 + len + 2));
  free(out);
}

static void fuzz_date(const char *text, size_t len) {
  int64_t time, again;
  char out[HTTP_DATE_LEN + 1];
  if (http_date_parse(text, len, 1700000000, &time) == 0) {
    http_date_format(time, out);
    assert(http_date_parse(out, HTTP_DATE_LEN, 0, &again) == 0);
    assert(again == time || time == 253402300800); /* a leap second of year 9999 */
  }
  if (len < sizeof time) return;
  memcpy(&time, text, sizeof time);
  http_date_format(time, out);
  assert(http_date_parse(out, HTTP_DATE_LEN, 0, &again) == 0);
}

static void fuzz_range(const char *text, size_t len) {
  static const int64_t sizes[] = {0, 1, 1000, INT64_MAX};
  struct http_range ranges[HTTP_RANGE_MAX], r;
  char out[HTTP_RANGE_TEXT];
  int64_t size;
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    int n = http_range_parse(text, len, sizes[i], ranges);
    assert(n >= HTTP_RANGE_PAST && n <= HTTP_RANGE_MAX);
    for (int k = 0; k < n; k++) {
      assert(ranges[k].first >= 0 && ranges[k].first <= ranges[k].last);
      assert(ranges[k].last < sizes[i]);
      size_t m = http_range_format(&ranges[k], sizes[i], out);
      assert(http_range_content(out, m, &r, &size) == 0);
      assert(r.first == ranges[k].first && r.last == ranges[k].last && size == sizes[i]);
    }
    if (n > 0) assert(http_range_total(ranges, n) > 0);
  }
  if (http_range_content(text, len, &r, &size) == 0)
    assert(r.first >= 0 && r.first <= r.last && (size == -1 || r.last < size));
}

static void fuzz_value(const char *text, size_t len) {
  struct slice e, name, value;
  char *out = room(len), boundary[HTTP_BOUNDARY_MAX];
  for (size_t at = 0, last = 0; http_value_next(text, len, &at, &e); last = at) {
    assert(at > last && e.len > 0);
    check_slice(e, len);
  }
  size_t at, last;
  check_slice(http_value_first(text, len, &at), len);
  struct http_param p;
  for (last = at; http_value_param(text, len, &at, &p) > 0; last = at) {
    assert(at > last && at <= len && p.name.len > 0);
    check_slice(p.name, len);
    check_slice(p.value, len);
  }
  http_value_first(text, len, &at);
  int n = http_value_find(text, len, at, "name", out);
  assert(n >= -1 && n <= (int)len);
  n = http_value_boundary(text, len, boundary);
  assert(n >= -1 && n <= HTTP_BOUNDARY_MAX);
  n = http_value_quality(text, len, "gzip");
  assert(n >= 0 && n <= 1000);
  if (http_value_has_etag(text, len, "\"a\"", 3, false))
    assert(http_value_has_etag(text, len, "W/\"a\"", 5, true));
  for (at = last = 0; http_value_cookie(text, len, &at, &name, &value); last = at) {
    assert(at > last && name.len > 0);
    check_slice(name, len);
    check_slice(value, len);
  }
  free(out);
}

static void fuzz_log(const char *text, size_t len) {
  const char *space = memchr(text, ' ', len);
  size_t method = space ? (size_t)(space - text) : len;
  struct log_line l = {
      .host = "::1",
      .stamp = "06/Nov/1994:08:49:37 +0000",
      .method = text,
      .method_len = method,
      .target = text + method,
      .target_len = len - method,
      .status = 200,
      .bytes = len,
  };
  size_t max = log_line_max(&l);
  char *out = room(max);
  size_t n = log_line_common(&l, out);
  assert(n > 0 && n <= max);
  assert(memchr(out, '\n', n) == out + n - 1);
  for (size_t i = 0; i + 1 < n; i++) assert(out[i] >= ' ' && out[i] < 0x7f);
  l.micros = (int64_t)len;
  n = log_line_json(&l, out);
  assert(n > 0 && n <= max);
  assert(memchr(out, '\n', n) == out + n - 1);
  for (size_t i = 0; i + 1 < n; i++) assert((uint8_t)out[i] >= ' ' && out[i] != 0x7f);
  free(out);
  char *member = room(log_line_member_max("x", len));
  n = log_line_member("x", text, len, member);
  assert(n <= log_line_member_max("x", len));
  free(member);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const readers[])(const char *, size_t) = {
      fuzz_path, fuzz_encode, fuzz_url, fuzz_date, fuzz_range, fuzz_value, fuzz_log,
  };
  if (size < 1) return 0;
  readers[data[0] % (sizeof readers / sizeof *readers)]((const char *)data + 1, size - 1);
  return 0;
}
