#include "proto/uri.h"

#include <string.h>

#include "proto/char.h"

/* ---- authority ---- */

/* A port; an empty one is as good as none (RFC 3986 section 3.2.3). */
static int read_port(const char *text, size_t len, int *port) {
  if (len == 0) return 0;
  int64_t n = char_number(text, len);
  if (n < 0 || n > 65535) return -1;
  *port = (int)n;
  return 0;
}

static size_t ipv6_run(const char *text, size_t len) {
  size_t i = 0;
  while (i < len && (char_hex(text[i]) >= 0 || text[i] == ':' || text[i] == '.')) i++;
  return i;
}

/* A name's run, with well-formed percent-encoding in it. */
static size_t name_run(const char *text, size_t len) {
  size_t i = 0;
  while (i < len) {
    if (char_is(text[i], CHAR_HOST))
      i++;
    else if (len - i > 2 && text[i] == '%' && char_hex(text[i + 1]) >= 0 &&
             char_hex(text[i + 2]) >= 0)
      i += 3;
    else
      break;
  }
  return i;
}

int uri_authority(const char *text, size_t len, struct uri_authority *a) {
  size_t i;
  struct uri_authority read = {.port = -1};
  if (len > 0 && text[0] == '[') {
    size_t run = ipv6_run(text + 1, len - 1);
    read.host = (struct slice){1, (uint32_t)run};
    i = run + 1;
    if (run < 2 || i == len || text[i] != ']') return -1;
    i++;
  } else {
    i = name_run(text, len);
    read.host = (struct slice){0, (uint32_t)i};
  }
  if (i < len) {
    if (text[i] != ':' || read_port(text + i + 1, len - i - 1, &read.port) < 0) return -1;
  }
  *a = read;
  return 0;
}

/* ---- percent-encoding ---- */

/* The byte that the escape at `text` means, or -1. */
static int escape(const char *text, size_t len) {
  if (len < 3) return -1;
  int high = char_hex(text[1]), low = char_hex(text[2]);
  return high < 0 || low < 0 ? -1 : high << 4 | low;
}

ssize_t uri_decode(const char *text, size_t len, enum uri_escapes escapes, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c == '%') {
      int byte = escape(text + i, len - i);
      if (byte < 0) return -1;
      c = (char)byte;
      i += 2;
    } else if (c == '+' && escapes == URI_FORM) {
      c = ' ';
    }
    out[n++] = c;
  }
  return (ssize_t)n;
}

size_t uri_encode(const char *text, size_t len, enum uri_keep keep, char *out) {
  static const char digits[] = "0123456789ABCDEF";
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    uint8_t c = (uint8_t)text[i];
    if (char_is(text[i], CHAR_UNRESERVED) || (c == '/' && keep == URI_KEEP_SLASH)) {
      out[n++] = text[i];
    } else {
      out[n++] = '%';
      out[n++] = digits[c >> 4];
      out[n++] = digits[c & 15];
    }
  }
  return n;
}

/* ---- paths ---- */

/* A byte that no path for a file system may hold, before or after decoding. */
static bool is_unfit(char c) {
  return (uint8_t)c < ' ' || c == 0x7f || c == '\\';
}

/* Decodes into `out`, where slashes are those that were slashes before. */
static ssize_t decode_path(const char *text, size_t len, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    if (c == '%') {
      int byte = escape(text + i, len - i);
      if (byte < 0) return URI_PATH_ESCAPE;
      if (byte == '/') return URI_PATH_BYTE;
      c = (char)byte;
      i += 2;
    }
    if (is_unfit(c)) return URI_PATH_BYTE;
    out[n++] = c;
  }
  return (ssize_t)n;
}

ssize_t uri_path(const char *text, size_t len, char *out) {
  if (len == 0 || text[0] != '/') return URI_PATH_RELATIVE;
  ssize_t decoded = decode_path(text, len, out);
  if (decoded < 0) return decoded;
  size_t n = 0, end;
  for (size_t i = 0; i < (size_t)decoded; i = end) {
    for (end = i + 1; end < (size_t)decoded && out[end] != '/'; end++) continue;
    size_t segment = end - i - 1; /* behind the slash at i */
    if (segment == 2 && out[i + 1] == '.' && out[i + 2] == '.') return URI_PATH_UP;
    if (segment == 0 || (segment == 1 && out[i + 1] == '.')) {
      if (end == (size_t)decoded) out[n++] = '/';
      continue;
    }
    memmove(out + n, out + i, segment + 1);
    n += segment + 1;
  }
  return (ssize_t)n;
}

bool uri_path_is_hidden(const char *path, size_t len) {
  for (size_t i = 1; i < len; i++)
    if (path[i] == '.' && path[i - 1] == '/') return true;
  return false;
}

/* ---- queries and forms ---- */

bool uri_pair(const char *text, size_t len, size_t *at, struct slice *name,
              struct slice *value) {
  size_t i = *at;
  while (i < len && text[i] == '&') i++;
  if (i >= len) {
    *at = i;
    return false;
  }
  const char *mark = memchr(text + i, '&', len - i);
  size_t end = mark ? (size_t)(mark - text) : len;
  const char *equals = memchr(text + i, '=', end - i);
  size_t stop = equals ? (size_t)(equals - text) : end;
  *name = (struct slice){(uint32_t)i, (uint32_t)(stop - i)};
  size_t from = equals ? stop + 1 : end;
  *value = (struct slice){(uint32_t)from, (uint32_t)(end - from)};
  *at = end;
  return true;
}
