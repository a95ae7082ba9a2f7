/* URLs for a client: read, and resolved against the one before. */
#include <string.h>

#include "proto/char.h"
#include "proto/uri.h"

static int refuse(const char **why, const char *text) {
  *why = text;
  return -1;
}

/* The length of "scheme:" at the text's begin, or 0. */
static size_t scheme_len(const char *text, size_t len) {
  size_t i = 0;
  while (i < len && char_is(text[i], CHAR_UNRESERVED | CHAR_HOST) && text[i] != '%') i++;
  char first = len ? char_lower(text[0]) : 0;
  return i < len && text[i] == ':' && first >= 'a' && first <= 'z' ? i + 1 : 0;
}

static size_t find_any(const char *text, size_t from, size_t len, const char *set) {
  while (from < len && (text[from] == '\0' || !strchr(set, text[from]))) from++;
  return from;
}

static struct slice run(size_t from, size_t to) {
  return (struct slice){(uint32_t)from, (uint32_t)(to - from)};
}

int uri_parse(const char *text, size_t len, struct uri *u, const char **why) {
  size_t scheme = scheme_len(text, len);
  bool https = char_same(text, scheme, "https:");
  if (len > INT32_MAX) return refuse(why, "it is too long");
  if (!https && !char_same(text, scheme, "http:"))
    return refuse(why, "it does not begin with http:// or https://");
  if (len < scheme + 2 || memcmp(text + scheme, "//", 2) != 0)
    return refuse(why, "no // follows the scheme");
  size_t at = scheme + 2, stop = find_any(text, at, len, "/?#");
  if (memchr(text + at, '@', stop - at))
    return refuse(why, "a user name in a URL is refused");
  struct uri_authority a;
  if (uri_authority(text + at, stop - at, &a) < 0 || a.port == 0)
    return refuse(why, "the host or the port is invalid");
  if (!a.host.len) return refuse(why, "it names no host");
  size_t end = find_any(text, stop, len, "#");
  if (char_run(text + stop, end - stop, CHAR_TARGET) != end - stop)
    return refuse(why, "a byte in it has to be percent-encoded");
  *u = (struct uri){
      .https = https,
      .authority = run(at, stop),
      .host = {(uint32_t)at + a.host.at, a.host.len},
      .port = a.port > 0 ? a.port
              : https    ? 443
                         : 80,
      .path = run(stop, find_any(text, stop, end, "?")),
      .target = run(stop, end),
  };
  return 0;
}

/* Removes "." and ".." segments from a path that begins with '/', in place (RFC 3986
 * section 5.2.4). The new length. */
static size_t remove_dots(char *path, size_t len) {
  size_t n = 0, end;
  for (size_t i = 0; i < len; i = end) {
    for (end = i + 1; end < len && path[end] != '/'; end++) continue;
    size_t segment = end - i - 1;
    bool one = segment == 1 && path[i + 1] == '.';
    bool two = segment == 2 && path[i + 1] == '.' && path[i + 2] == '.';
    if (two)
      while (n > 0 && path[--n] != '/') continue;
    if (one || two) {
      if (end == len) path[n++] = '/';
      continue;
    }
    memmove(path + n, path + i, segment + 1);
    n += segment + 1;
  }
  return n;
}

static size_t put(char *out, size_t n, const char *text, size_t len) {
  if (len) memmove(out + n, text, len);
  return n + len;
}

ssize_t uri_resolve(const char *base, size_t base_len, const char *text, size_t len,
                    char *out) {
  struct uri u;
  const char *why;
  if (uri_parse(base, base_len, &u, &why) < 0) return -1;
  len = find_any(text, 0, len, "#");
  if (scheme_len(text, len)) return (ssize_t)put(out, 0, text, len);
  size_t prefix = u.authority.at + u.authority.len;
  if (len > 1 && memcmp(text, "//", 2) == 0) /* a host of its own, the scheme stays */
    return (ssize_t)put(out, put(out, 0, base, u.authority.at - 2), text, len);
  size_t n = put(out, 0, base, prefix);
  size_t path_end = find_any(text, 0, len, "?"); /* of the reference's own path */
  if (path_end == 0) {
    bool keep = len == 0; /* nothing: the base's query too */
    n = put(out, n, base + prefix, keep ? u.target.len : u.path.len);
    return (ssize_t)put(out, n, text, len);
  }
  if (text[0] != '/') { /* beside the base's last segment */
    size_t directory = u.path.len;
    while (directory > 0 && base[u.path.at + directory - 1] != '/') directory--;
    n = directory ? put(out, n, base + prefix, directory) : put(out, n, "/", 1);
  }
  n = put(out, n, text, path_end);
  n = prefix + remove_dots(out + prefix, n - prefix);
  return (ssize_t)put(out, n, text + path_end, len - path_end);
}
