/* A storm: random operations by seed on connections whose numbers are reused at once, with
 * a loop above the net. Every 16 bytes on the wire name their connection, direction and
 * place, so that a byte that reaches the wrong owner is seen; so are a wake that belongs to
 * a former owner of a number, and one that never comes. OPS=1000000 SEED=N replays. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "net/loop.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/peers.h"
#include "support/seed.h"

enum {
  CONNECTIONS = 40,
  PROBES = 16,
  COPIES = 8,
  RECORD = 16,
  OPS = 40000,
  CALM_EVERY = 2000, /* operations between two calms */
};
static const int64_t patience_ns = 20000000000;

/* What travels: 16 bytes without a gap. */
struct record {
  uint32_t id, direction;
  uint64_t place;
};

/* One end of a connection. */
struct end {
  struct waiter rd, wr;
  struct connection *c;
  struct addr local;
  int64_t deadline_ns; /* of the last wait to read */
  uint64_t sent, got;  /* bytes */
  net_h h;             /* -1: closed, or not accepted yet */
  bool up, closed, shut, ended;
};

/* A slot; when it is used again the connection has another id. */
struct connection {
  struct storm *s;
  struct end ends[2]; /* who connects, who accepts */
  uint32_t id;        /* 0: free */
  bool datagrams;
};

/* A waiter without a handle: what a spawned task is to the loop. */
struct probe {
  struct waiter w;
  struct storm *s;
  int owed; /* how often it has still to fire */
};

struct storm {
  struct net *net;
  struct loop loop;
  struct rng rng;
  struct waiter acceptor, ticker;
  struct connection connections[CONNECTIONS];
  struct probe probes[PROBES];
  int copies
      [COPIES]; /* of descriptors, as a child that was forked keeps them; -1: none */
  net_h listener;
  struct addr address;
  uint32_t last_id;
  bool real, calm;
  long ops, wakes, needless; /* wakes to read, and those that found nothing */
  long opened, reused, bytes;
};

static void step(struct storm *s);

static uint64_t below(struct storm *s, uint64_t n) {
  return rng_below(&s->rng, n);
}

static bool chance(struct storm *s, unsigned percent) {
  return below(s, 100) < percent;
}

