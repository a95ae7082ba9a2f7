/* The ways to send a datum again and again. */
#include "net/repeat.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "net/control.h"
#include "net/file.h"

enum {
  LARGE_BYTES = 8 * 1024 * 1024, /* a datum that no cache near a processor holds */
  LARGE_ROUNDS = 4,              /* fewer do not pay for the copy of its own */
  BLOCK_BYTES = 32 * 1024,       /* a smaller datum is repeated up to this in its block */
  CALL_BYTES = 1024 * 1024,      /* of one system call */
  FRAGMENTS = 64,                /* of one system call: the block, again and again */
  FILE_BYTES = 1024 * 1024,      /* the block of a file, which has no fragments */
};

/* Short jobs do not pay for a trial. It begins when slow start is over, and a window of it
 * takes a network below 7 Gbit/s too long, which no method makes faster. */
enum { LONG_BYTES = 1024 * 1024 * 1024, LONG_NS = 1000 * 1000 * 1000 };
static const struct trial_plan plan = {.run_in_bytes = 64 * 1024 * 1024,
                                       .settle_bytes = 4 * 1024 * 1024,
                                       .window_bytes = 16 * 1024 * 1024,
                                       .slow_ns = 20 * 1000 * 1000};

static const char *const names[REPEAT_METHODS] = {"send", "vmsplice", "sendfile",
                                                  "zerocopy"};

const char *repeat_name(enum repeat_method method) {
  return method < REPEAT_METHODS ? names[method] : NULL;
}

/* What the caches hold is copied faster than its pages are lent (decision 0018). */
static enum repeat_method choose(size_t len, uint64_t bytes) {
  return len >= LARGE_BYTES && bytes / len >= LARGE_ROUNDS ? REPEAT_VMSPLICE
                                                           : REPEAT_SEND;
}

static bool is_long(uint64_t bytes, int64_t ns) {
  return bytes >= LONG_BYTES && (ns == NET_NEVER || ns >= LONG_NS);
}

/* --- what the methods need ------------------------------------------------------------ */

void repeat_init(struct repeat *r, const char *data, size_t len, uint64_t bytes,
                 int64_t ns) {
  *r = (struct repeat){.data = data, .len = len, .fragments = FRAGMENTS, .file = -1};
  r->method = r->usual = choose(len, bytes);
  r->wait_ns = NET_NEVER;
  r->tries = is_long(bytes, ns) && bytes / len >= LARGE_ROUNDS;
  trial_begin(&r->trial, &plan);
}

static void free_block(struct repeat *r) {
  if (r->mapped)
    munmap(r->block, r->block_bytes);
  else
    free(r->block);
  r->block = NULL;
  r->mapped = false;
}

void repeat_fini(struct repeat *r) {
  free_block(r);
  if (r->piping) host_pipe_close(&r->pipe);
  if (r->file >= 0) file_close(r->file);
  r->file = -1;
  r->piping = r->ready = false;
  r->piped = 0;
}

/* A mapping of its own: nobody else ever has these pages, so they can be given back while
 * the kernel still sends from them. Large pages take an eighth of the time. */
