/* The trace. */
#include "net/trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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
  return strncmp(op, "recv", 4) == 0 || strncmp(op, "send", 4) == 0 ||
         strncmp(op, "splice", 6) == 0 || strcmp(op, "discard") == 0;
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

/* The place that remembers whom a handle was with; NULL without memory. */
static char *whom_of(struct trace *t, net_h h) {
  if ((size_t)h >= t->whom_count) {
    size_t count = (size_t)h + 64;
    char(*whom)[ADDR_TEXT] = realloc(t->whom, count * sizeof *whom);
    if (!whom) return NULL;
    memset(whom + t->whom_count, 0, (count - t->whom_count) * sizeof *whom);
    t->whom = whom;
    t->whom_count = count;
  }
  return t->whom[h];
}

static bool ask_name(struct net *net, net_h h, int which, char out[ADDR_TEXT]) {
  struct addr a;
  if (net->ops->name_of(net, h, which, &a) < 0) return false;
  addr_unmap(&a);
  if (addr_port(&a) != 0) addr_format(&a, out);
  return true;
}

/* Whom the operation was with: the address it names, else the peer of its handle, which
 * the kernel forgets when the connection ends, else what the handle is bound to. */
static void format_address(char out[ADDR_TEXT], struct trace *t, struct net *net,
                           const struct net_call *c) {
  *out = '\0';
  if (c->addr) {
    struct addr a;
    addr_copy(&a, c->addr);
    addr_unmap(&a);
    addr_format(&a, out);
    return;
  }
  char *whom = c->h >= 0 ? whom_of(t, c->h) : NULL;
  if (!whom) return;
  if (strcmp(c->op, "socket") == 0) {
    *whom = '\0';
  } else if (strcmp(c->op, "close") == 0) {
    strcpy(out, whom);
    *whom = '\0';
  } else if (ask_name(net, c->h, NET_PEER, out)) {
    strcpy(whom, out);
  } else if (*whom) {
    strcpy(out, whom);
  } else {
    ask_name(net, c->h, NET_LOCAL, out);
  }
}

static void print_call(struct net_observer *o, struct net *net,
                       const struct net_call *c) {
  struct trace *t = self(o);
  char place[TRACE_PLACE], address[ADDR_TEXT], result[LINE / 2];
  t->place(t->arg, place);
  format_address(address, t, net, c);
  format_result(result, sizeof result, c);
  double seconds = (double)(net_now(net) - t->begin_ns) / 1e9;
  char handle[16] = "";
  if (c->h >= 0 && strcmp(c->op, "socket") != 0)
    snprintf(handle, sizeof handle, " #%d", c->h);
  char name[LINE / 4] = "";
  if (strcmp(c->op, "lookup") == 0 && c->data)
    quote(name, sizeof name, c->data, strlen(c->data));
  dprintf(t->fd, "%10.6f  %-24s %s%s%s%s%s: %s\n", seconds, place, c->op, handle, name,
          *address ? " " : "", address, result);
}

void trace_open(struct trace *t, struct net *net, int fd,
                void (*place)(void *, char[TRACE_PLACE]), void *arg) {
  *t = (struct trace){{print_call}, fd, net_now(net), place, arg, NULL, 0};
  net->observer = &t->observer;
}

void trace_fini(struct trace *t) {
  free(t->whom);
  t->whom = NULL;
  t->whom_count = 0;
}
