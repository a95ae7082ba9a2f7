#include "proto/char.h"

#include <string.h>

enum {
  T = CHAR_TOKEN,
  A = CHAR_TARGET,
  H = CHAR_HOST,
  U = CHAR_UNRESERVED,
};

const uint8_t char_classes[256] = {
    ['0' ... '9'] = T | A | H | U,
    ['A' ... 'Z'] = T | A | H | U,
    ['a' ... 'z'] = T | A | H | U,
    ['-'] = T | A | H | U,
    ['.'] = T | A | H | U,
    ['_'] = T | A | H | U,
    ['~'] = T | A | H | U,
    ['!'] = T | A | H,
    ['$'] = T | A | H,
    ['&'] = T | A | H,
    ['\''] = T | A | H,
    ['*'] = T | A | H,
    ['+'] = T | A | H,
    ['('] = A | H,
    [')'] = A | H,
    [','] = A | H,
    [';'] = A | H,
    ['='] = A | H,
    ['%'] = T | A,
    ['^'] = T | A,
    ['`'] = T | A,
    ['|'] = T | A,
    ['#'] = T,
    ['/'] = A,
    [':'] = A,
    ['?'] = A,
    ['@'] = A,
    ['['] = A,
    ['\\'] = A,
    [']'] = A,
    ['{'] = A,
    ['}'] = A,
};

int char_hex(char c) {
  if (char_is_digit(c)) return c - '0';
  c = char_lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool char_same(const char *text, size_t len, const char *word) {
  for (size_t i = 0; i < len; i++)
    if (word[i] == '\0' || char_lower(text[i]) != word[i]) return false;
  return word[len] == '\0';
}

int64_t char_number(const char *text, size_t len) {
  uint64_t n = 0;
  if (len < 1 || len > 19) return -1;
  for (size_t i = 0; i < len; i++) {
    if (!char_is_digit(text[i])) return -1;
    n = n * 10 + (uint64_t)(text[i] - '0'); /* 19 digits fit into 64 bits */
  }
  return n <= INT64_MAX ? (int64_t)n : -1;
}
