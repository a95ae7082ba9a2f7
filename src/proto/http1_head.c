/* Cuts a head into lines and field lines into names and values.
 *
 * A line is judged when it is complete, except that a control byte inside it is bad at
 * once; limits are judged by position. So the verdict depends on the bytes and never on
 * how they were cut. `seen` keeps a line that comes slowly from being scanned anew. */
#include "proto/http1.h"

#include <string.h>

#include "proto/http1_inner.h"
#include "proto/http1_scan.h"
#include "proto/char.h"

struct input {
  const char *bytes;
  uint32_t len; /* not more than the head may have */
  const struct http1_limits *limits;
  bool lenient;
};

struct line {
  uint32_t at, end; /* without its end */
  uint32_t next;
};

enum { PARTIAL = 0, LINE = 1 };

void http1_head_init(struct http1_head *h, struct http1_field *fields, uint32_t cap) {
  *h = (struct http1_head){.fields = fields, .field_cap = cap, .content_length = -1};
}

static struct input input(const char *bytes, size_t len,
                          const struct http1_limits *limits, bool lenient) {
  uint32_t max = limits->head_max < HTTP1_HEAD_CAP ? limits->head_max : HTTP1_HEAD_CAP;
  return (struct input){bytes, len < max ? (uint32_t)len : max, limits, lenient};
}

/* The line goes on where the input ends: at the limit it is too long already. */
static int unfinished(struct http1_head *h, const struct input *in, uint32_t end) {
  bool start = !(h->known & KNOWN_START);
  h->seen = end;
  if (in->len < in->limits->head_max && in->len < HTTP1_HEAD_CAP) return PARTIAL;
  return http1_bad(h, h->line, start ? HTTP1_BAD_LINE_LONG : HTTP1_BAD_HEAD_LONG);
}

/* LINE with the line that begins at `line`, PARTIAL, or -rule. `start`: it is the first one,
 * which has a limit of its own. */
static inline __attribute__((always_inline)) int
next_line(struct http1_head *h, const struct input *in, bool start, struct line *line) {
  const char *bytes = in->bytes;
  uint32_t end = (uint32_t)http1_scan(bytes, h->seen, in->len);
  if (start && end - h->line > in->limits->line_max)
    return http1_bad(h, h->line, HTTP1_BAD_LINE_LONG);
  if (end == in->len) return unfinished(h, in, end);
  *line = (struct line){h->line, end, end + 1};
  if (bytes[end] == '\r') {
    if (end + 1 == in->len) return unfinished(h, in, end);
    if (bytes[end + 1] != '\n') return http1_bad(h, end, HTTP1_BAD_BARE_CR);
    line->next = end + 2;
  } else if (bytes[end] != '\n') {
    return http1_bad(h, end, HTTP1_BAD_CONTROL);
  } else if (!in->lenient) {
    return http1_bad(h, end, HTTP1_BAD_BARE_LF);
  }
  return LINE;
}

static void pass(struct http1_head *h, const struct line *line) {
  h->line = h->seen = line->next;
}

/* The field's value: the rest of the line without the white space around it. */
static struct slice trim(const char *bytes, uint32_t at, uint32_t end) {
  while (at < end && char_is_blank(bytes[at])) at++;
  while (end > at && char_is_blank(bytes[end - 1])) end--;
  return (struct slice){at, end - at};
}

/* A name that is not known, and the colon behind it. LINE, or -rule. */
static int read_name(struct http1_head *h, const struct input *in,
                     const struct line *line, uint32_t *len, uint32_t *colon) {
  const char *bytes = in->bytes;
  uint32_t at = line->at, end = line->end;
  uint32_t stop = at + (uint32_t)char_run(bytes + at, end - at, CHAR_TOKEN);
  *len = stop - at;
  if (in->lenient)
    while (stop < end && *len && char_is_blank(bytes[stop])) stop++;
  if (stop == end) return http1_bad(h, at, HTTP1_BAD_FIELD_COLON);
  if (bytes[stop] != ':' || !*len) {
    if (!char_is_blank(bytes[stop])) return http1_bad(h, stop, HTTP1_BAD_FIELD_NAME);
    return http1_bad(h, stop, *len ? HTTP1_BAD_FIELD_COLON : HTTP1_BAD_FOLD);
  }
  *colon = stop;
  return LINE;
}

