/* URIs as HTTP uses them (RFC 3986): percent-encoding, paths, queries, forms, and the
 * URLs that a client is given. Pure functions on bytes; slices count from `text`. */
#ifndef PROTO_URI_H
#define PROTO_URI_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proto/slice.h"

struct uri_authority {
  struct slice host; /* without the brackets of an IPv6 address; may be empty */
  int port;          /* 0 to 65535, or -1 where none is told */
};

/* Reads host[:port] (RFC 3986 section 3.2): a name, an IPv4 address, or [IPv6]. 0; -1 for
 * anything else, as "user@host", which HTTP refuses (RFC 9110 section 4.2.4). */
int uri_authority(const char *text, size_t len, struct uri_authority *a);

enum uri_escapes {
  URI_PERCENT, /* %41 */
  URI_FORM,    /* and '+' for a space, as in queries and forms */
};

/* Decodes once. `out` has room for `len` bytes and may be `text` itself. The length, or
 * -1 when a '%' has no two hexadecimal digits behind it. NUL may come out. */
ssize_t uri_decode(const char *text, size_t len, enum uri_escapes escapes, char *out);

enum uri_keep {
  URI_KEEP_NONE,  /* all but unreserved bytes: for a segment, a name, a value */
  URI_KEEP_SLASH, /* also leaves '/': for a path */
};

/* Encodes all bytes that are not unreserved. `out` has room for 3 * len. The length. */
size_t uri_encode(const char *text, size_t len, enum uri_keep keep, char *out);

enum uri_path {
  URI_PATH_RELATIVE = -1, /* does not begin with '/' */
  URI_PATH_ESCAPE = -2,   /* a '%' without two hexadecimal digits */
  URI_PATH_BYTE = -3,     /* a control byte, a backslash, or an encoded slash */
  URI_PATH_UP = -4,       /* a segment ".." */
};

/* Makes the path of a target fit for a file system: decodes once, then drops empty
 * segments and "."; keeps a slash at the end. What remains never holds NUL, "//", "/./" or
 * "..". `out` has room for `len` bytes and may be `text`.
 * The length (at least 1, for "/"), or an enum uri_path. UP is to be answered as what is
 * not there (404), the others as bad requests (400). */
ssize_t uri_path(const char *text, size_t len, char *out);

/* Whether a segment of a clean path begins with a dot. */
bool uri_path_is_hidden(const char *path, size_t len);

/* The next name=value of a query or a form, still encoded. `*at` begins at 0. False at the
 * end. Empty pairs are passed over; a pair without '=' has an empty value.
 *
 *   for (size_t at = 0; uri_pair(text, len, &at, &name, &value);) ...
 */
bool uri_pair(const char *text, size_t len, size_t *at, struct slice *name,
              struct slice *value);

struct uri {
  bool https;
  struct slice authority; /* host[:port], for the Host field */
  struct slice host;      /* without brackets, never empty */
  int port;               /* told, or the scheme's own */
  struct slice path;      /* may be empty, which means "/" */
  struct slice target;    /* path and query, without the fragment; begins with '/', '?' or
                             is empty */
};

/* Reads an absolute http or https URL. 0; -1 with `*why` (a constant string) telling in
 * words what is wrong. Spaces, control bytes and bytes above 0x7e have to be encoded. */
int uri_parse(const char *text, size_t len, struct uri *u, const char **why);

/* The URL that a reference (of a Location field) means, seen from a base URL (RFC 3986
 * section 5.2), without the fragment. `base` is one that uri_parse takes. `out` has room
 * for base_len + len + 2 bytes. The length, to be read by uri_parse in turn; -1 when
 * `base` is none. */
ssize_t uri_resolve(const char *base, size_t base_len, const char *text, size_t len,
                    char *out);

#endif