static char *map(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

/* Makes room for the datum, as often as it fits into `most` bytes, but once at least. */
static int make_block(struct repeat *r, size_t most, bool mapped) {
  size_t times = r->len < most ? most / r->len : 1;
  r->block_bytes = times * r->len;
  r->block = mapped ? map(r->block_bytes) : malloc(r->block_bytes);
  if (!r->block) return -ENOMEM;
  r->mapped = mapped;
  r->filled = 0;
  return 0;
}

/* Fills the block up to `end`, no further: a short job does not pay for what it does not
 * send, and a large datum is not copied all at once. What is filled is never written again,
 * and all of it cannot be. */
static void fill(struct repeat *r, size_t end) {
  if (end <= r->filled) return;
  while (r->filled < end) {
    bool first = r->filled < r->len;
    size_t skip = r->filled % r->len, have = (first ? r->len : r->filled) - skip;
    size_t n = end - r->filled < have ? end - r->filled : have;
    memcpy(r->block + r->filled, (first ? r->data : r->block) + skip, n);
    r->filled += n;
  }
  if (r->mapped && r->filled == r->block_bytes)
    mprotect(r->block, r->block_bytes, PROT_READ);
}

static int prepare_send(struct repeat *r, struct net *net, net_h h) {
  if (r->len >= BLOCK_BYTES || make_block(r, BLOCK_BYTES, false) < 0)
    r->block_bytes = r->len; /* without memory the datum itself serves */
  return 0;
}

static int prepare_vmsplice(struct repeat *r, struct net *net, net_h h) {
  int status = make_block(r, BLOCK_BYTES, true);
  if (status == 0) status = host_pipe_open(&r->pipe, HOST_PIPE_BYTES);
  r->piping = status == 0;
  return status;
}

static int prepare_sendfile(struct repeat *r, struct net *net, net_h h) {
  r->block_bytes = r->len;
  if (r->len < FILE_BYTES && make_block(r, FILE_BYTES, false) < 0) return -ENOMEM;
  r->file = file_in_memory();
  r->written = 0;
  return r->file < 0 ? r->file : 0;
}

/* socket(7): what is no TCP over INET refuses the option. */
static int prepare_zerocopy(struct repeat *r, struct net *net, net_h h) {
  int on = 1, status = net_setopt(net, h, SOL_SOCKET, SO_ZEROCOPY, &on, sizeof on);
  return status < 0 ? status : make_block(r, BLOCK_BYTES, true);
}

/* --- sending -------------------------------------------------------------------------- */

/* Lays out the next n bytes of the stream from its byte `at` on, or as many as one
 * call takes. How many fragments they are. A plain send of a large datum leaves the copy of
 * it to who lends that. */
static int lay_out(struct repeat *r, uint64_t at, size_t n, struct iovec iov[FRAGMENTS]) {
  bool own = r->block && (r->method != REPEAT_SEND || r->len < BLOCK_BYTES);
  char *block = own ? r->block : (char *)r->data;
  size_t begin = at % r->block_bytes, rest = r->block_bytes - begin;
  int count = 0;
  if (own) fill(r, n < rest ? begin + n : r->block_bytes);
  for (; n > 0 && count < r->fragments; count++, begin = 0) {
    size_t piece = r->block_bytes - begin;
    if (piece > n) piece = n;
    iov[count] = (struct iovec){block + begin, piece};
    n -= piece;
  }
  return count;
}

/* One fragment may be small, and is queued then; what is no socket takes no more than one. */
static ssize_t send_block(struct repeat *r, struct stream *st, struct net *net, net_h h,
                          uint64_t at, size_t n, int flags) {
  struct iovec iov[FRAGMENTS];
  int count = lay_out(r, at, n < CALL_BYTES ? n : CALL_BYTES, iov);
  struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)count};
  ssize_t sent = -ENOTSOCK;
  if (count > 1 || flags) sent = stream_sendmsg(st, net, h, &msg, flags);
  if (sent != -ENOTSOCK) return sent;
  if (count > 1) r->fragments = 1;
  return stream_send(st, net, h, iov->iov_base, iov->iov_len);
}

static ssize_t send_copy(struct repeat *r, struct stream *st, struct net *net, net_h h,
                         uint64_t at, size_t n) {
  return send_block(r, st, net, h, at, n, 0);
}

