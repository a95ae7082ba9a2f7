#include "support/http1_ways.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "support/guard.h"
#include "support/seed.h"

static struct guard guard;
static struct rng rng;

void ways_init(void) {
  guard_init(&guard, 1 << 16);
  rng_init(&rng, seed_get());
}

void ways_fini(void) {
  guard_fini(&guard);
}

int ways_set_up(void **state) {
  (void)state;
  ways_init();
  return 0;
}

int ways_tear_down(void **state) {
  (void)state;
  ways_fini();
  return 0;
}

static ssize_t parse(struct http1_head *h, enum ways_kind kind, enum http1_method asked,
                     const char *text, size_t len) {
  const struct http1_limits limits = {WAYS_LINE_MAX, WAYS_HEAD_MAX, kind == WAYS_LENIENT};
  const char *bytes = guard_before(&guard, text, len);
  if (kind == WAYS_REQUEST) return http1_request(h, &limits, bytes, len);
  if (kind == WAYS_TRAILERS) return http1_trailers(h, &limits, bytes, len);
  return http1_response(h, &limits, asked, bytes, len);
}

static void begin(struct ways *w) {
  http1_head_init(&w->head, w->fields, WAYS_FIELDS);
}

ssize_t ways_parse(struct ways *w, enum ways_kind kind, enum http1_method asked,
                   const char *text, size_t len) {
  begin(w);
  return parse(&w->head, kind, asked, text, len);
}

static void check_prefixes(enum ways_kind kind, const char *text, size_t len, ssize_t r) {
  struct ways w;
  ssize_t last = 0;
  for (size_t n = 0; n < len && (r <= 0 || n < (size_t)r); n++) {
    ssize_t s = ways_parse(&w, kind, HTTP1_GET, text, n);
    if (s != 0 && s != r) printf("%.*s: %zd after %zu bytes\n", (int)len, text, s, n);
    assert(s == 0 || s == r);
    if (last < 0) assert(s == r); /* what is bad stays bad */
    last = s;
  }
}

/* Pieces of 1 to `most` bytes. */
static void check_pieces(const struct ways *want, enum ways_kind kind, const char *text,
                         size_t len, size_t most, ssize_t r) {
  struct ways w;
  ssize_t s = 0;
  begin(&w);
  for (size_t n = 0; s == 0 && n < len;) {
    n += 1 + rng_below(&rng, most);
    if (n > len) n = len;
    s = parse(&w.head, kind, HTTP1_GET, text, n);
  }
  assert(s == r);
  if (r < 0) assert(w.head.bad_at == want->head.bad_at);
  if (r <= 0) return;
  assert(w.head.field_count == want->head.field_count);
  assert(memcmp(w.fields, want->fields, w.head.field_count * sizeof *w.fields) == 0);
  assert(w.head.body == want->head.body);
  assert(w.head.keep_alive == want->head.keep_alive);
  assert(w.head.host.at == want->head.host.at);
}

ssize_t ways_check(struct ways *w, enum ways_kind kind, const char *text, size_t len) {
  ssize_t r = ways_parse(w, kind, HTTP1_GET, text, len);
  check_prefixes(kind, text, len, r);
  check_pieces(w, kind, text, len, 1, r);
  for (int i = 0; i < 20; i++) check_pieces(w, kind, text, len, 1 + len / 2, r);
  return r;
}
