/* Many datagrams in one system call. */
#include "net/datagrams.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "net/control.h"

/* --- going out -------------------------------------------------------------------------- */

void outgoing_init(struct outgoing *o, bool may_couple) {
  o->may_couple = may_couple;
  o->count = o->pieces = o->datagrams = 0;
  o->bytes = 0;
}

bool trains_known(struct net *net, net_h h) {
  int segment;
  socklen_t len = sizeof segment;
  return net_getopt(net, h, IPPROTO_UDP, UDP_SEGMENT, &segment, &len) == 0;
}

static bool goes_to(const struct msghdr *msg, const struct addr *to) {
  if (!to) return msg->msg_namelen == 0;
  return msg->msg_namelen == to->len && memcmp(msg->msg_name, &to->u, to->len) == 0;
}

/* Whether a datagram can be coupled to the last message: all but the last one of a train
 * have its size. */
static bool can_couple(const struct outgoing *o, size_t len, const struct addr *to) {
  if (!o->may_couple || o->count == 0 || len == 0) return false;
  const struct train *t = &o->trains[o->count - 1];
  return len <= t->segment && t->count < TRAIN_MAX && t->bytes == t->count * t->segment &&
         t->bytes + len <= TRAIN_BYTES && goes_to(&o->all[o->count - 1].msg_hdr, to);
}

/* Begins a message. */
static void begin(struct outgoing *o, size_t len, const struct addr *to) {
  struct msghdr *msg = &o->all[o->count].msg_hdr;
  *msg = (struct msghdr){.msg_iov = &o->iov[o->pieces]};
  if (to) {
    addr_copy(&o->to[o->count], to);
    msg->msg_name = &o->to[o->count].u;
    msg->msg_namelen = to->len;
  }
  o->trains[o->count++] = (struct train){.segment = len};
}

/* Adds bytes to a message; those that follow others in memory need no piece of their own. */
static void append(struct outgoing *o, struct msghdr *msg, const char *bytes,
                   size_t len) {
  struct iovec *last = msg->msg_iov + msg->msg_iovlen - 1;
  if (msg->msg_iovlen > 0 && (char *)last->iov_base + last->iov_len == bytes) {
    last->iov_len += len;
    return;
  }
  o->iov[o->pieces++] = (struct iovec){(char *)bytes, len};
  msg->msg_iovlen++;
}

/* Adds to the last message. */
static void add_to_last(struct outgoing *o, const char *bytes, size_t len,
                        unsigned datagrams) {
  struct train *t = &o->trains[o->count - 1];
  append(o, &o->all[o->count - 1].msg_hdr, bytes, len);
  t->bytes += len;
  t->count += datagrams;
  o->datagrams += datagrams;
  o->bytes += len;
}

static bool is_full(const struct outgoing *o) {
  return o->pieces == DATAGRAMS_PIECES || o->bytes >= DATAGRAMS_BYTES ||
         o->datagrams >= DATAGRAMS_MOST;
}

bool outgoing_add(struct outgoing *o, const char *bytes, size_t len,
                  const struct addr *to) {
  if (is_full(o)) return false;
  if (!can_couple(o, len, to)) {
    if (o->count == DATAGRAMS_MESSAGES) return false;
    begin(o, len, to);
  }
  add_to_last(o, bytes, len, 1);
  return true;
}

size_t outgoing_cut(struct outgoing *o, const char *bytes, size_t len, size_t segment,
                    const struct addr *to) {
  size_t most = o->may_couple ? TRAIN_BYTES / segment : 1, taken = 0;
  if (most > TRAIN_MAX) most = TRAIN_MAX;
  while (taken < len && o->count < DATAGRAMS_MESSAGES && !is_full(o)) {
    size_t left = len - taken, n = left < most * segment ? left : most * segment;
    begin(o, n < segment ? n : segment, to);
    add_to_last(o, bytes + taken, n, (unsigned)((n + segment - 1) / segment));
    taken += n;
  }
  return taken;
}

