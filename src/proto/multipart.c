#include "proto/multipart.h"

#include <assert.h>
#include <string.h>

#include "proto/char.h"

enum state {
  BEGIN,      /* before the first boundary: "--boundary", without CRLF */
  AFTER_MARK, /* behind a boundary */
  HEAD,
  BODY,
  END,
};

void multipart_init(struct multipart *m, const char *boundary, size_t len,
                    uint32_t head_max) {
  assert(len >= 1 && len <= HTTP_BOUNDARY_MAX);
  *m = (struct multipart){.state = BEGIN, .head_max = head_max};
  memcpy(m->mark, "\r\n--", 4);
  memcpy(m->mark + 4, boundary, len);
  m->mark_len = (uint8_t)(len + 4);
}

enum { PADDING_MAX = 64 }; /* blanks behind a boundary; nobody sends any */

/* A step gives an enum multipart_result, or this: the state has changed, go on. */
enum { AGAIN = 100 };

static int move_on(struct multipart *m, enum state state) {
  m->state = state;
  return AGAIN;
}

/* The body begins with the boundary. A CRLF may precede it, as it does all others; a
 * preamble may not, since no form has one. */
static int begin(struct multipart *m, const char *bytes, size_t len, size_t *used) {
  size_t skip = len > 0 && bytes[0] == '\r' ? 0 : 2;
  size_t need = m->mark_len - skip, have = len < need ? len : need;
  if (memcmp(bytes, m->mark + skip, have) != 0) return MULTIPART_BAD_BOUNDARY;
  if (have < need) return MULTIPART_MORE;
  *used += need;
  return move_on(m, AFTER_MARK);
}

/* Behind a boundary: "--" ends the whole; else blanks (RFC 2046 section 5.1.1) and CRLF. */
static int after_mark(struct multipart *m, const char *bytes, size_t len, size_t *used) {
  size_t i = 0;
  while (i < len && char_is_blank(bytes[i])) i++;
  if (i > PADDING_MAX) return MULTIPART_BAD_BOUNDARY;
  bool last = i == 0 && len > 0 && bytes[0] == '-';
  if (i < len && bytes[i] != '\r' && !last) return MULTIPART_BAD_BOUNDARY;
  if (len - i >= 2 && bytes[i + 1] != (last ? '-' : '\n')) return MULTIPART_BAD_BOUNDARY;
  if (len - i < 2) return MULTIPART_MORE;
  *used += i + 2;
  return move_on(m, last ? END : HEAD);
}

/* The head ends with an empty line, which is its first when it has no fields. */
static int head(struct multipart *m, const char *bytes, size_t len, size_t *used,
                struct slice *piece) {
  static const char empty[] = "\r\n\r\n";
  size_t size;
  if (len >= 2 && memcmp(bytes, empty, 2) == 0) {
    size = 2;
  } else {
    const char *found = memmem(bytes, len, empty, 4);
    size = found ? (size_t)(found - bytes) + 4 : 0;
  }
  if (size > m->head_max || (!size && len >= m->head_max)) return MULTIPART_BAD_HEAD;
  if (!size) return MULTIPART_MORE;
  *piece = (struct slice){(uint32_t)*used, (uint32_t)size};
  *used += size;
  m->state = BODY;
  return MULTIPART_PART;
}

/* How many bytes at the end may be the begin of a mark. */
static size_t held_back(const struct multipart *m, const char *bytes, size_t len) {
  size_t most = len < m->mark_len - 1u ? len : m->mark_len - 1u;
  const char *end = bytes + len;
  for (const char *cr = memrchr(end - most, '\r', most); cr;
       cr = memrchr(end - most, '\r', (size_t)(cr - (end - most))))
    if (memcmp(cr, m->mark, (size_t)(end - cr)) == 0) return (size_t)(end - cr);
  return 0;
}

static int body(struct multipart *m, const char *bytes, size_t len, size_t *used,
                struct slice *piece) {
  if (len > INT32_MAX) len = INT32_MAX;
  const char *found = memmem(bytes, len, m->mark, m->mark_len);
  size_t data = found ? (size_t)(found - bytes) : len - held_back(m, bytes, len);
  if (data > 0) {
    *piece = (struct slice){(uint32_t)*used, (uint32_t)data};
    *used += data;
    return MULTIPART_DATA;
  }
  if (!found) return MULTIPART_MORE;
  *used += m->mark_len;
  m->state = AFTER_MARK;
  return MULTIPART_PART_END;
}

static int step(struct multipart *m, const char *bytes, size_t len, size_t *used,
                struct slice *piece) {
  switch ((enum state)m->state) {
  case BEGIN: return begin(m, bytes, len, used);
  case AFTER_MARK: return after_mark(m, bytes, len, used);
  case HEAD: return head(m, bytes, len, used, piece);
  case BODY: return body(m, bytes, len, used, piece);
  case END: break;
  }
  return MULTIPART_END;
}

int multipart_next(struct multipart *m, const char *bytes, size_t len, size_t *used,
                   struct slice *piece) {
  int r;
  *used = 0;
  *piece = (struct slice){0, 0};
  do r = step(m, bytes + *used, len - *used, used, piece);
  while (r == AGAIN);
  return r;
}
