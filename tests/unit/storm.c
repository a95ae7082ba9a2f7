/* The storm's model. */
#include "unit/storm.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/peers.h"

uint64_t storm_below(struct storm *s, uint64_t n) {
  return rng_below(&s->rng, n);
}

bool storm_chance(struct storm *s, unsigned percent) {
  return storm_below(s, 100) < percent;
}

struct end *storm_other(const struct end *e) {
  return &e->c->ends[e == &e->c->ends[0]];
}

/* --- bytes that name their owner -------------------------------------------------------- */

/* What the end sends from place `at` of its stream on. */
static void fill(const struct end *from, uint64_t at, char *bytes, size_t n) {
  for (size_t i = 0; i < n;) {
    struct record r = {from->c->id, from == &from->c->ends[1], (at + i) / RECORD};
    size_t skip = (at + i) % RECORD, len = RECORD - skip;
    if (len > n - i) len = n - i;
    memcpy(bytes + i, (char *)&r + skip, len);
    i += len;
  }
}

static void check(struct end *e, const char *bytes, size_t n) {
  static char wanted[65536];
  fill(storm_other(e), e->got, wanted, n);
  assert_memory_equal(bytes, wanted, n);
  e->got += n;
  e->c->s->bytes += (long)n;
}

/* --- opening and closing ---------------------------------------------------------------- */

static bool is_idle(struct connection *c) {
  for (int i = 0; i < 2; i++)
    if (c->ends[i].h >= 0 || waiter_busy(&c->ends[i].rd) || waiter_busy(&c->ends[i].wr))
      return false;
  return true;
}

static struct connection *take_slot(struct storm *s) {
  struct connection *c = &s->connections[storm_below(s, CONNECTIONS)];
  if (!is_idle(c)) return NULL;
  c->id = ++s->last_id;
  for (int i = 0; i < 2; i++) {
    struct end *e = &c->ends[i];
    e->sent = e->got = 0;
    e->up = e->closed = e->shut = e->ended = false;
  }
  c->datagrams = false;
  s->opened++;
  return c;
}

void storm_open_pair(struct storm *s, bool datagrams) {
  struct connection *c = take_slot(s);
  net_h h[2];
  if (!c) return;
  assert_int_equal(net_pair(s->net, AF_UNIX, datagrams ? SOCK_DGRAM : SOCK_STREAM, h), 0);
  c->datagrams = datagrams;
  for (int i = 0; i < 2; i++) {
    c->ends[i].h = h[i];
    c->ends[i].up = true;
  }
}

static void go_on_connecting(struct end *e) {
  struct storm *s = e->c->s;
  int r = net_connect(s->net, e->h, &s->address);
  if (r == -EAGAIN)
    assert_int_equal(loop_wait(&s->loop, &e->wr, e->h, NET_WR, NET_NEVER), 0);
  else
    assert_int_equal(r, 0);
  e->up = r == 0;
}

/* Each client has an address of its own: one that lingers in TIME_WAIT is in nobody's way. */
void storm_open_tcp(struct storm *s) {
  struct connection *c = take_slot(s);
  if (!c) return;
  struct addr_text text = {.port = 0};
  text.host_len =
      (size_t)snprintf(text.host, sizeof text.host, "127.%u.%u.%u", 1 + c->id % 250,
                       1 + c->id / 250 % 250, 1 + c->id / 62500 % 250);
  struct end *e = &c->ends[0];
  e->h = net_socket(s->net, AF_INET, SOCK_STREAM, 0);
  assert_true(e->h >= 0);
  assert_int_equal(addr_from_text(&e->local, &text, AF_INET), 0);
  assert_int_equal(net_bind(s->net, e->h, &e->local), 0);
  assert_int_equal(net_name_of(s->net, e->h, NET_LOCAL, &e->local), 0);
  go_on_connecting(e);
}

static bool is_same(const struct addr *a, const struct addr *b) {
  return a->len == b->len && memcmp(&a->u, &b->u, a->len) == 0;
}

/* Whose connection was accepted; its client may be gone. */
static struct end *accepted_end(struct storm *s, const struct addr *peer) {
  for (int i = 0; i < CONNECTIONS; i++) {
    struct connection *c = &s->connections[i];
    if (c->ends[0].h >= 0 && c->ends[1].h < 0 && !c->ends[1].closed && !c->ends[1].up &&
        is_same(&c->ends[0].local, peer))
      return &c->ends[1];
  }
  return NULL;
}

static void accept_all(struct waiter *w) {
  struct storm *s = list_entry(w, struct storm, acceptor);
  struct addr peer;
  net_h h;
  while ((h = net_accept(s->net, s->listener)) >= 0) {
    assert_int_equal(net_name_of(s->net, h, NET_PEER, &peer), 0);
    struct end *e = accepted_end(s, &peer);
    if (!e) {
      net_close(s->net, h);
      continue;
    }
    e->h = h;
    e->up = true;
  }
  if (h != -EAGAIN) /* no descriptor, says the net with faults */
    loop_later(&s->loop, w);
  else
    assert_int_equal(loop_wait(&s->loop, w, s->listener, NET_RD, NET_NEVER), 0);
}

