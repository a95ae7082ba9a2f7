/* Ancillary data. */
#include "net/control.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

void control_init(struct control *c) {
  c->len = 0;
}

void control_put(struct control *c, int level, int type, const void *data, size_t len) {
  struct cmsghdr *element = (struct cmsghdr *)(c->u.bytes + c->len);
  assert(c->len + CMSG_SPACE(len) <= sizeof c->u.bytes);
  memset(element, 0, CMSG_SPACE(len));
  element->cmsg_level = level;
  element->cmsg_type = type;
  element->cmsg_len = CMSG_LEN(len);
  memcpy(CMSG_DATA(element), data, len);
  c->len += CMSG_SPACE(len);
}

struct cmsghdr *control_next(struct msghdr *msg, struct cmsghdr *at) {
  return at ? CMSG_NXTHDR(msg, at) : CMSG_FIRSTHDR(msg);
}

size_t control_len(const struct cmsghdr *c) {
  return c->cmsg_len - CMSG_LEN(0);
}

/* The handle of one descriptor; closed when there is no room for it. */
static bool take(struct net *net, int fd, net_h *out, bool room) {
  net_h h = room ? net_adopt(net, fd, true) : -1;
  if (h < 0) close(fd);
  if (h >= 0) *out = h;
  return h >= 0;
}

int control_take_fds(struct net *net, struct msghdr *msg, net_h *out, int max,
                     bool *lost) {
  int count = 0;
  struct cmsghdr *c = NULL;
  while ((c = control_next(msg, c))) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    for (size_t at = 0; at + sizeof(int) <= control_len(c); at += sizeof(int)) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + at, sizeof fd);
      if (take(net, fd, &out[count], count < max))
        count++;
      else
        *lost = true;
    }
  }
  return count;
}
