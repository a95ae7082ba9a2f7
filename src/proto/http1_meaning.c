/* What fields say about the message: its host, its body, whether the connection stays. */
#include "proto/http1_inner.h"
#include "proto/char.h"
#include "proto/uri.h"

/* Takes the next element of a comma-separated list from [*at, len): its text without the
 * white space around it, which may be empty. False when the list is at its end. */
static bool next_element(const char *text, size_t len, size_t *at, size_t *from,
                         size_t *to) {
  if (*at > len) return false;
  size_t i = *at, end;
  while (i < len && char_is_blank(text[i])) i++;
  *from = i;
  while (i < len && text[i] != ',') i++;
  end = i;
  while (end > *from && char_is_blank(text[end - 1])) end--;
  *to = end;
  *at = i + 1;
  return true;
}

bool http1_has_token(const char *value, size_t len, const char *token) {
  size_t at = 0, from, to;
  while (next_element(value, len, &at, &from, &to))
    if (char_same(value + from, to - from, token)) return true;
  return false;
}

/* Transfer-Encoding: "chunked" is what we know. Anything else is refused; the difference
 * is whether the sender may have meant a coding that others have (RFC 9112 section 6.1).
 * A comma inside a parameter's quotes splits it, and the pieces are refused too. */
static enum http1_rule judge_coding(const char *value, size_t len) {
  size_t at = 0, from, to;
  bool others = false, chunked = false;
  while (next_element(value, len, &at, &from, &to)) {
    size_t token = char_run(value + from, to - from, CHAR_TOKEN);
    if (!token || chunked) return HTTP1_BAD_CODING;
    if (from + token < to && value[from + token] != ';' && value[from + token] != ' ')
      return HTTP1_BAD_CODING;
    chunked = char_same(value + from, to - from, "chunked");
    others |= !chunked;
  }
  if (!chunked) return HTTP1_BAD_CODING;
  return others ? HTTP1_BAD_CODING_UNKNOWN : HTTP1_FINE;
}

static int read_coding(struct http1_head *h, const char *value, struct slice at) {
  if (h->known & KNOWN_CODING) return http1_bad(h, at.at, HTTP1_BAD_CODING_TWICE);
  if (h->known & KNOWN_LENGTH) return http1_bad(h, at.at, HTTP1_BAD_LENGTH_AND_CODING);
  if (h->minor == 0) return http1_bad(h, at.at, HTTP1_BAD_CODING_OLD);
  enum http1_rule rule = judge_coding(value, at.len);
  if (rule) return http1_bad(h, at.at, rule);
  h->known |= KNOWN_CODING;
  return 0;
}

static int read_length(struct http1_head *h, const char *value, struct slice at,
                       bool lenient) {
  int64_t length = char_number(value, at.len);
  if (h->known & KNOWN_LENGTH && !(lenient && length == h->content_length))
    return http1_bad(h, at.at, HTTP1_BAD_LENGTH_TWICE);
  if (h->known & KNOWN_CODING) return http1_bad(h, at.at, HTTP1_BAD_LENGTH_AND_CODING);
  if (length < 0) return http1_bad(h, at.at, HTTP1_BAD_LENGTH);
  h->known |= KNOWN_LENGTH;
  h->content_length = length;
  return 0;
}

static int read_host(struct http1_head *h, const char *value, struct slice at) {
  struct uri_authority a;
  if (h->known & KNOWN_HOST) return http1_bad(h, at.at, HTTP1_BAD_HOST_TWICE);
  /* Empty is what a client sends whose URI has no authority. */
  if (at.len && (uri_authority(value, at.len, &a) < 0 || !a.host.len))
    return http1_bad(h, at.at, HTTP1_BAD_HOST);
  h->known |= KNOWN_HOST;
  /* The absolute form's host counts (RFC 9112 section 3.2.2). */
  if (h->form != HTTP1_ABSOLUTE && h->form != HTTP1_AUTHORITY) h->host = at;
  return 0;
}

static void read_connection(struct http1_head *h, const char *value, size_t len) {
  size_t at = 0, from, to;
  while (next_element(value, len, &at, &from, &to)) {
    const char *option = value + from;
    if (char_same(option, to - from, "close")) h->known |= KNOWN_CLOSE;
    if (char_same(option, to - from, "keep-alive")) h->known |= KNOWN_KEEP;
    if (char_same(option, to - from, "upgrade")) h->known |= KNOWN_SWITCH;
  }
}

/* HTTP/1.0 does not know expectations (RFC 9110 section 10.1.1). */
static int read_expect(struct http1_head *h, const char *value, struct slice at) {
  if (h->minor == 0) return 0;
  if (!char_same(value, at.len, "100-continue"))
    return http1_bad(h, at.at, HTTP1_BAD_EXPECT);
  h->expect_continue = true;
  return 0;
}

int http1_response_field(struct http1_head *h, const char *bytes,
                         const struct http1_field *f, bool lenient) {
  const char *value = bytes + f->value.at;
  switch (f->id) {
  case HTTP1_FIELD_CONTENT_LENGTH: return read_length(h, value, f->value, lenient);
  case HTTP1_FIELD_TRANSFER_ENCODING: return read_coding(h, value, f->value);
  case HTTP1_FIELD_CONNECTION: read_connection(h, value, f->value.len); return 0;
  case HTTP1_FIELD_UPGRADE: h->known |= KNOWN_UPGRADE; return 0;
  default: return 0;
  }
}

int http1_request_field(struct http1_head *h, const char *bytes,
                        const struct http1_field *f, bool lenient) {
  const char *value = bytes + f->value.at;
  if (f->id == HTTP1_FIELD_HOST) return read_host(h, value, f->value);
  if (f->id == HTTP1_FIELD_EXPECT) return read_expect(h, value, f->value);
  return http1_response_field(h, bytes, f, lenient);
}

/* RFC 9112 section 9.3 and 9110 section 7.8. */
static void conclude(struct http1_head *h) {
  h->keep_alive = !(h->known & KNOWN_CLOSE) && (h->minor == 1 || h->known & KNOWN_KEEP);
  h->upgrade = h->minor == 1 && h->known & KNOWN_SWITCH && h->known & KNOWN_UPGRADE;
  if (h->known & KNOWN_CODING)
    h->body = HTTP1_BODY_CHUNKED;
  else if (h->known & KNOWN_LENGTH)
    h->body = HTTP1_BODY_LENGTH;
  else
    h->body = HTTP1_BODY_NONE;
}

int http1_request_end(struct http1_head *h) {
  if (h->minor == 1 && !(h->known & KNOWN_HOST))
    return http1_bad(h, h->line, HTTP1_BAD_HOST_MISSING);
  conclude(h);
  return 0;
}

void http1_response_end(struct http1_head *h, enum http1_method asked) {
  conclude(h);
  bool never = asked == HTTP1_HEAD || h->status < 200 || h->status == 204 ||
               h->status == 304 || (asked == HTTP1_CONNECT && h->status < 300);
  if (never) {
    h->body = HTTP1_BODY_NONE;
  } else if (h->body == HTTP1_BODY_NONE) {
    h->body = HTTP1_BODY_CLOSE;
    h->keep_alive = false;
  }
}