static struct end *other(const struct end *e) {
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
  fill(other(e), e->got, wanted, n);
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
  struct connection *c = &s->connections[below(s, CONNECTIONS)];
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

static void open_pair(struct storm *s, bool datagrams) {
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
static void open_tcp(struct storm *s) {
  struct connection *c = take_slot(s);
  if (!c) return;
  struct addr_text text = {.port = 0};
  text.host_len =
      (size_t)snprintf(text.host, sizeof text.host, "127.%d.%d.%d", 1 + c->id % 250,
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

static void close_end(struct end *e) {
  struct storm *s = e->c->s;
  if (e->h < 0) return;
  loop_hangup(&s->loop, e->h);
  net_close(s->net, e->h);
  e->h = -1;
  e->closed = true;
  if (!other(e)->up) other(e)->closed = true; /* nobody will accept it */
}

/* --- reading and writing ---------------------------------------------------------------- */

static bool peer_is_gone(const struct end *e) {
  return other(e)->closed;
}

/* Reads once; what the net said. */
static ssize_t read_once(struct end *e) {
  static char bytes[65536];
  struct storm *s = e->c->s;
  struct addr from;
  size_t size, n = 1 + below(s, chance(s, 10) ? sizeof bytes : 3000);
  ssize_t r = e->c->datagrams
                  ? net_recvfrom(s->net, e->h, bytes, sizeof bytes, &from, &size, 0)
                  : net_recv(s->net, e->h, bytes, n);
  if (r > 0) check(e, bytes, (size_t)r);
  if (r > 0 || r == -EAGAIN) return r;
  if (r == 0 && !peer_is_gone(e)) {
    assert_true(other(e)->shut);
    assert_int_equal(e->got, other(e)->sent);
  } else if (r < 0) {
    assert_true(r == -ECONNRESET || r == -EPIPE);
    assert_true(peer_is_gone(e));
  }
  e->ended = true;
  return r;
}

static void wait_to_read(struct end *e) {
  struct storm *s = e->c->s;
  bool limited = !s->calm && chance(s, 30);
  e->deadline_ns = limited ? loop_now(&s->loop) + (int64_t)below(s, 2000000) : NET_NEVER;
  assert_int_equal(loop_wait(&s->loop, &e->rd, e->h, NET_RD, e->deadline_ns), 0);
}

/* Reads until there is nothing, or enough; then waits, or leaves it. */
static void read_some(struct end *e) {
  struct storm *s = e->c->s;
  if (e->h < 0 || !e->up || e->ended || waiter_busy(&e->rd)) return;
  ssize_t r = 1;
  for (int i = 0; r > 0 && (s->calm || i < 3); i++) r = read_once(e);
  if (r == -EAGAIN && (s->calm || chance(s, 80))) wait_to_read(e);
}

static void readable(struct waiter *w) {
  struct end *e = list_entry(w, struct end, rd);
  struct storm *s = e->c->s;
  if (e->h < 0) return; /* closed while it waited */
  bool timed = e->deadline_ns != NET_NEVER && loop_now(&s->loop) >= e->deadline_ns;
  uint64_t got = e->got;
  if (!s->calm && chance(s, 15)) step(s); /* between the event and its answer */
  if (e->h < 0 || e->ended || waiter_busy(w) || timed) return;
  s->wakes++;
  ssize_t r = read_once(e);
  if (r == -EAGAIN && e->got == got && !e->c->datagrams) s->needless++;
  if (r == -EAGAIN)
    wait_to_read(e);
  else
    read_some(e);
}

static void send_some(struct end *e) {
  static char bytes[65536];
  struct storm *s = e->c->s;
  if (e->h < 0 || !e->up || e->shut || waiter_busy(&e->wr)) return;
  size_t n = e->c->datagrams ? RECORD : 1 + below(s, chance(s, 5) ? sizeof bytes : 2000);
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
    send_some(e);
}

/* --- the operations --------------------------------------------------------------------- */

static struct end *some_end(struct storm *s) {
  return &s->connections[below(s, CONNECTIONS)].ends[below(s, 2)];
}

static void open_one(struct storm *s) {
  uint64_t kind = below(s, s->real ? 3 : 2);
  if (kind == 0)
    open_pair(s, false);
  else if (kind == 1)
    open_tcp(s);
  else
    open_pair(s, true);
}

static void close_one(struct storm *s) {
  struct end *e = some_end(s);
  net_h h = e->h;
  if (h < 0) return;
  close_end(e);
  if (!chance(s, 50)) return;
  long before = s->opened;
  open_one(s); /* the number is taken again at once */
  s->reused += s->opened > before;
}

static void cancel_one(struct storm *s) {
  struct end *e = some_end(s);
  loop_cancel(&s->loop, &e->rd);
  if (e->up) loop_cancel(&s->loop, &e->wr);
}

static void shut_one(struct storm *s) {
  struct end *e = some_end(s);
  if (e->h < 0 || !e->up || e->c->datagrams || waiter_busy(&e->wr)) return;
  if (net_shutdown(s->net, e->h, SHUT_WR) == 0) e->shut = true;
}

/* Closes what has come to its end, as the collector does. */
static void collect(struct storm *s) {
  for (int i = 0; i < CONNECTIONS; i++)
    for (int j = 0; j < 2; j++)
      if (s->connections[i].ends[j].ended) close_end(&s->connections[i].ends[j]);
}

static void fired(struct waiter *w) {
  struct probe *p = list_entry(w, struct probe, w);
  p->owed--;
  assert_int_equal(p->owed, 0);
  if (!p->s->calm) step(p->s);
}

static void spawn(struct storm *s) {
  struct probe *p = &s->probes[below(s, PROBES)];
  if (p->owed) return;
  p->owed++;
  uint64_t how = below(s, 3);
  if (how == 0) loop_ready(&s->loop, &p->w);
  if (how == 1) loop_later(&s->loop, &p->w);
  if (how == 2) loop_wait(&s->loop, &p->w, -1, 0, (int64_t)below(s, 1000000));
}

static void copy_descriptor(struct storm *s) {
  int *copy = &s->copies[below(s, COPIES)];
  struct end *e = some_end(s);
  if (!s->real) return;
  if (*copy >= 0) close(*copy);
  *copy = e->h >= 0 ? dup(e->h) : -1;
}

static void step(struct storm *s) {
  uint64_t what = below(s, 100);
  s->ops++;
  if (what < 14)
    open_one(s);
  else if (what < 25)
    close_one(s);
  else if (what < 53)
    read_some(some_end(s));
  else if (what < 84)
    send_some(some_end(s));
  else if (what < 89)
    cancel_one(s);
  else if (what < 91)
    shut_one(s);
  else if (what < 92)
    collect(s);
  else if (what < 97)
    spawn(s);
  else
    copy_descriptor(s);
}

/* --- the calm: what was sent arrives, what was closed is noticed ------------------------ */

static bool is_settled(const struct connection *c) {
  for (int i = 0; i < 2; i++) {
    const struct end *e = &c->ends[i];
    if (e->h < 0) continue;
    if (!e->up) return false;
    if (other(e)->closed ? !e->ended && !c->datagrams : e->got != other(e)->sent)
      return false;
  }
  return c->ends[0].closed || c->ends[0].up == c->ends[1].up;
}

static bool all_settled(struct storm *s) {
  for (int i = 0; i < CONNECTIONS; i++)
    if (s->connections[i].id && !is_settled(&s->connections[i])) return false;
  return true;
}

static void drop_copies(struct storm *s) {
  for (int i = 0; i < COPIES; i++) {
    if (s->copies[i] >= 0) close(s->copies[i]);
    s->copies[i] = -1;
  }
}

static void turn(struct storm *s) {
  assert_true(loop_turn(&s->loop) >= 0);
}

static void calm(struct storm *s) {
  s->calm = true;
  drop_copies(s);
  loop_cancel(&s->loop, &s->ticker);
  int64_t limit = loop_now(&s->loop) + patience_ns;
  for (int i = 0; i < CONNECTIONS; i++)
    for (int j = 0; j < 2; j++) loop_cancel(&s->loop, &s->connections[i].ends[j].rd);
  loop_wait(&s->loop, &s->ticker, -1, 0, limit);
  while (!all_settled(s) && loop_now(&s->loop) < limit) {
    for (int i = 0; i < CONNECTIONS; i++)
      for (int j = 0; j < 2; j++) read_some(&s->connections[i].ends[j]);
    if (!all_settled(s)) turn(s);
  }
  assert_true(all_settled(s)); /* else a wake was lost */
  loop_cancel(&s->loop, &s->ticker);
  s->calm = false;
}

/* --- the test --------------------------------------------------------------------------- */

/* Turns must not sleep while the storm rages. */
static void tick(struct waiter *w) {}

static struct storm *storm_new(struct net *net, bool real, uint64_t seed) {
  struct storm *s = calloc(1, sizeof *s);
  assert_non_null(s);
  s->net = net;
  s->real = real;
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
  for (int i = 0; i < PROBES; i++) {
    s->probes[i].s = s;
    waiter_init(&s->probes[i].w, fired);
  }
  memset(s->copies, -1, sizeof s->copies);
  s->listener = peers_bound(net, SOCK_STREAM, &s->address);
  assert_int_equal(net_listen(net, s->listener, 512), 0);
  loop_ready(&s->loop, &s->acceptor);
  return s;
}

/* Ends everything; nothing may be left. */
static void storm_end(struct storm *s) {
  s->calm = true;
  for (int i = 0; i < CONNECTIONS; i++)
    for (int j = 0; j < 2; j++) close_end(&s->connections[i].ends[j]);
  loop_ready(&s->loop, &s->ticker);
  turn(s);
  for (int i = 0; i < PROBES; i++) loop_cancel(&s->loop, &s->probes[i].w);
  loop_cancel(&s->loop, &s->acceptor);
  net_close(s->net, s->listener);
  assert_int_equal(s->net->open, 0);
  assert_int_equal(s->loop.parked, 0);
  assert_int_equal(s->loop.timers.count, 0);
  loop_fini(&s->loop);
  net_free(s->net);
}

static void rage(struct storm *s, long ops) {
  long next_calm = CALM_EVERY;
  while (s->ops < ops) {
    for (uint64_t i = 1 + below(s, 8); i > 0; i--) step(s);
    loop_later(&s->loop, &s->ticker);
    turn(s);
    if (s->ops < next_calm) continue;
    calm(s);
    next_calm = s->ops + CALM_EVERY;
  }
  calm(s);
}

static struct net *host_net(void) {
  int status;
  struct net *net = net_host_epoll(&status);
  assert_non_null(net);
  return net;
}

static struct storm run(struct net *net, bool real) {
  const char *text = getenv("OPS");
  struct storm *s = storm_new(net, real, seed_get());
  rage(s, text && *text ? atol(text) : OPS);
  storm_end(s);
  printf("%ld operations, %ld connections, %ld numbers reused at once, %ld bytes, "
         "%ld wakes, %ld needless\n",
         s->ops, s->opened, s->reused, s->bytes, s->wakes, s->needless);
  struct storm result = *s;
  free(s);
  return result;
}

static void every_wake_and_byte_reaches_its_owner_over_epoll(void **state) {
  struct storm s = run(host_net(), true);
  assert_int_equal(s.needless, 0);
}

static void every_byte_reaches_its_owner_over_a_net_with_faults(void **state) {
  run(fault_net_new(host_net(), seed_get(), &fault_soft), true);
}

static void every_wake_and_byte_reaches_its_owner_over_the_net_in_memory(void **state) {
  struct storm s = run(fake_net_new(), false);
  assert_int_equal(s.needless, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_wake_and_byte_reaches_its_owner_over_epoll),
      cmocka_unit_test(every_byte_reaches_its_owner_over_a_net_with_faults),
      cmocka_unit_test(every_wake_and_byte_reaches_its_owner_over_the_net_in_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
