/* Read-ahead of datagrams. */
#include "net/host_batch.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
  ROOM_BYTES = 65536, /* the largest UDP datagram fits: nothing that is held was cut */
  ROOM_CONTROL = 512,
};

/* Its size is no multiple of a page's, so that the small datagrams of all rooms do not
 * compete for the same lines of the processor's cache. Only touched pages are memory. */
struct batch_room {
  size_t size, control_len; /* of the datagram, of what came beside it */
  int flags;                /* MSG_CTRUNC */
  socklen_t from_len;
  struct sockaddr_in6 from; /* or the shorter sockaddr_in */
  char bytes[ROOM_BYTES + 64];
  union {
    struct cmsghdr align;
    char bytes[ROOM_CONTROL];
  } control;
};

void batch_init(struct batch *b) {
  *b = (struct batch){.h = -1};
}

void batch_fini(struct batch *b) {
  free(b->rooms);
  batch_init(b);
}

/* Receives up to `n` messages, the first of them already prepared. */
static int receive(int fd, struct mmsghdr *all, struct batch_room *rooms, int n,
                   int flags) {
  struct iovec iov[BATCH_MAX];
  for (int i = 1; i < n; i++) {
    struct batch_room *room = &rooms[i - 1];
    iov[i] = (struct iovec){room->bytes, ROOM_BYTES};
    all[i].msg_hdr = (struct msghdr){
        .msg_name = &room->from,
        .msg_namelen = sizeof room->from,
        .msg_iov = &iov[i],
        .msg_iovlen = 1,
        .msg_control = room->control.bytes,
        .msg_controllen = ROOM_CONTROL,
    };
  }
  int r;
  do r = recvmmsg(fd, all, (unsigned)n, flags, NULL);
  while (r < 0 && errno == EINTR);
  return r < 0 ? -errno : r;
}

/* Notes what the calls have left in the rooms. */
static void hold(struct batch *b, net_h h, const struct mmsghdr *all, int n) {
  for (int i = 1; i < n; i++) {
    struct batch_room *room = &b->rooms[i - 1];
    room->size = all[i].msg_len;
    room->flags = all[i].msg_hdr.msg_flags & MSG_CTRUNC;
    room->from_len = all[i].msg_hdr.msg_namelen;
    room->control_len = all[i].msg_hdr.msg_controllen;
    if (room->size > BATCH_LARGE_BYTES) b->large = true;
  }
  b->h = h;
  b->next = 0;
  b->count = n - 1;
}

ssize_t batch_receive(struct batch *b, net_h h, struct msghdr *msg, int flags,
                      bool *drained) {
  struct mmsghdr all[BATCH_MAX];
  if (!b->rooms && !b->large) b->rooms = malloc((BATCH_MAX - 1) * sizeof *b->rooms);
  int n = b->large || !b->rooms ? 1 : BATCH_MAX;
  all[0].msg_hdr = *msg;
  int r = receive(h, all, b->rooms, n, flags | MSG_DONTWAIT);
  *drained = r > 0 && r < n;
  if (r < 0) return r;
  *msg = all[0].msg_hdr;
  b->large = all[0].msg_len > BATCH_LARGE_BYTES;
  if (r > 1) hold(b, h, all, r);
  return all[0].msg_len;
}

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

ssize_t batch_take(struct batch *b, struct msghdr *msg, int flags) {
  struct batch_room *room = &b->rooms[b->next];
  struct iovec *iov = msg->msg_iov;
  size_t n = least(room->size, iov->iov_len);
  size_t control = msg->msg_control ? least(room->control_len, msg->msg_controllen) : 0;
  memcpy(iov->iov_base, room->bytes, n);
  if (msg->msg_name)
    memcpy(msg->msg_name, &room->from, least(room->from_len, msg->msg_namelen));
  if (control) memcpy(msg->msg_control, room->control.bytes, control);
  msg->msg_flags = room->flags;
  if (n < room->size) msg->msg_flags |= MSG_TRUNC;
  if (control < room->control_len) msg->msg_flags |= MSG_CTRUNC;
  msg->msg_namelen = msg->msg_name ? room->from_len : 0;
  msg->msg_controllen = control;
  if (!(flags & MSG_PEEK) && ++b->next == b->count) b->h = -1;
  return (ssize_t)(flags & MSG_TRUNC ? room->size : n);
}

void batch_drop(struct batch *b, net_h h) {
  if (b->h == h) b->h = -1;
}
