/* Many datagrams of a net in memory. */
#include "support/fake_many.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

#include "net/control.h"

enum { MESSAGE_BYTES = 65507 };

bool fake_knows(int level, int name) {
  return level == IPPROTO_UDP && name == UDP_SEGMENT;
}

/* The first `count` went or came; or the first met `r`. */
static int done(unsigned count, ssize_t r) {
  return count > 0 ? (int)count : (int)r;
}

int fake_recvmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n, int flags) {
  for (unsigned i = 0; i < n; i++) {
    ssize_t r = net->ops->recvmsg(net, h, &all[i].msg_hdr, flags);
    if (r < 0) return done(i, r);
    all[i].msg_len = (unsigned)r;
  }
  return (int)n;
}

/* The bytes of all pieces in a row; how many, or -EMSGSIZE. */
static ssize_t gather(const struct msghdr *msg, char bytes[MESSAGE_BYTES]) {
  size_t total = 0;
  for (size_t i = 0; i < msg->msg_iovlen; i++) {
    if (msg->msg_iov[i].iov_len > MESSAGE_BYTES - total) return -EMSGSIZE;
    memcpy(bytes + total, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
    total += msg->msg_iov[i].iov_len;
  }
  return (ssize_t)total;
}

static size_t segment_of(struct msghdr *msg) {
  uint16_t segment = 0;
  struct cmsghdr *c = control_next(msg, NULL);
  if (c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT)
    memcpy(&segment, CMSG_DATA(c), sizeof segment);
  return segment;
}

static ssize_t send_one(struct net *net, net_h h, struct msghdr msg, int flags) {
  static char bytes[MESSAGE_BYTES];
  size_t segment = segment_of(&msg), at = 0;
  ssize_t total = gather(&msg, bytes), r = 0;
  if (total < 0) return total;
  do {
    size_t left = (size_t)total - at;
    struct iovec iov = {bytes + at, segment && segment < left ? segment : left};
    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = NULL;
    msg.msg_controllen = 0;
    r = net->ops->sendmsg(net, h, &msg, flags);
    at += iov.iov_len;
  } while (r >= 0 && at < (size_t)total);
  return r < 0 ? r : total;
}

int fake_sendmany(struct net *net, net_h h, struct mmsghdr *all, unsigned n, int flags) {
  for (unsigned i = 0; i < n; i++) {
    ssize_t r = send_one(net, h, all[i].msg_hdr, flags);
    if (r < 0) return done(i, r);
    all[i].msg_len = (unsigned)r;
  }
  return (int)n;
}
