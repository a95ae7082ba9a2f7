/* Field names that HTTP/1 programs meet often, as small numbers: a program can keep one
 * ready string for each instead of making it anew at every request. Names are compared
 * without regard to case (RFC 9110 section 5.1). */
#ifndef PROTO_HTTP1_FIELD_H
#define PROTO_HTTP1_FIELD_H

#include <stddef.h>

/* In the order of their lengths, which the look-up needs; those that most requests have
 * come first among those of their length. */
#define HTTP1_FIELDS(X) \
  X(TE, "te") \
  X(AGE, "age") \
  X(DNT, "dnt") \
  X(VIA, "via") \
  X(HOST, "host") \
  X(DATE, "date") \
  X(ETAG, "etag") \
  X(FROM, "from") \
  X(LINK, "link") \
  X(VARY, "vary") \
  X(ALLOW, "allow") \
  X(RANGE, "range") \
  X(ACCEPT, "accept") \
  X(COOKIE, "cookie") \
  X(EXPECT, "expect") \
  X(ORIGIN, "origin") \
  X(PRAGMA, "pragma") \
  X(SERVER, "server") \
  X(EXPIRES, "expires") \
  X(REFERER, "referer") \
  X(TRAILER, "trailer") \
  X(UPGRADE, "upgrade") \
  X(IF_MATCH, "if-match") \
  X(IF_RANGE, "if-range") \
  X(LOCATION, "location") \
  X(PRIORITY, "priority") \
  X(FORWARDED, "forwarded") \
  X(SEC_CH_UA, "sec-ch-ua") \
  X(X_REAL_IP, "x-real-ip") \
  X(USER_AGENT, "user-agent") \
  X(CONNECTION, "connection") \
  X(KEEP_ALIVE, "keep-alive") \
  X(SET_COOKIE, "set-cookie") \
  X(RETRY_AFTER, "retry-after") \
  X(CONTENT_TYPE, "content-type") \
  X(X_REQUEST_ID, "x-request-id") \
  X(ACCEPT_RANGES, "accept-ranges") \
  X(AUTHORIZATION, "authorization") \
  X(CACHE_CONTROL, "cache-control") \
  X(CONTENT_RANGE, "content-range") \
  X(IF_NONE_MATCH, "if-none-match") \
  X(LAST_EVENT_ID, "last-event-id") \
  X(LAST_MODIFIED, "last-modified") \
  X(ACCEPT_CHARSET, "accept-charset") \
  X(CONTENT_LENGTH, "content-length") \
  X(SEC_FETCH_DEST, "sec-fetch-dest") \
  X(SEC_FETCH_MODE, "sec-fetch-mode") \
  X(SEC_FETCH_SITE, "sec-fetch-site") \
  X(SEC_FETCH_USER, "sec-fetch-user") \
  X(ACCEPT_ENCODING, "accept-encoding") \
  X(ACCEPT_LANGUAGE, "accept-language") \
  X(X_FORWARDED_FOR, "x-forwarded-for") \
  X(CONTENT_ENCODING, "content-encoding") \
  X(CONTENT_LANGUAGE, "content-language") \
  X(CONTENT_LOCATION, "content-location") \
  X(PROXY_CONNECTION, "proxy-connection") \
  X(SEC_CH_UA_MOBILE, "sec-ch-ua-mobile") \
  X(WWW_AUTHENTICATE, "www-authenticate") \
  X(X_REQUESTED_WITH, "x-requested-with") \
  X(IF_MODIFIED_SINCE, "if-modified-since") \
  X(SEC_WEBSOCKET_KEY, "sec-websocket-key") \
  X(TRANSFER_ENCODING, "transfer-encoding") \
  X(X_FORWARDED_PROTO, "x-forwarded-proto") \
  X(SEC_CH_UA_PLATFORM, "sec-ch-ua-platform") \
  X(CONTENT_DISPOSITION, "content-disposition") \
  X(IF_UNMODIFIED_SINCE, "if-unmodified-since") \
  X(SEC_WEBSOCKET_ACCEPT, "sec-websocket-accept") \
  X(SEC_WEBSOCKET_VERSION, "sec-websocket-version") \
  X(SEC_WEBSOCKET_PROTOCOL, "sec-websocket-protocol") \
  X(SEC_WEBSOCKET_EXTENSIONS, "sec-websocket-extensions") \
  X(UPGRADE_INSECURE_REQUESTS, "upgrade-insecure-requests") \
  X(ACCESS_CONTROL_ALLOW_ORIGIN, "access-control-allow-origin") \
  X(ACCESS_CONTROL_REQUEST_METHOD, "access-control-request-method") \
  X(ACCESS_CONTROL_REQUEST_HEADERS, "access-control-request-headers")

enum http1_field_id {
  HTTP1_FIELD_OTHER, /* any name that is not in the list */
#define X(id, name) HTTP1_FIELD_##id,
  HTTP1_FIELDS(X)
#undef X
      HTTP1_FIELD_IDS /* how many ids there are, HTTP1_FIELD_OTHER included */
};

/* The id of a field name. `name` has no control byte but HTAB; what is no token (RFC 9110
 * section 5.6.2) is HTTP1_FIELD_OTHER too. */
enum http1_field_id http1_field_id(const char *name, size_t len);

/* The lower-case name of an id, ended by NUL; NULL for HTTP1_FIELD_OTHER. */
const char *http1_field_name(enum http1_field_id id);

#endif
