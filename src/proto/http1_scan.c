#include "proto/http1_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_control(char c) {
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static size_t scan_bytes(const char *bytes, size_t from, size_t len) {
  while (from < len && !is_control(bytes[from])) from++;
  return from;
}

size_t http1_scan_portable(const char *bytes, size_t len) {
  return scan_bytes(bytes, 0, len);
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

size_t http1_scan(const char *bytes, size_t len) {
  size_t i = 0;
  for (; len - i >= 16; i += 16) {
    unsigned found = controls(bytes + i);
    if (found) return i + (size_t)__builtin_ctz(found);
  }
  return scan_bytes(bytes, i, len);
}

#else

size_t http1_scan(const char *bytes, size_t len) {
  return http1_scan_portable(bytes, len);
}

#endif