/* Fills the empty pipe with pages, then empties it into the socket. */
static ssize_t send_pages(struct repeat *r, struct stream *st, struct net *net, net_h h,
                          uint64_t at, size_t n) {
  struct iovec iov[FRAGMENTS];
  if (r->piped == 0) {
    int count = lay_out(r, at, n < CALL_BYTES ? n : CALL_BYTES, iov);
    ssize_t lent = host_pipe_lend(r->pipe.wr, iov, (size_t)count);
    r->useless = lent < 0;
    if (lent < 0) return lent;
    r->piped = (size_t)lent;
    r->calls++;
  }
  ssize_t sent = stream_splice_out(st, net, h, r->pipe.rd, r->piped);
  r->useless = sent == -EINVAL;
  if (sent > 0) r->piped -= (size_t)sent;
  return sent;
}

/* Writes the file up to `end`, no further: as with the block, a large datum is not copied all
 * at once. When it is whole the block has served. */
static int write_file(struct repeat *r, size_t end) {
  if (end <= r->written) return 0;
  if (r->block) fill(r, end);
  const char *from = r->block ? r->block : r->data;
  int status = file_append(r->file, from + r->written, end - r->written);
  if (status < 0) return status;
  r->written = end;
  if (end == r->block_bytes) free_block(r);
  return 0;
}

static ssize_t send_file(struct repeat *r, struct stream *st, struct net *net, net_h h,
                         uint64_t at, size_t n) {
  size_t begin = at % r->block_bytes, rest = r->block_bytes - begin;
  if (n > rest) n = rest;
  if (n > CALL_BYTES) n = CALL_BYTES;
  int status = write_file(r, begin + n);
  r->useless = status < 0;
  return status < 0 ? status : stream_sendfile(st, net, h, r->file, (int64_t)begin, n);
}

/* What one word of the kernel says: so many zero-copy sends are done with. */
static int64_t done_with(struct msghdr *msg) {
  struct cmsghdr *c = NULL;
  int64_t count = 0;
  while ((c = control_next(msg, c))) {
    struct sock_extended_err e;
    if (control_len(c) < sizeof e) continue;
    memcpy(&e, CMSG_DATA(c), sizeof e);
    if (e.ee_origin == SO_EE_ORIGIN_ZEROCOPY)
      count += (int64_t)(uint32_t)(e.ee_data - e.ee_info) + 1;
  }
  return count;
}

bool repeat_settled(struct repeat *r, struct net *net, net_h h) {
  char byte;
  union {
    struct cmsghdr align;
    char bytes[256];
  } control;
  struct iovec iov = {&byte, sizeof byte};
  while (r->pending > 0) {
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control};
    if (net_recvmsg(net, h, &msg, MSG_ERRQUEUE) < 0) break;
    r->pending -= done_with(&msg);
  }
  return r->pending <= 0;
}

/* ENOBUFS: there is no room for the words of more sends, or no more pages may be held. */
static ssize_t send_zero(struct repeat *r, struct stream *st, struct net *net, net_h h,
                         uint64_t at, size_t n) {
  bool settled = repeat_settled(r, net, h);
  ssize_t sent = send_block(r, st, net, h, at, n, MSG_ZEROCOPY);
  if (sent > 0) r->pending++;
  return sent == -ENOBUFS && !settled ? -EAGAIN : sent;
}

/* --- the methods ---------------------------------------------------------------------- */

static const struct {
  /* Gets what it needs. 0 or a status. */
  int (*prepare)(struct repeat *, struct net *, net_h);
  ssize_t (*send)(struct repeat *, struct stream *, struct net *, net_h, uint64_t at,
                  size_t n);
} methods[REPEAT_METHODS] = {
    [REPEAT_SEND] = {prepare_send,     send_copy },
    [REPEAT_VMSPLICE] = {prepare_vmsplice, send_pages},
    [REPEAT_SENDFILE] = {prepare_sendfile, send_file },
    [REPEAT_ZEROCOPY] = {prepare_zerocopy, send_zero },
};

static ssize_t send_once(struct repeat *r, struct stream *st, struct net *net, net_h h,
                         uint64_t at, size_t n) {
  int status = r->ready ? 0 : methods[r->method].prepare(r, net, h);
  r->ready = status == 0;
  r->useless = status < 0;
  return r->ready ? methods[r->method].send(r, st, net, h, at, n) : status;
}

