/* Dates of HTTP (RFC 9110 section 5.6.7), by arithmetic: no locale, no time zone, no
 * leap seconds. Times are seconds since 1970-01-01T00:00:00Z. */
#ifndef PROTO_HTTP_DATE_H
#define PROTO_HTTP_DATE_H

#include <stddef.h>
#include <stdint.h>

enum { HTTP_DATE_LEN = 29 }; /* Sun, 06 Nov 1994 08:49:37 GMT */

/* Writes IMF-fixdate and a NUL. Years 0 to 9999; a time outside is moved to the nearest
 * one inside. */
void http_date_format(int64_t time, char out[HTTP_DATE_LEN + 1]);

/* Reads any of the three forms: IMF-fixdate, RFC 850's, asctime's. 0, or -1. The name of
 * the day has to be one, but not the right one. `now` decides the century of RFC 850's two
 * digits: a year more than 50 ahead is one that has passed. */
int http_date_parse(const char *text, size_t len, int64_t now, int64_t *time);

#endif
