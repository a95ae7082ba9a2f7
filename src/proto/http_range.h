/* Byte ranges (RFC 9110 section 14): the Range field of a request, the Content-Range field
 * of a response. All sums in checked 64 bits. Whether Range counts at all (GET, If-Range)
 * is the caller's to decide. */
#ifndef PROTO_HTTP_RANGE_H
#define PROTO_HTTP_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct http_range {
  int64_t first, last; /* offsets of bytes, both included; first <= last < size */
};

enum {
  HTTP_RANGE_MAX = 16,  /* ranges in one field; more of them are ignored as a whole */
  HTTP_RANGE_NONE = 0,  /* not a range of bytes, or bad: the whole goes out, 200 */
  HTTP_RANGE_PAST = -1, /* well formed, and none of it inside `size`: 416 */
};

/* Reads a Range field for something of `size` bytes. How many ranges `out` holds, in the
 * field's order, cut to `size`; those wholly past the end are left out; or NONE or PAST.
 * Ranges may overlap; see http_range_total. */
int http_range_parse(const char *text, size_t len, int64_t size,
                     struct http_range out[HTTP_RANGE_MAX]);

/* The sum of the ranges' lengths. One that is larger than the size is a waste (RFC 9110
 * section 14.2): the whole is then the better answer. */
int64_t http_range_total(const struct http_range *ranges, int count);

enum { HTTP_RANGE_TEXT = 72 };

/* Writes a Content-Range value and a NUL: "bytes 0-499/1234"; for 416, with `range` NULL,
 * "bytes * /1234" without the space. Returns its length. */
size_t http_range_format(const struct http_range *range, int64_t size,
                         char out[HTTP_RANGE_TEXT]);

/* Reads a Content-Range value. 0; -1 when it is none of bytes. `*size` is -1 for "*". */
int http_range_content(const char *text, size_t len, struct http_range *range,
                       int64_t *size);

#endif
