#include "proto/http1_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_control(char c) {
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

size_t http1_scan_portable(const char *bytes, size_t from, size_t len) {
  while (from < len && !is_control(bytes[from])) from++;
  return from;
}

#ifdef __SSE2__ /* part of every x86-64 */
#include <emmintrin.h>

/* A bit for each of 16 bytes that is a control byte. */
static unsigned controls(const char *bytes) {
  const __m128i x = _mm_loadu_si128((const __m128i *)bytes);
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
  const __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
  const __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

size_t http1_scan(const char *bytes, size_t from, size_t len) {
  if (len < 16) return http1_scan_portable(bytes, from, len);
  for (; len - from >= 16; from += 16) {
    unsigned found = controls(bytes + from);
    if (found) return from + (size_t)__builtin_ctz(found);
  }
  /* the last 16 bytes, less those that are through */
  unsigned found = controls(bytes + len - 16) >> (16 - (len - from));
  return found ? from + (size_t)__builtin_ctz(found) : len;
}

#else

size_t http1_scan(const char *bytes, size_t from, size_t len) {
  return http1_scan_portable(bytes, from, len);
}

#endif
