/* One direction of a relay. */
#include "net/relay.h"

#include <errno.h>

#include "base/status.h"

/* --- pipes ------------------------------------------------------------------------------ */

static void close_idle(struct relay_pool *pool) {
  while (pool->idle_count > 0) {
    host_pipe_close(&pool->idle[--pool->idle_count]);
    pool->open--;
  }
}

void relay_pool_fini(struct relay_pool *pool) {
  close_idle(pool);
}

/* Takes an empty pipe into the relay; false where there is none. */
static bool take_pipe(struct relay *r) {
  struct relay_pool *pool = r->pool;
  if (pool->idle_count > 0) {
    r->pipe = pool->idle[--pool->idle_count];
    return true;
  }
  if (pool->open == RELAY_PIPES) return false;
  if (host_pipe_open(&r->pipe, HOST_PIPE_BYTES) < 0) return false;
  pool->open++;
  return true;
}

/* The pipe is empty. */
static void give_pipe_back(struct relay *r) {
  r->pool->idle[r->pool->idle_count++] = r->pipe;
}

/* What is in it goes with it. */
static void drop_pipe(struct relay *r) {
  host_pipe_close(&r->pipe);
  r->pool->open--;
  r->in_pipe = 0;
}

/* --- the relay -------------------------------------------------------------------------- */

void relay_init(struct relay *r, struct relay_pool *pool) {
  *r = (struct relay){.pool = pool};
  buf_init(&r->copied);
  pool->users++;
}

void relay_fini(struct relay *r) {
  if (!r->pool) return;
  if (r->in_pipe > 0) drop_pipe(r);
  buf_fini(&r->copied);
  buf_init(&r->copied);
  if (--r->pool->users == 0) close_idle(r->pool);
  r->pool = NULL;
}

static void taken(struct relay *r, size_t n) {
  r->bytes += (int64_t)n;
}

/* Moves what is in the pipe to memory: the other side cannot be spliced to. */
static ssize_t unpipe(struct relay *r) {
  char *at;
  int status = buf_reserve(&r->copied, r->in_pipe, &at);
  if (status < 0) return status;
  ssize_t n = host_pipe_read(r->pipe.rd, at, r->in_pipe);
  if (n <= 0) return n ? n : -EIO;
  buf_commit(&r->copied, (size_t)n);
  r->in_pipe -= (size_t)n;
  if (r->in_pipe == 0) give_pipe_back(r);
  r->copies = true;
  return 0;
}

/* Sends once from the pipe: how much, or a status. */
static ssize_t send_pipe(struct relay *r, struct net *net, const struct relay_end *to) {
  ssize_t n = stream_splice_out(to->stream, net, to->h, r->pipe.rd, r->in_pipe);
  if (n == -EINVAL) return unpipe(r);
  if (n <= 0) return n;
  r->in_pipe -= (size_t)n;
  if (r->in_pipe == 0) give_pipe_back(r);
  taken(r, (size_t)n);
  return n;
}

static ssize_t send_copied(struct relay *r, struct net *net, const struct relay_end *to) {
  const char *bytes = buf_bytes(&r->copied);
  ssize_t n = stream_send(to->stream, net, to->h, bytes, buf_len(&r->copied));
  if (n <= 0) return n;
  buf_consume(&r->copied, (size_t)n);
  taken(r, (size_t)n);
  return n;
}

static bool holds(const struct relay *r) {
  return r->in_pipe > 0 || buf_len(&r->copied) > 0;
}

/* Sends until nothing is held, which gives 0, or a status. What was copied came first. */
static ssize_t send_held(struct relay *r, struct net *net, const struct relay_end *to) {
  r->side = RELAY_TO;
  while (holds(r)) {
    ssize_t n = buf_len(&r->copied) > 0 ? send_copied(r, net, to) : send_pipe(r, net, to);
    if (n < 0) return n;
  }
  return 0;
}

static ssize_t receive_copy(struct relay *r, struct net *net,
                            const struct relay_end *from) {
  char *at;
  int status = buf_reserve(&r->copied, RELAY_COPY_BYTES, &at);
  if (status < 0) return status;
  ssize_t n = stream_recv(from->stream, net, from->h, at, RELAY_COPY_BYTES);
  if (n > 0)
    buf_commit(&r->copied, (size_t)n);
  else
    buf_fini(&r->copied);
  return n;
}

/* -EINVAL: it has to be copied. */
static ssize_t receive_pipe(struct relay *r, struct net *net,
                            const struct relay_end *from) {
  if (buf_len(&from->stream->in) > 0 || !take_pipe(r)) return -EINVAL;
  ssize_t n = stream_splice_in(from->stream, net, from->h, r->pipe.wr, HOST_PIPE_BYTES);
  if (n > 0)
    r->in_pipe = (size_t)n;
  else
    give_pipe_back(r);
  if (n == -EINVAL) r->copies = true;
  return n;
}

/* Receives once; nothing is held. */
static ssize_t receive(struct relay *r, struct net *net, const struct relay_end *from) {
  r->side = RELAY_FROM;
  ssize_t n = r->large && !r->copies ? receive_pipe(r, net, from) : -EINVAL;
  if (n == -EINVAL) n = receive_copy(r, net, from);
  if (n > 0) r->large = n >= RELAY_LARGE;
  if (n == STATUS_EOF) r->ended = true;
  return n;
}

/* The other side learns that this was all, unless it was told so before. */
static ssize_t end(struct relay *r, struct net *net, const struct relay_end *to) {
  r->side = RELAY_TO;
  if (to->stream->wr_status == -EPIPE) return STATUS_EOF;
  int status = net_shutdown(net, to->h, SHUT_WR);
  if (status < 0) return status == -ENOTCONN ? -EPIPE : status; /* it has been reset */
  stream_end(to->stream);
  return STATUS_EOF;
}

int relay_step(struct relay *r, struct net *net, const struct relay_end *from,
               const struct relay_end *to) {
  ssize_t n = send_held(r, net, to);
  if (n == 0 && !r->ended) n = receive(r, net, from);
  if (n > 0) n = send_held(r, net, to);
  if (r->ended) n = end(r, net, to); /* it is met only when nothing is held */
  return n == 0 ? 1 : (int)n;
}
