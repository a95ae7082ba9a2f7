/* The model under the storm test: connections over a net and a loop, and what may be done
 * to them. Every 16 bytes on the wire name their connection, direction and place; a byte
 * that reaches a wrong owner, and an end without a reason, fail by cmocka's assertions. */
#ifndef UNIT_STORM_H
#define UNIT_STORM_H

#include "base/rng.h"
#include "net/loop.h"

enum {
  CONNECTIONS = 40,
  PROBES = 16,
  COPIES = 8,
  RECORD = 16,
};

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
  int copies[COPIES]; /* of descriptors, as a forked child keeps them; -1: none */
  net_h listener;
  struct addr address;
  uint32_t last_id;
  bool real;                    /* the host's sockets */
  bool calm;                    /* nothing is done at random */
  void (*step)(struct storm *); /* one random operation: also comes between events */
  long ops, wakes, needless;    /* wakes to read, and those that found nothing */
  long opened, reused, bytes;
};

/* Takes the net. */
struct storm *storm_new(struct net *net, bool real, uint64_t seed,
                        void (*step)(struct storm *));

/* A number below n; true in `percent` of a hundred calls. */
uint64_t storm_below(struct storm *s, uint64_t n);
bool storm_chance(struct storm *s, unsigned percent);

struct end *storm_other(const struct end *e);

/* Each takes a slot, if the one that chance names is free. */
void storm_open_pair(struct storm *s, bool datagrams);
void storm_open_tcp(struct storm *s);

void storm_close(struct end *e);

/* Does nothing where the end is closed, ended or waits already. Read: until there is
 * nothing or enough, then waits, or leaves it. Send: once; waits for room. */
void storm_read(struct end *e);
void storm_send(struct end *e);

#endif
