/* Damerau's distance in its "optimal string alignment" form: three rows of the table are
 * enough, and no part of a word is edited twice. */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 63 };

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b) {
  size_t a_len = strlen(a), b_len = strlen(b);
  if (a_len > WORD_MAX || b_len > WORD_MAX) return SIZE_MAX;
  size_t rows[3][WORD_MAX + 1];
  size_t *above2 = rows[0], *above = rows[1], *row = rows[2];
  for (size_t j = 0; j <= b_len; j++) row[j] = j;
  for (size_t i = 1; i <= a_len; i++) {
    size_t *oldest = above2;
    above2 = above, above = row, row = oldest;
    row[0] = i;
    for (size_t j = 1; j <= b_len; j++) {
      char x = lower(a[i - 1]), y = lower(b[j - 1]);
      row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
      if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
        row[j] = least(row[j], above2[j - 2] + 1);
    }
  }
  return row[b_len];
}

int nearest_is_slip(size_t distance, size_t len) {
  return distance <= 1 || distance <= len / 2;
}
