/* Copies of several KiB. For those glibc 2.36's memcpy takes the processor's `rep movsb`
 * (its tunable x86_rep_movsb_threshold, 4 KiB with AVX2), which on Zen 3 and 4 falls to a
 * twentieth of its speed when the target lies less than 64 bytes behind the source in the
 * page (glibc bug 30994; measured: 1.7 instead of 40 GB/s). Where heap blocks lie is chance
 * that lasts for a run, so such a run is slow as a whole. */
#ifndef BASE_COPY_H
#define BASE_COPY_H

#include <stddef.h>
#include <string.h>

/* memcpy(3), by calls for pieces that are below that threshold. A size that the compiler
 * knows would make it write `rep movs` itself. */
static inline void copy_bytes(void *to, const void *from, size_t n) {
  enum { PIECE = 1024 };
  char *out = to;
  const char *in = from;
  while (n > 0) {
    size_t piece = n < PIECE ? n : PIECE;
    __asm__("" : "+r"(piece)); /* unknown from here on */
    memcpy(out, in, piece);
    out += piece;
    in += piece;
    n -= piece;
  }
}

#endif
