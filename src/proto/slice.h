/* A run of bytes inside a buffer, by offset: it stays right when the buffer moves. It
 * holds nothing; whoever gives one says which buffer it counts from. */
#ifndef PROTO_SLICE_H
#define PROTO_SLICE_H

#include <stdint.h>

struct slice {
  uint32_t at, len; /* bytes; `len` 0: empty, and where absence is possible, absent */
};

#endif