/* Tells the kernel where to cut. A message of one datagram needs no word. */
static void mark(struct outgoing *o, unsigned i) {
  struct msghdr *msg = &o->all[i].msg_hdr;
  uint16_t segment = (uint16_t)o->trains[i].segment;
  if (o->trains[i].count < 2) return;
  struct cmsghdr *c = &o->control[i].first;
  memset(&o->control[i], 0, sizeof o->control[i]);
  c->cmsg_level = IPPROTO_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof segment);
  memcpy(CMSG_DATA(c), &segment, sizeof segment);
  msg->msg_control = c;
  msg->msg_controllen = CMSG_SPACE(sizeof segment);
}

int outgoing_send(struct outgoing *o, struct net *net, net_h h, int flags) {
  for (unsigned i = 0; i < o->count; i++) mark(o, i);
  int r = net_sendmany(net, h, o->all, o->count, flags), went = 0;
  for (int i = 0; i < r; i++) went += (int)o->trains[i].count;
  return r < 0 ? r : went;
}

size_t outgoing_bytes(const struct outgoing *o, int went) {
  size_t bytes = 0;
  for (unsigned i = 0; went > 0; went -= (int)o->trains[i++].count)
    bytes += o->trains[i].bytes;
  return bytes;
}

/* udp(7): EINVAL, EMSGSIZE: more than the device's MTU, or too many; EIO: no checksum
 * offload, or a path that encrypts. */
bool outgoing_derailed(const struct outgoing *o, int status) {
  bool refused = status == -EIO || status == -EINVAL || status == -EMSGSIZE;
  return refused && o->count > 0 && o->trains[0].count > 1;
}

/* --- coming in -------------------------------------------------------------------------- */

struct incoming *incoming_new(void) {
  size_t rooms = DATAGRAMS_MESSAGES * sizeof((struct incoming *)NULL)->rooms[0];
  struct incoming *in = malloc(sizeof *in + rooms);
  if (!in) return NULL;
  in->count = in->next = in->ready = 0;
  in->joined = false;
  in->room = in->stride = 0;
  in->base = NULL;
  return in;
}

static void prepare(struct incoming *in, int i) {
  in->iov[i] = (struct iovec){in->base + (size_t)i * in->stride, in->room};
  in->all[i].msg_hdr = (struct msghdr){
      .msg_name = in->room ? &in->from[i].u : NULL,
      .msg_namelen = in->room ? sizeof in->from[i].u : 0,
      .msg_iov = &in->iov[i],
      .msg_iovlen = 1,
      .msg_control = in->joined ? &in->control[i] : NULL,
      .msg_controllen = in->joined ? sizeof in->control[i] : 0,
  };
}

/* The kernel writes to the messages that come only, often to few of them. */
int incoming_receive(struct incoming *in, struct net *net, net_h h,
                     const struct incoming_wish *wish) {
  char *base = wish->bytes ? wish->bytes : in->rooms[0];
  if (in->room != wish->room || in->joined != wish->joined || in->base != base)
    in->ready = 0;
  in->room = wish->room;
  in->joined = wish->joined;
  in->base = base;
  in->stride = wish->bytes ? wish->room : sizeof in->rooms[0];
  for (int i = 0; i < in->count && i < in->ready; i++) prepare(in, i);
  for (; in->ready < wish->n; in->ready++) prepare(in, in->ready);
  int r = net_recvmany(net, h, in->all, (unsigned)wish->n, wish->flags | MSG_TRUNC);
  in->count = r < 0 ? 0 : r;
  in->next = 0;
  in->at = 0;
  return r;
}

static size_t segment_of(struct mmsghdr *m) {
  struct cmsghdr *c = NULL;
  int segment = 0;
  while ((c = control_next(&m->msg_hdr, c)))
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
      memcpy(&segment, CMSG_DATA(c), sizeof segment);
  return segment > 0 && (unsigned)segment < m->msg_len ? (size_t)segment : m->msg_len;
}

/* How many datagrams a message has. */
static size_t count_of(size_t size, size_t segment) {
  return size > segment ? (size + segment - 1) / segment : 1;
}

