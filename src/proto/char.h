/* Bytes of HTTP and URIs: what a byte may be part of, and runs of bytes. ASCII only,
 * whatever the locale. */
#ifndef PROTO_CHAR_H
#define PROTO_CHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  CHAR_TOKEN = 1,      /* tchar, RFC 9110 section 5.6.2 */
  CHAR_TARGET = 2,     /* of a request target, as http1_request tells */
  CHAR_HOST = 4,       /* unreserved or sub-delims, RFC 3986 section 3.2.2 */
  CHAR_UNRESERVED = 8, /* RFC 3986 section 2.3 */
};

extern const uint8_t char_classes[256];

static inline bool char_is(char c, unsigned class) {
  return char_classes[(uint8_t)c] & class;
}

static inline bool char_is_digit(char c) {
  return c >= '0' && c <= '9';
}

static inline bool char_is_blank(char c) {
  return c == ' ' || c == '\t';
}

static inline char char_lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* The value of a hexadecimal digit, or -1. */
int char_hex(char c);

/* How many bytes from the start on are of the class. */
static inline size_t char_run(const char *text, size_t len, unsigned class) {
  size_t i = 0;
  while (i < len && char_is(text[i], class)) i++;
  return i;
}

/* Whether the text is the word, which is in lower case, without regard to case. */
bool char_same(const char *text, size_t len, const char *word);

/* A number of decimal digits alone, at most 19 of them, below 2^63; else -1. */
int64_t char_number(const char *text, size_t len);

#endif
