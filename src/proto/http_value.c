#include "proto/http_value.h"

#include <stdint.h>
#include <string.h>

#include "proto/char.h"

static struct slice trim(const char *text, size_t from, size_t to) {
  while (from < to && char_is_blank(text[from])) from++;
  while (to > from && char_is_blank(text[to - 1])) to--;
  return (struct slice){(uint32_t)from, (uint32_t)(to - from)};
}

/* Behind the quoted string whose opening quote is at `at`; 0 when it never closes. */
static size_t skip_quoted(const char *text, size_t len, size_t at) {
  for (at++; at < len; at++) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') at++;
  }
  return 0;
}

/* The first `mark` from `at` on that no quotes enclose, or `len`. */
static size_t find_unquoted(const char *text, size_t len, size_t at, char mark) {
  while (at < len && text[at] != mark) {
    at = text[at] == '"' ? skip_quoted(text, len, at) : at + 1;
    if (at == 0) return len;
  }
  return at;
}

bool http_value_next(const char *text, size_t len, size_t *at, struct slice *element) {
  while (*at < len) {
    size_t end = find_unquoted(text, len, *at, ',');
    *element = trim(text, *at, end);
    *at = end + 1;
    if (element->len) return true;
  }
  return false;
}

/* ---- parameters ---- */

struct slice http_value_first(const char *text, size_t len, size_t *at) {
  *at = find_unquoted(text, len, 0, ';');
  return trim(text, 0, *at);
}

static size_t skip_blanks(const char *text, size_t len, size_t at) {
  while (at < len && char_is_blank(text[at])) at++;
  return at;
}

/* A token or a quoted string at `at`. Behind it, or 0. */
static size_t read_value(const char *text, size_t len, size_t at, struct http_param *p) {
  p->quoted = at < len && text[at] == '"';
  if (!p->quoted) {
    size_t run = char_run(text + at, len - at, CHAR_TOKEN);
    p->value = (struct slice){(uint32_t)at, (uint32_t)run};
    return run ? at + run : 0;
  }
  size_t end = skip_quoted(text, len, at);
  if (end == 0) return 0;
  p->value = (struct slice){(uint32_t)at + 1, (uint32_t)(end - at - 2)};
  return end;
}

int http_value_param(const char *text, size_t len, size_t *at, struct http_param *param) {
  size_t i = *at;
  for (;;) { /* a ';' may have nothing behind it (section 5.6.6) */
    i = skip_blanks(text, len, i);
    if (i >= len) return 0;
    if (text[i] != ';') return -1;
    i = skip_blanks(text, len, i + 1);
    if (i < len && text[i] != ';') break;
  }
  size_t run = char_run(text + i, len - i, CHAR_TOKEN);
  param->name = (struct slice){(uint32_t)i, (uint32_t)run};
  i += run;
  if (!run || i == len || text[i] != '=') return -1;
  i = read_value(text, len, i + 1, param);
  if (!i) return -1;
  *at = i;
  return 1;
}

size_t http_value_unescape(const char *text, size_t len, char *out) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '\\' && i + 1 < len) i++;
    out[n++] = text[i];
  }
  return n;
}

int http_value_find(const char *text, size_t len, size_t at, const char *name,
                    char *out) {
  struct http_param p;
  int found = -1, r;
  while ((r = http_value_param(text, len, &at, &p)) > 0) {
    if (!char_same(text + p.name.at, p.name.len, name)) continue;
    if (found >= 0) return -1;
    const char *value = text + p.value.at;
    if (p.quoted) {
      found = (int)http_value_unescape(value, p.value.len, out);
    } else {
      memcpy(out, value, p.value.len);
      found = (int)p.value.len;
    }
  }
  return r < 0 ? -1 : found;
}

/* bcharsnospace and inner spaces (RFC 2046 section 5.1.1). */
static bool is_boundary(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    char c = text[i];
    bool letter = (char_lower(c) >= 'a' && char_lower(c) <= 'z') || char_is_digit(c);
    if (!letter && (c == '\0' || !strchr("'()+_,-./:=? ", c))) return false;
  }
  return len > 0 && text[len - 1] != ' ';
}