uint64_t incoming_count(struct incoming *in, uint64_t *bytes) {
  uint64_t count = 0;
  *bytes = 0;
  for (int i = 0; i < in->count; i++) {
    count += count_of(in->all[i].msg_len, segment_of(&in->all[i]));
    *bytes += in->all[i].msg_len;
  }
  return count;
}

bool incoming_next_message(struct incoming *in, struct arrival *a) {
  if (in->next == in->count) return false;
  struct mmsghdr *m = &in->all[in->next];
  size_t size = m->msg_len, segment = segment_of(m);
  in->from[in->next].len = m->msg_hdr.msg_namelen;
  *a = (struct arrival){.at = (size_t)in->next * in->stride,
                        .len = size < in->room ? size : in->room,
                        .size = size,
                        .segment = segment,
                        .count = count_of(size, segment),
                        .from = &in->from[in->next]};
  in->next++;
  return true;
}

bool incoming_next(struct incoming *in, struct datagram *d) {
  if (in->next == in->count) return false;
  struct mmsghdr *m = &in->all[in->next];
  if (in->at == 0) in->segment = segment_of(m);
  size_t size = m->msg_len - in->at;
  if (size > in->segment) size = in->segment;
  size_t room = in->at < in->room ? in->room - in->at : 0;
  in->from[in->next].len = m->msg_hdr.msg_namelen;
  const char *bytes = in->base + (size_t)in->next * in->stride + in->at;
  *d = (struct datagram){bytes, size < room ? size : room, size, &in->from[in->next]};
  in->at += size;
  if (in->at == m->msg_len) {
    in->next++;
    in->at = 0;
  }
  return true;
}

/* --- kept ------------------------------------------------------------------------------- */

struct record {
  size_t len, size;
  struct addr from;
};

int held_put(struct buf *held, const struct datagram *d) {
  struct record r = {.len = d->len, .size = d->size};
  char *at;
  addr_copy(&r.from, d->from);
  if (buf_reserve(held, sizeof r + d->len, &at) < 0) return -ENOMEM;
  memcpy(at, &r, sizeof r);
  if (d->len > 0) memcpy(at + sizeof r, d->bytes, d->len);
  buf_commit(held, sizeof r + d->len);
  return 0;
}

bool held_first(const struct buf *held, struct datagram *d, struct addr *from) {
  struct record r;
  if (buf_len(held) == 0) return false;
  memcpy(&r, buf_bytes(held), sizeof r);
  *from = r.from;
  *d = (struct datagram){buf_bytes(held) + sizeof r, r.len, r.size, from};
  return true;
}

void held_drop(struct buf *held) {
  struct record r;
  memcpy(&r, buf_bytes(held), sizeof r);
  buf_consume(held, sizeof r + r.len);
}

/* Receives one message and holds its datagrams. */
static int hold_train(struct incoming *in, struct buf *held, struct net *net, net_h h,
                      int flags) {
  struct datagram d;
  char *at; /* first, so that none is lost for lack of memory */
  if (buf_reserve(held, DATAGRAM_ROOM + TRAIN_MAX * sizeof(struct record), &at) < 0)
    return -ENOMEM;
  struct incoming_wish wish = {1, DATAGRAM_ROOM, true, flags & ~MSG_PEEK, NULL};
  int r = incoming_receive(in, net, h, &wish);
  while (incoming_next(in, &d) && held_put(held, &d) == 0) continue;
  return r;
}

ssize_t joined_recvfrom(struct incoming *in, struct buf *held, struct net *net, net_h h,
                        struct joined_room *room, int flags) {
  struct datagram d;
  int r = buf_len(held) > 0 ? 0 : hold_train(in, held, net, h, flags);
  if (r < 0) return r;
  held_first(held, &d, room->from);
  room->size = d.size;
  size_t n = room->n < d.len ? room->n : d.len;
  memcpy(room->bytes, d.bytes, n);
  if (!(flags & MSG_PEEK)) held_drop(held);
  return (ssize_t)n;
}
