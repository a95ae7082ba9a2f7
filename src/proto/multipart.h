/* multipart/form-data (RFC 7578, RFC 2046 section 5.1), read as it arrives: part heads and
 * body spans are slices of the caller's buffer; nothing is copied or kept but a few bytes
 * of state, and the boundary.
 *
 *   multipart_init(&m, boundary, boundary_len, 8192);
 *   for (;;) {
 *     int r = multipart_next(&m, bytes, len, &used, &piece);
 *     if (r == MULTIPART_PART) head(bytes + piece.at, piece.len);
 *     if (r == MULTIPART_DATA) data(bytes + piece.at, piece.len);
 *     bytes += used, len -= used;
 *     if (r == MULTIPART_MORE) more bytes behind those that are left
 *     if (r == MULTIPART_END || r < 0) break;
 *   }
 */
#ifndef PROTO_MULTIPART_H
#define PROTO_MULTIPART_H

#include <stddef.h>
#include <stdint.h>

#include "proto/http_value.h"
#include "proto/slice.h"

struct multipart {
  char mark[4 + HTTP_BOUNDARY_MAX]; /* CR LF - - boundary */
  uint8_t mark_len;
  uint8_t state;     /* a state of multipart.c */
  uint32_t head_max; /* bytes of a part's head, its empty line included */
};

enum multipart_result {
  MULTIPART_MORE, /* the bytes that are left are a beginning: give them again, with more */
  MULTIPART_PART, /* a part begins; `piece` is its head with the empty line that ends it,
                     as http1_trailers takes it */
  MULTIPART_DATA, /* `piece` is of the part's body, and not empty */
  MULTIPART_PART_END,
  MULTIPART_END, /* the last boundary is through; bytes behind it mean nothing */

  MULTIPART_BAD_BOUNDARY = -1, /* a boundary with junk behind it, or none at the begin */
  MULTIPART_BAD_HEAD = -2,     /* a part's head is longer than head_max */
};

/* `boundary` is of 1 to HTTP_BOUNDARY_MAX bytes, as http_value_boundary gives it. */
void multipart_init(struct multipart *m, const char *boundary, size_t len,
                    uint32_t head_max);

enum { MULTIPART_ROOM = 80 };

/* The next event. `*used` bytes are done with. The caller gives the bytes behind them
 * again; its buffer needs room for head_max bytes or MULTIPART_ROOM, whichever is more. A
 * body that ends before MULTIPART_END was cut short: the caller's to notice. */
int multipart_next(struct multipart *m, const char *bytes, size_t len, size_t *used,
                   struct slice *piece);

#endif
