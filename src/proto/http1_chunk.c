/* Chunked bodies (RFC 9112 section 7.1), as a machine that keeps a few bytes: a size line
 * may come one byte at a time and is never held. */
#include "proto/http1.h"
#include "proto/char.h"

enum state {
  SIZE_FIRST, /* the first digit of a size */
  SIZE,
  BLANK,     /* white space behind the size: only an extension may follow */
  EXTENSION, /* behind the ';' */
  LINE_LF,   /* the LF of the size line */
  DATA,
  DATA_CR, /* the CR behind the data */
  DATA_LF,
  END,
};

void http1_chunks_init(struct http1_chunks *c, uint32_t extra_max) {
  *c = (struct http1_chunks){.extra_max = extra_max, .state = SIZE_FIRST};
}

static enum http1_rule add_digit(struct http1_chunks *c, char byte) {
  int digit = char_hex(byte);
  if (digit < 0) return HTTP1_BAD_CHUNK_SIZE;
  if (c->left > INT64_MAX >> 4) return HTTP1_BAD_CHUNK_SIZE;
  c->left = c->left << 4 | (unsigned)digit;
  c->state = SIZE;
  return HTTP1_FINE;
}

/* A byte of an extension. What extensions say is passed over (RFC 9112 section 7.1.1). */
static enum http1_rule add_extra(struct http1_chunks *c, char byte) {
  if ((uint8_t)byte < ' ' && byte != '\t') return HTTP1_BAD_CHUNK_LINE;
  if (byte == 0x7f) return HTTP1_BAD_CHUNK_LINE;
  if (++c->extra > c->extra_max) return HTTP1_BAD_CHUNK_EXTENSIONS;
  return HTTP1_FINE;
}

/* A byte behind the first digit of a size line. */
static enum http1_rule after_digit(struct http1_chunks *c, char byte) {
  if (byte == '\r' && c->state != BLANK) {
    c->state = LINE_LF;
    return HTTP1_FINE;
  }
  if (c->state == EXTENSION) return add_extra(c, byte);
  if (byte == ';')
    c->state = EXTENSION;
  else if (char_is_blank(byte))
    c->state = BLANK;
  else if (c->state == SIZE)
    return add_digit(c, byte);
  else
    return HTTP1_BAD_CHUNK_LINE;
  return add_extra(c, byte);
}

static enum http1_rule line_byte(struct http1_chunks *c, char byte) {
  if (c->state == LINE_LF) {
    if (byte != '\n') return HTTP1_BAD_CHUNK_LINE;
    c->line = 0;
    c->state = c->left ? DATA : END;
    return HTTP1_FINE;
  }
  if (byte != '\r' && ++c->line > HTTP1_CHUNK_LINE_MAX) return HTTP1_BAD_CHUNK_LINE;
  return c->state == SIZE_FIRST ? add_digit(c, byte) : after_digit(c, byte);
}

static enum http1_rule frame_byte(struct http1_chunks *c, char byte) {
  if (c->state == DATA_CR || c->state == DATA_LF) {
    if (byte != (c->state == DATA_CR ? '\r' : '\n')) return HTTP1_BAD_CHUNK_END;
    c->state = c->state == DATA_CR ? DATA_LF : SIZE_FIRST;
    return HTTP1_FINE;
  }
  return line_byte(c, byte);
}

int http1_chunks_next(struct http1_chunks *c, const char *bytes, size_t len, size_t *used,
                      struct slice *data) {
  size_t i = 0;
  *data = (struct slice){0, 0};
  while (i < len && c->state != DATA && c->state != END) {
    enum http1_rule rule = frame_byte(c, bytes[i]);
    if (rule) {
      *used = i;
      return -(int)rule;
    }
    i++;
  }
  *used = i;
  if (c->state == END) return HTTP1_CHUNK_END;
  if (i == len) return HTTP1_CHUNK_MORE;
  uint64_t take = len - i < c->left ? len - i : c->left;
  if (take > UINT32_MAX) take = UINT32_MAX;
  *data = (struct slice){(uint32_t)i, (uint32_t)take};
  *used = i + (size_t)take;
  c->left -= take;
  if (!c->left) c->state = DATA_CR;
  return HTTP1_CHUNK_DATA;
}
