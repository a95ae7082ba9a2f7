/* Buffered streams. */
#include "net/stream.h"

#include <errno.h>

#include "base/copy.h"
#include "base/status.h"

void stream_init(struct stream *st) {
  *st = (struct stream){0};
  buf_init(&st->in);
}

void stream_fini(struct stream *st) {
  buf_fini(&st->in);
}

/* What a receive gave, with its end remembered. Lack of memory passes. */
static ssize_t received(struct stream *st, ssize_t r) {
  if (r > 0 || r == -EAGAIN || r == -ENOMEM || r == -ENOBUFS) return r;
  st->rd_status = r == 0 ? STATUS_EOF : (int16_t)r;
  return st->rd_status;
}

ssize_t stream_recv(struct stream *st, struct net *net, net_h h, void *bytes, size_t n) {
  size_t held = buf_len(&st->in);
  if (held > 0) {
    if (n > held) n = held;
    copy_bytes(bytes, buf_bytes(&st->in), n);
    stream_take(st, n);
    return (ssize_t)n;
  }
  if (st->rd_status < 0) return st->rd_status;
  return received(st, net_recv(net, h, bytes, n));
}

ssize_t stream_ahead(struct stream *st, struct net *net, net_h h, size_t n) {
  char *at;
  if (st->rd_status < 0) return st->rd_status;
  if (buf_reserve(&st->in, n, &at) < 0) return -ENOMEM;
  ssize_t r = received(st, net_recv(net, h, at, n));
  if (r > 0)
    buf_commit(&st->in, (size_t)r);
  else
    buf_fini(&st->in);
  return r;
}

ssize_t stream_discard(struct stream *st, struct net *net, net_h h, size_t n) {
  size_t held = buf_len(&st->in);
  if (held > 0) {
    if (n > held) n = held;
    stream_take(st, n);
    return (ssize_t)n;
  }
  if (st->rd_status < 0) return st->rd_status;
  return received(st, net_discard(net, h, n));
}

ssize_t stream_fill(struct stream *st, struct net *net, net_h h, char *scratch,
                    size_t n) {
  if (st->rd_status < 0) return st->rd_status;
  ssize_t r = received(st, net_recv(net, h, scratch, n));
  if (r <= 0) return r;
  int status = buf_append(&st->in, scratch, (size_t)r);
  st->unkept = status < 0 ? (uint32_t)r : 0;
  return status < 0 ? status : r;
}

/* What a send gave, with its failure remembered. Lack of memory passes. */
static ssize_t sent(struct stream *st, ssize_t r) {
  if (r < 0 && r != -EAGAIN && r != -ENOMEM && r != -ENOBUFS) st->wr_status = (int16_t)r;
  return r;
}

ssize_t stream_send(struct stream *st, struct net *net, net_h h, const char *bytes,
                    size_t n) {
  if (st->wr_status < 0) return st->wr_status;
  return sent(st, net_send(net, h, bytes, n));
}

ssize_t stream_recvmsg(struct stream *st, struct net *net, net_h h, struct msghdr *msg,
                       int flags) {
  if (buf_len(&st->in) == 0 && st->rd_status == 0)
    return received(st, net_recvmsg(net, h, msg, flags));
  msg->msg_namelen = 0;
  msg->msg_controllen = 0;
  msg->msg_flags = 0;
  return stream_recv(st, net, h, msg->msg_iov->iov_base, msg->msg_iov->iov_len);
}

/* What is wrong with a message is not wrong with the stream. */
static bool concerns_message(ssize_t r) {
  return r == -EINVAL || r == -EBADF || r == -EPERM || r == -ETOOMANYREFS ||
         r == -EMSGSIZE || r == -EOPNOTSUPP || r == -ENOTSOCK;
}

ssize_t stream_sendmsg(struct stream *st, struct net *net, net_h h,
                       const struct msghdr *msg, int flags) {
  if (st->wr_status < 0) return st->wr_status;
  ssize_t r = net_sendmsg(net, h, msg, flags);
  return concerns_message(r) ? r : sent(st, r);
}

ssize_t stream_send_now(struct stream *st, struct net *net, net_h h, const char *bytes,
                        size_t n) {
  if (st->wr_status < 0) return st->wr_status;
  ssize_t r = net_sendto(net, h, bytes, n, NULL, 0);
  if (r == -ENOTSOCK) r = net_send(net, h, bytes, n); /* a file, which has no queue */
  return sent(st, r);
}

/* A file, a device or a file of /proc can fail in many ways, and none of them is wrong with
 * the stream. */
static bool breaks_stream(ssize_t r) {
  return r == -EPIPE || r == -ECONNRESET || r == -ETIMEDOUT || r == -ENOTCONN ||
         r == -ECONNABORTED || r == -ECONNREFUSED || r == -EHOSTUNREACH ||
         r == -ENETUNREACH || r == -ENETDOWN;
}

ssize_t stream_sendfile(struct stream *st, struct net *net, net_h h, int fd,
                        int64_t offset, size_t n) {
  if (st->wr_status < 0) return st->wr_status;
  ssize_t r = net_sendfile(net, h, fd, offset, n);
  return breaks_stream(r) ? sent(st, r) : r;
}

ssize_t stream_splice_in(struct stream *st, struct net *net, net_h h, int pipe_fd,
                         size_t n) {
  if (st->rd_status < 0) return st->rd_status;
  if (buf_len(&st->in) > 0) return -EINVAL;
  ssize_t r = net_splice_in(net, h, pipe_fd, n);
  return r == -EINVAL ? r : received(st, r);
}

ssize_t stream_splice_out(struct stream *st, struct net *net, net_h h, int pipe_fd,
                          size_t n) {
  if (st->wr_status < 0) return st->wr_status;
  ssize_t r = net_splice_out(net, h, pipe_fd, n);
  return r == -EINVAL ? r : sent(st, r);
}

void stream_end(struct stream *st) {
  if (st->wr_status == 0) st->wr_status = -EPIPE;
}

ssize_t stream_find(struct stream *st, const char *pattern, size_t len) {
  ssize_t at = buf_find(&st->in, st->scanned, pattern, len);
  size_t held = buf_len(&st->in);
  if (at < 0) st->scanned = held >= len ? held - len + 1 : 0;
  return at;
}

void stream_take(struct stream *st, size_t n) {
  buf_consume(&st->in, n);
  st->scanned = 0;
}