int http_value_boundary(const char *text, size_t len, char out[HTTP_BOUNDARY_MAX]) {
  size_t at;
  struct slice type = http_value_first(text, len, &at);
  if (!char_same(text + type.at, type.len, "multipart/form-data")) return 0;
  struct http_param p;
  int found = -1, r;
  while ((r = http_value_param(text, len, &at, &p)) > 0) {
    if (!char_same(text + p.name.at, p.name.len, "boundary")) continue;
    const char *value = text + p.value.at; /* no boundary needs an escape */
    if (found >= 0 || p.value.len > HTTP_BOUNDARY_MAX || !is_boundary(value, p.value.len))
      return -1;
    memcpy(out, value, p.value.len);
    found = (int)p.value.len;
  }
  return r < 0 ? -1 : found;
}

/* ---- Accept-Encoding ---- */

/* A qvalue (section 12.4.2) times 1000, or -1. */
static int read_quality(const char *text, size_t len) {
  if (len < 1 || len > 5 || (text[0] != '0' && text[0] != '1')) return -1;
  int n = (text[0] - '0') * 1000, unit = 100;
  if (len > 1 && text[1] != '.') return -1;
  for (size_t i = 2; i < len; i++, unit /= 10) {
    if (!char_is_digit(text[i])) return -1;
    n += (text[i] - '0') * unit;
  }
  return n <= 1000 ? n : -1;
}

/* The quality of a list's element; 1000 where it tells none. */
static int element_quality(const char *text, size_t len, size_t at) {
  struct http_param p;
  int quality = 1000, r;
  while ((r = http_value_param(text, len, &at, &p)) > 0)
    if (char_same(text + p.name.at, p.name.len, "q"))
      quality = read_quality(text + p.value.at, p.value.len);
  return r < 0 ? -1 : quality;
}

int http_value_quality(const char *text, size_t len, const char *coding) {
  int named = -1, any = -1;
  struct slice e;
  for (size_t at = 0; http_value_next(text, len, &at, &e);) {
    const char *element = text + e.at;
    size_t params;
    struct slice name = http_value_first(element, e.len, &params);
    int quality = element_quality(element, e.len, params);
    if (quality < 0) continue;
    if (char_same(element + name.at, name.len, coding)) named = quality;
    if (char_same(element + name.at, name.len, "*")) any = quality;
  }
  if (named >= 0) return named;
  if (any >= 0) return any;
  return strcmp(coding, "identity") == 0 ? 1000 : 0;
}

/* ---- entity tags ---- */

/* The length of the entity tag at the text's begin, or 0. */
static size_t etag_len_at(const char *text, size_t len) {
  size_t i = len > 1 && text[0] == 'W' && text[1] == '/' ? 2 : 0;
  if (i == len || text[i] != '"') return 0;
  for (i++; i < len && text[i] != '"'; i++)
    if ((uint8_t)text[i] <= ' ' || text[i] == 0x7f) return 0;
  return i < len ? i + 1 : 0;
}

static bool same_etag(const char *a, size_t a_len, const char *b, size_t b_len,
                      bool weak) {
  bool a_weak = a_len && a[0] == 'W', b_weak = b_len && b[0] == 'W';
  if ((a_weak || b_weak) && !weak) return false;
  if (a_weak) a += 2, a_len -= 2;
  if (b_weak) b += 2, b_len -= 2;
  return a_len == b_len && memcmp(a, b, a_len) == 0;
}

bool http_value_has_etag(const char *text, size_t len, const char *etag, size_t etag_len,
                         bool weak) {
  struct slice all = trim(text, 0, len);
  if (all.len == 1 && text[all.at] == '*') return true;
  for (size_t at = all.at, end = all.at + all.len; at < end;) {
    if (text[at] == ',' || char_is_blank(text[at])) {
      at++;
      continue;
    }
    size_t n = etag_len_at(text + at, end - at);
    if (!n) return false;
    if (same_etag(text + at, n, etag, etag_len, weak)) return true;
    at += n;
    if (at < end && text[at] != ',' && !char_is_blank(text[at])) return false;
  }
  return false;
}

/* ---- cookies ---- */

bool http_value_cookie(const char *text, size_t len, size_t *at, struct slice *name,
                       struct slice *value) {
  while (*at < len) {
    size_t from = *at;
    const char *mark = memchr(text + from, ';', len - from);
    size_t end = mark ? (size_t)(mark - text) : len;
    *at = end + 1;
    const char *equals = memchr(text + from, '=', end - from);
    if (!equals) continue;
    *name = trim(text, from, (size_t)(equals - text));
    if (!name->len) continue;
    *value = trim(text, (size_t)(equals - text) + 1, end);
    const char *v = text + value->at;
    if (value->len > 1 && v[0] == '"' && v[value->len - 1] == '"')
      *value = (struct slice){value->at + 1, value->len - 2};
    return true;
  }
  return false;
}
