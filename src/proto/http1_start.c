/* The first line: request lines with their targets, status lines. */
#include <string.h>

#include "proto/http1_inner.h"
#include "proto/char.h"
#include "proto/uri.h"

enum { VERSION_LEN = 8 }; /* HTTP/1.1 */

/* A version of eight bytes at `at`. */
static int read_version(struct http1_head *h, const char *bytes, uint32_t at) {
  const char *v = bytes + at;
  if (memcmp(v, "HTTP/", 5) != 0 || !char_is_digit(v[5]) || v[6] != '.' ||
      !char_is_digit(v[7]))
    return http1_bad(h, at, HTTP1_BAD_VERSION);
  if (v[5] != '1') return http1_bad(h, at, HTTP1_BAD_VERSION_UNKNOWN);
  h->minor = v[7] == '0' ? 0 : 1;
  return 0;
}

static enum http1_method method_id(const char *text, size_t len) {
  if (len == 3 && memcmp(text, "GET", 3) == 0) return HTTP1_GET; /* nearly all are */
  for (int id = HTTP1_METHOD_OTHER + 1; id < HTTP1_METHODS; id++) {
    const char *name = http1_method_name(id);
    if (strncmp(name, text, len) == 0 && name[len] == '\0') return id;
  }
  return HTTP1_METHOD_OTHER;
}

int http1_request_line(struct http1_head *h, const char *bytes, uint32_t at,
                       uint32_t end) {
  uint32_t stop = at + (uint32_t)char_run(bytes + at, end - at, CHAR_TOKEN);
  if (stop == at || (stop < end && bytes[stop] != ' '))
    return http1_bad(h, stop, HTTP1_BAD_METHOD);
  h->method = (struct slice){at, stop - at};
  h->method_id = method_id(bytes + at, stop - at);
  at = stop + (stop < end);
  stop = at + (uint32_t)char_run(bytes + at, end - at, CHAR_TARGET);
  if (stop < end && bytes[stop] != ' ') return http1_bad(h, stop, HTTP1_BAD_TARGET);
  if (stop == at || stop == end) return http1_bad(h, stop, HTTP1_BAD_REQUEST_LINE);
  h->target = (struct slice){at, stop - at};
  at = stop + 1;
  if (end - at != VERSION_LEN) return http1_bad(h, at, HTTP1_BAD_VERSION);
  int r = read_version(h, bytes, at);
  return r < 0 ? r : http1_split_target(h, bytes);
}

/* The path and the query of the target's part from `at` on. */
static void split_path(struct http1_head *h, const char *bytes, uint32_t at) {
  uint32_t end = h->target.at + h->target.len;
  const char *mark = memchr(bytes + at, '?', end - at);
  uint32_t stop = mark ? (uint32_t)(mark - bytes) : end;
  h->path = (struct slice){at, stop - at};
  if (mark) h->query = (struct slice){stop + 1, end - stop - 1};
}

static int split_absolute(struct http1_head *h, const char *bytes) {
  const char *text = bytes + h->target.at;
  uint32_t len = h->target.len, at;
  if (len > 7 && char_same(text, 7, "http://"))
    at = 7;
  else if (len > 8 && char_same(text, 8, "https://"))
    at = 8;
  else
    return http1_bad(h, h->target.at, HTTP1_BAD_TARGET);
  uint32_t stop = at;
  while (stop < len && text[stop] != '/' && text[stop] != '?') stop++;
  struct uri_authority a;
  if (uri_authority(text + at, stop - at, &a) < 0 || !a.host.len)
    return http1_bad(h, h->target.at + at, HTTP1_BAD_TARGET);
  h->form = HTTP1_ABSOLUTE;
  h->host = (struct slice){h->target.at + at, stop - at};
  split_path(h, bytes, h->target.at + stop);
  return 0;
}

int http1_split_target(struct http1_head *h, const char *bytes) {
  const char *text = bytes + h->target.at;
  struct uri_authority a;
  if (h->method_id == HTTP1_CONNECT) {
    if (uri_authority(text, h->target.len, &a) < 0 || !a.host.len || a.port < 0)
      return http1_bad(h, h->target.at, HTTP1_BAD_TARGET);
    h->form = HTTP1_AUTHORITY;
    h->host = h->target;
  } else if (*text == '/') {
    h->form = HTTP1_ORIGIN;
    split_path(h, bytes, h->target.at);
  } else if (h->target.len == 1 && *text == '*' && h->method_id == HTTP1_OPTIONS) {
    h->form = HTTP1_ASTERISK;
  } else {
    return split_absolute(h, bytes);
  }
  return 0;
}

int http1_status_line(struct http1_head *h, const char *bytes, uint32_t at,
                      uint32_t end) {
  enum { CODE = VERSION_LEN + 1, REASON = CODE + 3 };
  const char *line = bytes + at;
  if (end - at < VERSION_LEN) return http1_bad(h, at, HTTP1_BAD_STATUS_LINE);
  int r = read_version(h, bytes, at);
  if (r < 0) return r;
  if (end - at < REASON || line[VERSION_LEN] != ' ')
    return http1_bad(h, at + VERSION_LEN, HTTP1_BAD_STATUS_LINE);
  int64_t status = char_number(line + CODE, 3);
  if (status < 100 || (end - at > REASON && line[REASON] != ' '))
    return http1_bad(h, at + CODE, HTTP1_BAD_STATUS_LINE);
  h->status = (int)status;
  uint32_t reason = at + REASON + (end - at > REASON);
  h->reason = (struct slice){reason, end - reason};
  return 0;
}
