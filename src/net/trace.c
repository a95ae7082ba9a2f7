/* The trace. */
#include "net/trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/status.h"

enum { SHOWN_BYTES = 32, LINE = 1024 };

static struct trace *self(struct net_observer *o) {
  return (struct trace *)o;
}

/* One byte as it shows between quotes: at most 4 characters and NUL. */
static void escape(char out[5], unsigned char c) {
  if (c == '\n' || c == '\r')
    snprintf(out, 5, "\\%c", c == '\n' ? 'n' : 'r');
  else if (c == '"' || c == '\\')
    snprintf(out, 5, "\\%c", c);
  else if (c < 32 || c > 126)
    snprintf(out, 5, "\\x%02x", c);
  else
    snprintf(out, 5, "%c", c);
}

/* The first bytes of the data, quoted and escaped. */
static void quote(char *out, size_t size, const void *data, size_t n) {
  const unsigned char *bytes = data;
  size_t shown = n < SHOWN_BYTES ? n : SHOWN_BYTES;
  char form[5];
  size_t at = (size_t)snprintf(out, size, " \"");
  for (size_t i = 0; i < shown; i++) {
    escape(form, bytes[i]);
    at += (size_t)snprintf(out + at, size - at, "%s", form);
  }
  snprintf(out + at, size - at, n > shown ? "\"…" : "\"");
}

static bool moves_bytes(const char *op) {
  return strncmp(op, "recv", 4) == 0 || strncmp(op, "send", 4) == 0;
}

static void format_result(char *out, size_t size, const struct net_call *c) {
  if (c->result == -EAGAIN) {
    snprintf(out, size, "would block");
  } else if (c->result < 0) {
    snprintf(out, size, "%s", status_name((int)c->result));
  } else if (c->result == 0 && strcmp(c->op, "recv") == 0) {
    snprintf(out, size, "end of stream");
  } else if (moves_bytes(c->op)) {
    int n = snprintf(out, size, "%lld byte%s", (long long)c->result,
                     c->result == 1 ? "" : "s");
    if (c->data) quote(out + n, size - (size_t)n, c->data, (size_t)c->result);
  } else if (strcmp(c->op, "accept") == 0 || strcmp(c->op, "socket") == 0) {
    snprintf(out, size, "#%lld", (long long)c->result);
  } else {
    snprintf(out, size, "ok");
  }
}

/* Whom the operation was with: the address it names, else the peer of its handle, else
 * what the handle is bound to. */
static void format_address(char out[ADDR_TEXT], struct net *net,
                           const struct net_call *c) {
  struct addr a;
  *out = '\0';
  if (c->addr) {
    a = *c->addr;
  } else if (c->h < 0 || strcmp(c->op, "close") == 0 ||
             (net->ops->name_of(net, c->h, NET_PEER, &a) < 0 &&
              net->ops->name_of(net, c->h, NET_LOCAL, &a) < 0)) {
    return;
  }
  addr_unmap(&a);
  if (c->addr || addr_port(&a) != 0) addr_format(&a, out);
}

static void print_call(struct net_observer *o, struct net *net,
                       const struct net_call *c) {
  struct trace *t = self(o);
  char place[TRACE_PLACE], address[ADDR_TEXT], result[LINE / 2];
  t->place(t->arg, place);
  format_address(address, net, c);
  format_result(result, sizeof result, c);
  double seconds = (double)(net_now(net) - t->begin_ns) / 1e9;
  char handle[16] = "";
  if (c->h >= 0 && strcmp(c->op, "socket") != 0)
    snprintf(handle, sizeof handle, " #%d", c->h);
  bool asks = strcmp(c->op, "lookup") == 0 && c->data; /* the name is what was asked */
  dprintf(t->fd, "%10.6f  %-24s %s%s%s%s%s%s: %s\n", seconds, place, c->op, handle,
          asks ? " " : "", asks ? (const char *)c->data : "", *address ? " " : "",
          address, result);
}

void trace_open(struct trace *t, struct net *net, int fd,
                void (*place)(void *, char[TRACE_PLACE]), void *arg) {
  *t = (struct trace){{print_call}, fd, net_now(net), place, arg};
  net->observer = &t->observer;
}