void storm_close(struct end *e) {
  struct storm *s = e->c->s;
  if (e->h < 0) return;
  loop_hangup(&s->loop, e->h);
  net_close(s->net, e->h);
  e->h = -1;
  e->closed = true;
  if (!storm_other(e)->up) storm_other(e)->closed = true; /* nobody will accept it */
}

/* --- reading and writing ---------------------------------------------------------------- */

static bool peer_is_gone(const struct end *e) {
  return storm_other(e)->closed;
}

/* Reads once; what the net said. */
static ssize_t read_once(struct end *e) {
  static char bytes[65536];
  struct storm *s = e->c->s;
  struct addr from;
  size_t size, n = 1 + storm_below(s, storm_chance(s, 10) ? sizeof bytes : 3000);
  ssize_t r = e->c->datagrams
                  ? net_recvfrom(s->net, e->h, bytes, sizeof bytes, &from, &size, 0)
                  : net_recv(s->net, e->h, bytes, n);
  if (r > 0) check(e, bytes, (size_t)r);
  if (r > 0 || r == -EAGAIN) return r;
  if (r == 0 && !peer_is_gone(e)) {
    assert_true(storm_other(e)->shut);
    assert_int_equal(e->got, storm_other(e)->sent);
  } else if (r < 0) {
    assert_true(r == -ECONNRESET || r == -EPIPE);
    assert_true(peer_is_gone(e));
  }
  e->ended = true;
  return r;
}

static void wait_to_read(struct end *e) {
  struct storm *s = e->c->s;
  bool limited = !s->calm && storm_chance(s, 30);
  e->deadline_ns =
      limited ? loop_now(&s->loop) + (int64_t)storm_below(s, 2000000) : NET_NEVER;
  assert_int_equal(loop_wait(&s->loop, &e->rd, e->h, NET_RD, e->deadline_ns), 0);
}

/* Reads until there is nothing, or enough; then waits, or leaves it. */
void storm_read(struct end *e) {
  struct storm *s = e->c->s;
  if (e->h < 0 || !e->up || e->ended || waiter_busy(&e->rd)) return;
  ssize_t r = 1;
  for (int i = 0; r > 0 && (s->calm || i < 3); i++) r = read_once(e);
  if (r == -EAGAIN && (s->calm || storm_chance(s, 80))) wait_to_read(e);
}

static void readable(struct waiter *w) {
  struct end *e = list_entry(w, struct end, rd);
  struct storm *s = e->c->s;
  if (e->h < 0) return; /* closed while it waited */
  bool timed = e->deadline_ns != NET_NEVER && loop_now(&s->loop) >= e->deadline_ns;
  uint64_t got = e->got;
  if (!s->calm && storm_chance(s, 15)) s->step(s); /* between the event and its answer */
  if (e->h < 0 || e->ended || waiter_busy(w) || timed) return;
  s->wakes++;
  ssize_t r = read_once(e);
  if (r == -EAGAIN && e->got == got && !e->c->datagrams) s->needless++;
  if (r == -EAGAIN)
    wait_to_read(e);
  else
    storm_read(e);
}

void storm_send(struct end *e) {
  static char bytes[65536];
  struct storm *s = e->c->s;
  if (e->h < 0 || !e->up || e->shut || waiter_busy(&e->wr)) return;
  size_t n = e->c->datagrams
                 ? RECORD
                 : 1 + storm_below(s, storm_chance(s, 5) ? sizeof bytes : 2000);
  fill(e, e->sent, bytes, n);
  ssize_t r = e->c->datagrams ? net_sendto(s->net, e->h, bytes, n, NULL, 0)
                              : net_send(s->net, e->h, bytes, n);
  if (r > 0)
    e->sent += (uint64_t)r;
  else if (r == -EAGAIN && !s->calm)
    assert_int_equal(loop_wait(&s->loop, &e->wr, e->h, NET_WR, NET_NEVER), 0);
  else if (r != -EAGAIN)
    assert_true(peer_is_gone(e));
}

static void writable(struct waiter *w) {
  struct end *e = list_entry(w, struct end, wr);
  if (e->h < 0) return;
  if (!e->up)
    go_on_connecting(e);
  else
    storm_send(e);
}

/* --- the whole --- */

/* Turns must not sleep while the storm rages. */
static void tick(struct waiter *w) {}

struct storm *storm_new(struct net *net, bool real, uint64_t seed,
                        void (*step)(struct storm *)) {
  struct storm *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->net = net;
  s->real = real;
  s->step = step;
  rng_init(&s->rng, seed);
  loop_init(&s->loop, net);
  waiter_init(&s->acceptor, accept_all);
  waiter_init(&s->ticker, tick);
  for (int i = 0; i < CONNECTIONS; i++) {
    struct connection *c = &s->connections[i];
    c->s = s;
    for (int j = 0; j < 2; j++) {
      c->ends[j].c = c;
      c->ends[j].h = -1;
      waiter_init(&c->ends[j].rd, readable);
      waiter_init(&c->ends[j].wr, writable);
    }
  }
  memset(s->copies, -1, sizeof s->copies);
  s->listener = peers_bound(net, SOCK_STREAM, &s->address);
  assert_int_equal(net_listen(net, s->listener, 512), 0);
  loop_ready(&s->loop, &s->acceptor);
  return s;
}