/* Most names are known, and need no look at each of their bytes. */
static int read_field(struct http1_head *h, const struct input *in,
                      const struct line *line) {
  const char *name = in->bytes + line->at;
  const char *mark = memchr(name, ':', line->end - line->at);
  uint32_t len = mark ? (uint32_t)(mark - name) : 0, colon = line->at + len;
  enum http1_field_id id = http1_field_id(name, len);
  if (id == HTTP1_FIELD_OTHER) {
    int r = read_name(h, in, line, &len, &colon);
    if (r != LINE) return r;
    id = http1_field_id(name, len);
  }
  if (h->field_count == h->field_cap)
    return http1_bad(h, line->at, HTTP1_BAD_FIELDS_MANY);
  h->fields[h->field_count++] = (struct http1_field){
      {line->at, len},
      trim(in->bytes, colon + 1, line->end), id
  };
  return LINE;
}

/* The next field, which is then the last of `fields`. LINE; PARTIAL; -rule. An empty line
 * ends them: then `*end` is the number of bytes up to there, else 0. */
static int next_field(struct http1_head *h, const struct input *in, uint32_t *end) {
  struct line line = {0};
  *end = 0;
  int r = next_line(h, in, false, &line);
  if (r != LINE) return r;
  if (line.at == line.end)
    *end = line.next;
  else
    r = read_field(h, in, &line);
  if (r == LINE) pass(h, &line);
  return r;
}

/* Fields up to the empty line: so many bytes the head has then; PARTIAL; or -rule. `judge`
 * draws their meaning, or is NULL. */
static ssize_t read_fields(struct http1_head *h, const struct input *in,
                           http1_judge *judge) {
  for (;;) {
    uint32_t end;
    int r = next_field(h, in, &end);
    if (r != LINE) return r;
    if (end) return end;
    const struct http1_field *f = &h->fields[h->field_count - 1];
    if (!judge || !http1_has_meaning(f->id)) continue;
    r = judge(h, in->bytes, f, in->lenient);
    if (r < 0) return r;
  }
}

static int start_request(struct http1_head *h, const struct input *in) {
  struct line line = {0};
  int r = next_line(h, in, true, &line);
  if (r == LINE && line.at == line.end && line.at == 0) {
    pass(h, &line);
    r = next_line(h, in, true, &line);
  }
  if (r != LINE) return r;
  r = http1_request_line(h, in->bytes, line.at, line.end);
  if (r < 0) return r;
  pass(h, &line);
  h->known |= KNOWN_START;
  return LINE;
}

ssize_t http1_request(struct http1_head *h, const struct http1_limits *limits,
                      const char *bytes, size_t len) {
  struct input in = input(bytes, len, limits, false);
  int r = h->known & KNOWN_START ? LINE : start_request(h, &in);
  if (r != LINE) return r;
  ssize_t end = read_fields(h, &in, http1_request_field);
  if (end <= 0) return end;
  r = http1_request_end(h);
  return r < 0 ? r : end;
}

static int start_response(struct http1_head *h, const struct input *in) {
  struct line line = {0};
  int r = next_line(h, in, true, &line);
  if (r != LINE) return r;
  r = http1_status_line(h, in->bytes, line.at, line.end);
  if (r < 0) return r;
  pass(h, &line);
  h->known |= KNOWN_START;
  return LINE;
}

ssize_t http1_response(struct http1_head *h, const struct http1_limits *limits,
                       enum http1_method asked, const char *bytes, size_t len) {
  struct input in = input(bytes, len, limits, limits->lenient);
  int r = h->known & KNOWN_START ? LINE : start_response(h, &in);
  if (r != LINE) return r;
  ssize_t end = read_fields(h, &in, http1_response_field);
  if (end > 0) http1_response_end(h, asked);
  return end;
}

ssize_t http1_trailers(struct http1_head *h, const struct http1_limits *limits,
                       const char *bytes, size_t len) {
  struct input in = input(bytes, len, limits, limits->lenient);
  h->known |= KNOWN_START;
  return read_fields(h, &in, NULL);
}
