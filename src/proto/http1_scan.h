/* The one loop that sees every byte of a head: where the first control byte is. A valid
 * head has none but the CR and LF at the ends of its lines. */
#ifndef PROTO_HTTP1_SCAN_H
#define PROTO_HTTP1_SCAN_H

#include <stddef.h>

/* The offset of the first control byte (below 0x20 or 0x7f; HTAB is none) from `from` on;
 * `len` when there is none. Reads no byte behind `len`; may read those before `from`. */
static inline size_t http1_scan(const char *bytes, size_t from, size_t len);

/* The same in portable C: what the tests compare http1_scan to. */
size_t http1_scan_portable(const char *bytes, size_t from, size_t len);

#ifdef __SSE2__ /* part of every x86-64 */
#include <emmintrin.h>

/* A bit for each of 16 bytes that is a control byte. */
static inline unsigned http1_scan_16(const char *bytes) {
  const __m128i x = _mm_loadu_si128((const __m128i *)bytes);
  const __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(0x1f)), x);
  const __m128i tab = _mm_cmpeq_epi8(x, _mm_set1_epi8('\t'));
  const __m128i del = _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f));
  return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_andnot_si128(tab, low), del));
}

static inline size_t http1_scan(const char *bytes, size_t from, size_t len) {
  if (len < 16) return http1_scan_portable(bytes, from, len);
  for (; len - from >= 16; from += 16) {
    unsigned found = http1_scan_16(bytes + from);
    if (found) return from + (size_t)__builtin_ctz(found);
  }
  /* the last 16 bytes, less those that are through */
  unsigned found = http1_scan_16(bytes + len - 16) >> (16 - (len - from));
  return found ? from + (size_t)__builtin_ctz(found) : len;
}

#else

static inline size_t http1_scan(const char *bytes, size_t from, size_t len) {
  return http1_scan_portable(bytes, from, len);
}

#endif

#endif
