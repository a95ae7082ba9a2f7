/* Lent pages. */
#include "net/lent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t whole_pages(size_t n) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (n + page - 1) / page * page;
}

int lent_open(struct lent *l, size_t head_len, size_t body_len) {
  size_t room = whole_pages(head_len), all = room + whole_pages(body_len);
  char *at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) return -ENOMEM;
  *l = (struct lent){at + room - head_len, head_len, at, all, room};
  return 0;
}

void lent_close(struct lent *l) {
  if (l->map) munmap(l->map, l->map_len);
  *l = (struct lent){0};
}

int lent_renew(struct lent *l) {
  char *copy = malloc(l->head_len);
  if (!copy) return -ENOMEM;
  memcpy(copy, l->bytes, l->head_len);
  int status = madvise(l->map, l->head_room, MADV_DONTNEED) < 0 ? -EINVAL : 0;
  if (status == 0) memcpy(l->bytes, copy, l->head_len);
  free(copy);
  return status;
}

ssize_t lender_send(struct lender *p, struct stream *st, struct net *net, net_h h,
                    const char *bytes, size_t n) {
  struct iovec iov = {(char *)bytes, n};
  if (!p->open && host_pipe_open(&p->pipe, HOST_PIPE_BYTES) < 0) return -EINVAL;
  p->open = true;
  ssize_t lent = host_pipe_lend(p->pipe.wr, &iov, 1);
  if (lent <= 0) return -EINVAL;
  ssize_t sent = stream_splice_out(st, net, h, p->pipe.rd, (size_t)lent);
  if (sent < lent)
    lender_close(p); /* with what nobody took, which is sent from its place */
  return sent;
}

void lender_close(struct lender *p) {
  if (p->open) host_pipe_close(&p->pipe);
  p->open = false;
}
