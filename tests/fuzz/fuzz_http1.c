/* Fuzz target: the parsers of messages. The first byte chooses one, the second where the
 * bytes are cut. Slices lie inside the bytes; no prefix contradicts the whole; the way the
 * bytes are cut changes nothing; the vectorised scan equals its portable twin. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proto/http1.h"
#include "proto/http1_scan.h"
#include "proto/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 8, LINE_MAX = 200, HEAD_MAX = 400 };

enum kind { REQUEST, RESPONSE, LENIENT, TRAILERS, CHUNKS, MULTIPART, KINDS };

/* ---- heads ---- */

static ssize_t parse(enum kind kind, struct http1_head *h, const char *bytes,
                     size_t len) {
  struct http1_limits limits = {LINE_MAX, HEAD_MAX, kind == LENIENT};
  if (kind == REQUEST) return http1_request(h, &limits, bytes, len);
  if (kind == TRAILERS) return http1_trailers(h, &limits, bytes, len);
  return http1_response(h, &limits, HTTP1_GET, bytes, len);
}

static void check_slice(struct slice s, size_t end) {
  assert(s.at <= end && s.len <= end - s.at);
}

static void check_head(const struct http1_head *h, const char *bytes, size_t end) {
  const struct slice slices[] = {h->method, h->target, h->path,
                                 h->query,  h->host,   h->reason};
  for (size_t i = 0; i < sizeof slices / sizeof *slices; i++) check_slice(slices[i], end);
  assert(h->field_count <= FIELDS);
  for (uint32_t i = 0; i < h->field_count; i++) {
    const struct http1_field *f = &h->fields[i];
    check_slice(f->name, end);
    check_slice(f->value, end);
    assert(f->name.len > 0 && f->id < HTTP1_FIELD_IDS);
    assert(!memchr(bytes + f->value.at, '\n', f->value.len));
    assert(!memchr(bytes + f->value.at, '\r', f->value.len));
    assert(!memchr(bytes + f->value.at, '\0', f->value.len));
  }
  assert(h->content_length >= -1);
  assert(h->body != HTTP1_BODY_LENGTH || h->content_length >= 0);
  assert(end >= 2 && bytes[end - 1] == '\n' && end <= HEAD_MAX);
}

/* That the two are the same, field by field, since structs may have holes. */
static void check_same(const struct http1_head *a, const struct http1_head *b) {
  assert(a->method.len == b->method.len && a->target.len == b->target.len);
  assert(a->path.len == b->path.len && a->query.at == b->query.at);
  assert(a->host.at == b->host.at && a->host.len == b->host.len);
  assert(a->body == b->body && a->content_length == b->content_length);
  assert(a->keep_alive == b->keep_alive && a->upgrade == b->upgrade);
  assert(a->minor == b->minor && a->status == b->status && a->form == b->form);
  assert(a->field_count == b->field_count);
  assert(memcmp(a->fields, b->fields, a->field_count * sizeof *a->fields) == 0);
}

static void fuzz_head(enum kind kind, const char *bytes, size_t len, size_t step) {
  struct http1_field fields[FIELDS], cut_fields[FIELDS], fresh_fields[FIELDS];
  struct http1_head whole, cut, fresh;
  if (len > HEAD_MAX + 100) len = HEAD_MAX + 100;
  http1_head_init(&whole, fields, FIELDS);
  ssize_t r = parse(kind, &whole, bytes, len), s = 0;
  if (r > 0) check_head(&whole, bytes, (size_t)r);
  assert(r > -HTTP1_RULE_COUNT && (r >= 0 || whole.bad_at <= len));

  http1_head_init(&cut, cut_fields, FIELDS);
  for (size_t n = 0; s == 0 && n < len;) {
    n = len - n < step ? len : n + step;
    s = parse(kind, &cut, bytes, n);
    assert(s == 0 || s == r);
    assert(s != 0 || r <= 0 || (size_t)r > n);
    if (n < len / 2 || n >= len / 2 + step) continue;
    http1_head_init(&fresh, fresh_fields, FIELDS); /* one prefix as if it were all */
    assert(parse(kind, &fresh, bytes, n) == s);
  }
  assert(s == r);
  if (r > 0) check_same(&whole, &cut);
  if (r < 0) assert(cut.bad_at == whole.bad_at);
}

/* ---- bodies ---- */

struct outcome { /* what came out, whatever the cuts */
  int result;
  size_t used, count;
  uint64_t sum; /* of the data and the events, in order */
};

static void add(struct outcome *o, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) o->sum = (o->sum ^ (uint8_t)bytes[i]) * 1099511628211u;
  o->count += len;
}

/* Feeds a body; it may see `step` bytes more at each turn. */
static struct outcome run_chunks(const char *bytes, size_t len, size_t step) {
  struct outcome o = {.result = HTTP1_CHUNK_MORE};
  struct http1_chunks c;
  http1_chunks_init(&c, 300);
  for (size_t end = 0; end < len;) {
    end = len - end < step ? len : end + step;
    do {
      size_t used;
      struct slice data;
      o.result = http1_chunks_next(&c, bytes + o.used, end - o.used, &used, &data);
      assert(used <= end - o.used);
      check_slice(data, used);
      if (o.result == HTTP1_CHUNK_DATA)
        assert(data.len > 0 && data.at + data.len == used);
      add(&o, bytes + o.used + data.at, data.len);
      o.used += used;
    } while (o.result == HTTP1_CHUNK_DATA);
    assert(o.result != HTTP1_CHUNK_MORE || o.used == end);
    if (o.result != HTTP1_CHUNK_MORE) break;
  }
  assert(o.count <= o.used);
  return o;
}

static struct outcome run_multipart(const char *bytes, size_t len, size_t step) {
  struct outcome o = {.result = MULTIPART_MORE};
  struct multipart m;
  multipart_init(&m, "bound", 5, 64);
  for (size_t end = 0; end < len;) {
    end = len - end < step ? len : end + step;
    do {
      size_t used;
      struct slice piece;
      o.result = multipart_next(&m, bytes + o.used, end - o.used, &used, &piece);
      assert(used <= end - o.used);
      check_slice(piece, used);
      if (o.result == MULTIPART_DATA) assert(piece.len > 0);
      if (o.result == MULTIPART_PART_END) add(&o, "|", 1);
      if (o.result == MULTIPART_PART) assert(piece.len >= 2 && piece.len <= 64);
      if (o.result == MULTIPART_MORE) assert(end - o.used - used <= MULTIPART_ROOM);
      add(&o, bytes + o.used + piece.at, piece.len);
      o.used += used;
    } while (o.result > MULTIPART_MORE && o.result != MULTIPART_END);
    if (o.result != MULTIPART_MORE) break;
  }
  return o;
}

static void check_outcomes(struct outcome a, struct outcome b) {
  assert(a.result == b.result && a.used == b.used);
  assert(a.count == b.count && a.sum == b.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  enum kind kind = data[0] % KINDS;
  size_t step = data[1] % 64 + 1;
  const char *bytes = (const char *)data + 2;
  size_t len = size - 2;
  size_t from = step < len ? step : len;
  assert(http1_scan(bytes, from, len) == http1_scan_portable(bytes, from, len));
  if (kind == CHUNKS)
    check_outcomes(run_chunks(bytes, len, len), run_chunks(bytes, len, step));
  else if (kind == MULTIPART)
    check_outcomes(run_multipart(bytes, len, len), run_multipart(bytes, len, step));
  else
    fuzz_head(kind, bytes, len, step);
  return 0;
}
