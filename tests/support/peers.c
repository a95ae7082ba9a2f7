#include "support/peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool holds, const char *condition, int line) {
  if (holds) return;
  fprintf(stderr, "peers.c:%d: not so: %s\n", line, condition);
  abort();
}

enum { EVENTS = 32 };
static const int64_t patience_ns = 10000000000;

void peers_await(struct net *net, net_h h, uint32_t what) {
  struct net_event events[EVENTS];
  int64_t deadline = net_now(net) + patience_ns;
  while (net_now(net) < deadline) {
    int n = net_poll(net, events, EVENTS, deadline);
    CHECK(n >= 0);
    for (int i = 0; i < n; i++)
      if (events[i].h == h && events[i].what & what) return;
  }
  CHECK(!"the event has come");
}

/* Repeats `call` for as long as it gives -EAGAIN. */
#define WAITING(type, call, handle, what) \
  for (;;) { \
    type result = call; \
    if (result != -EAGAIN) return result; \
    peers_await(net, handle, what); \
  }

ssize_t peers_recv(struct net *net, net_h h, void *bytes,
                   size_t n){WAITING(ssize_t, net_recv(net, h, bytes, n), h, NET_RD)}

ssize_t peers_send(struct net *net, net_h h, const void *bytes, size_t n) {
  WAITING(ssize_t, net_send(net, h, bytes, n), h, NET_WR)
}

int peers_connect(struct net *net, net_h h, const struct addr *addr){
    WAITING(int, net_connect(net, h, addr), h, NET_WR)}

net_h
    peers_accept(struct net *net, net_h h){WAITING(net_h, net_accept(net, h), h, NET_RD)}

ssize_t peers_recvfrom(struct net *net, net_h h, void *bytes, size_t n, struct addr *from,
                       size_t *size){
    WAITING(ssize_t, net_recvfrom(net, h, bytes, n, from, size, 0), h, NET_RD)}

ssize_t peers_sendto(struct net *net, net_h h, const void *bytes, size_t n,
                     const struct addr *to) {
  WAITING(ssize_t, net_sendto(net, h, bytes, n, to, 0), h, NET_WR)
}

int peers_lookup(struct net *net, struct net_lookup *q) {
  WAITING(int, net_lookup(net, q), q->ticket, NET_RD)
}

void peers_expect(struct net *net, net_h h, const char *text) {
  char bytes[256];
  while (*text) {
    size_t n = strlen(text) < sizeof bytes ? strlen(text) : sizeof bytes;
    ssize_t r = peers_recv(net, h, bytes, n);
    CHECK(r > 0);
    CHECK(memcmp(bytes, text, (size_t)r) == 0);
    text += r;
  }
}

net_h peers_bound(struct net *net, int type, struct addr *addr) {
  struct addr_text text = {.host = "127.0.0.1", .host_len = 9};
  net_h h = net_socket(net, AF_INET, type, 0);
  CHECK(h >= 0);
  CHECK(addr_from_text(addr, &text, AF_INET) == 0);
  CHECK(net_bind(net, h, addr) == 0);
  CHECK(net_name_of(net, h, NET_LOCAL, addr) == 0);
  return h;
}

net_h peers_listener(struct net *net, struct addr *addr) {
  net_h h = peers_bound(net, SOCK_STREAM, addr);
  CHECK(net_listen(net, h, 16) == 0);
  return h;
}

/* accept(2) may answer that something has run out: then again. */
static net_h accept_some(struct net *net, net_h listener) {
  net_h h;
  do h = peers_accept(net, listener);
  while (h == -EMFILE || h == -ENFILE || h == -ENOMEM || h == -ENOBUFS ||
         h == -ECONNABORTED || h == -EPROTO);
  return h;
}

void peers_pair(struct net *net, net_h *a, net_h *b) {
  struct addr addr;
  net_h listener = peers_listener(net, &addr);
  *a = net_socket(net, AF_INET, SOCK_STREAM, 0);
  CHECK(peers_connect(net, *a, &addr) == 0);
  *b = accept_some(net, listener);
  CHECK(*b >= 0);
  net_close(net, listener);
}