/* The same, by REPEAT_SEND where the method cannot be used. */
static ssize_t send_somehow(struct repeat *r, struct stream *st, struct net *net, net_h h,
                            uint64_t at, size_t n) {
  ssize_t sent = send_once(r, st, net, h, at, n);
  if (r->useless && !r->forced) { /* it has not sent any of these bytes */
    repeat_fini(r);
    r->method = REPEAT_SEND;
    r->tries = false;
    sent = send_once(r, st, net, h, at, n);
  }
  return sent;
}

/* --- trials --------------------------------------------------------------------------- */

static enum repeat_method method_of(const struct repeat *r, enum trial_way way) {
  bool sends = (r->usual == REPEAT_SEND) == (way == TRIAL_USUAL);
  return sends ? REPEAT_SEND : REPEAT_VMSPLICE;
}

static bool is_tcp(struct net *net, net_h h) {
  int protocol;
  socklen_t len = sizeof protocol;
  return net_getopt(net, h, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
         protocol == IPPROTO_TCP;
}

/* Whether pages can be lent: the pipe is there, and all of the block. That is filled a call's
 * share at a time, while plain sends go on. */
static bool can_lend(struct repeat *r, struct net *net, net_h h) {
  if (!r->piping) {
    free_block(r);
    if (prepare_vmsplice(r, net, h) < 0) {
      repeat_fini(r);
      trial_end(&r->trial);
      return false;
    }
  }
  size_t rest = r->block_bytes - r->filled;
  fill(r, r->filled + (rest < CALL_BYTES ? rest : CALL_BYTES));
  return r->filled == r->block_bytes;
}

/* Takes up the method that the trial wants, as soon as nothing lies in the pipe. */
static void follow(struct repeat *r, struct net *net, net_h h) {
  enum repeat_method next = method_of(r, r->trial.way);
  if (next != r->method) {
    if (r->piped > 0 || (next == REPEAT_VMSPLICE && !can_lend(r, net, h))) return;
    r->method = next;
  }
  if (r->trial.runs) return;
  r->tries = false;
  if (r->method == REPEAT_SEND) repeat_fini(r); /* it needs less */
}

/* What was sent while the block was being filled tells nothing. */
static void note(struct repeat *r, size_t bytes, int64_t ns) {
  bool usual = r->method == r->usual, fills = r->mapped && r->filled < r->block_bytes;
  if (!fills) trial_note(&r->trial, usual ? TRIAL_USUAL : TRIAL_OTHER, bytes, ns);
}

void repeat_pause(struct repeat *r, int64_t since_ns) {
  if (r->wait_ns != NET_NEVER) note(r, 0, since_ns - r->wait_ns);
  r->wait_ns = NET_NEVER;
}

/* Time between two sends counts only where the first had to wait for room. */
static ssize_t send_timed(struct repeat *r, struct stream *st, struct net *net, net_h h,
                          uint64_t at, size_t n) {
  int64_t begin = r->wait_ns == NET_NEVER ? net_now(net) : r->wait_ns;
  if (!r->ready && !is_tcp(net, h)) trial_end(&r->trial);
  follow(r, net, h);
  ssize_t sent = send_somehow(r, st, net, h, at, n);
  int64_t now = net_now(net);
  r->wait_ns = sent == -EAGAIN ? now : NET_NEVER;
  note(r, sent > 0 ? (size_t)sent : 0, now - begin);
  return sent;
}

ssize_t repeat_send(struct repeat *r, struct stream *st, struct net *net, net_h h,
                    uint64_t at, size_t n) {
  bool timed = r->tries && !r->forced;
  ssize_t sent =
      timed ? send_timed(r, st, net, h, at, n) : send_somehow(r, st, net, h, at, n);
  if (sent > 0) r->calls++;
  return sent;
}
