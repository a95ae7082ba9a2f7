/* The values of fields: lists, tokens, quoted strings, parameters (RFC 9110 section 5.6),
 * and the few fields that net.http reads. Slices count from `text`. */
#ifndef PROTO_HTTP_VALUE_H
#define PROTO_HTTP_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/slice.h"

/* The next element of a comma-separated list, without the white space around it. `*at`
 * begins at 0. False at the end. Empty elements are passed over (section 5.6.1.2); a comma
 * inside a quoted string separates nothing. */
bool http_value_next(const char *text, size_t len, size_t *at, struct slice *element);

/* The part of an element that parameters follow: "text/html" of "text/html; a=b". Sets
 * `*at` for http_value_param. */
struct slice http_value_first(const char *text, size_t len, size_t *at);

struct http_param {
  struct slice name, value; /* the value without its quotes, its escapes still in it */
  bool quoted;
};

/* The next "; name=value". 1; 0 at the end; -1 when it is not well formed. */
int http_value_param(const char *text, size_t len, size_t *at, struct http_param *param);

/* The parameter of that name (in lower case), looked for from `at` on, its escapes
 * undone in `out`, which has room for `len` bytes. The length; -1 when it is not there,
 * is there twice, or a parameter is not well formed. */
int http_value_find(const char *text, size_t len, size_t at, const char *name, char *out);

/* Undoes the escapes of a quoted string's inside. The length; `out` has room for `len`
 * bytes and may be `text`. */
size_t http_value_unescape(const char *text, size_t len, char *out);

enum { HTTP_BOUNDARY_MAX = 70 }; /* RFC 2046 section 5.1.1 */

/* The boundary of a "multipart/form-data" Content-Type. Its length, 1 to
 * HTTP_BOUNDARY_MAX; 0 when the type is another one; -1 when the boundary is missing or
 * bad. */
int http_value_boundary(const char *text, size_t len, char out[HTTP_BOUNDARY_MAX]);

/* What an Accept-Encoding value says about a coding (in lower case): its quality times
 * 1000, 0 for "not at all". A coding that is not named has that of "*", else 0 (section
 * 12.5.3; but "identity" is then 1000). Elements that are not well formed are passed
 * over. */
int http_value_quality(const char *text, size_t len, const char *coding);

/* Whether an If-Match or If-None-Match value holds the entity tag, which is written as in
 * the ETag field: W/"x" or "x". "*" holds any. `weak` compares weakly (section 8.8.3.2),
 * else a weak tag equals none. A list that is not well formed holds what precedes the
 * fault. */
bool http_value_has_etag(const char *text, size_t len, const char *etag, size_t etag_len,
                         bool weak);

/* The next cookie of a Cookie value (RFC 6265 section 5.4, read leniently). `*at` begins
 * at 0. False at the end. Pieces without '=' or without a name are passed over; quotes
 * around a value are not part of it. */
bool http_value_cookie(const char *text, size_t len, size_t *at, struct slice *name,
                       struct slice *value);

#endif
