/* Socket addresses as values. Parsing is strict on purpose: ports are decimal digits and
 * IPv4 is a dotted quad, as inet_pton(3) takes it, because the looser forms of inet_aton(3) let
 * "0x7f.1" pass checks that were written for "127.0.0.1". */
#include "net/addr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
  HOST_MAX = 253, /* RFC 1035 section 2.3.4: 255 bytes on the wire are 253 as text */
  PORT_MAX = 65535,
  PATH_AT = offsetof(struct sockaddr_un, sun_path),
  PATH_MAX_UN = sizeof(((struct sockaddr_un *)0)->sun_path),
};

static const char bad_port[] = "the port must be a number from 0 to 65535";
static const char bad_ipv6[] = "this is not an IPv6 address";

/* ---- text to pieces ---- */

static int fail(const char **why, const char *text) {
  *why = text;
  return -EINVAL;
}

/* Decimal digits up to `max`, the only numbers an address holds; -1 for all else. */
static int64_t digits(const char *p, size_t len, int64_t max) {
  int64_t n = 0;
  if (len == 0) return -1;
  for (size_t i = 0; i < len; i++) {
    if (p[i] < '0' || p[i] > '9') return -1;
    n = n * 10 + (p[i] - '0');
    if (n > max) return -1;
  }
  return n;
}

/* Copies the host and ends it with NUL; the caller has checked that it fits. */
static void take_host(struct addr_text *out, const char *host, size_t len) {
  assert(len < sizeof out->host);
  memcpy(out->host, host, len);
  out->host[len] = '\0';
  out->host_len = len;
}

/* What inet_pton(3) takes. Nearly every script has such an address, and nothing else that it
 * needs lies near that function in libc: calling it would map in 64 KiB. */
static bool ipv4_bytes(const char *host, struct in_addr *in) {
  unsigned char octets[4];
  for (int i = 0; i < 4; i++) {
    const char *end = i < 3 ? strchr(host, '.') : host + strlen(host);
    int64_t octet = end ? digits(host, (size_t)(end - host), 255) : -1;
    if (octet < 0 || (*host == '0' && end - host > 1)) return false;
    octets[i] = (unsigned char)octet;
    host = end + 1;
  }
  memcpy(in, octets, sizeof octets);
  return true;
}

/* The IPv6 address before a scope: RFC 4007 section 11. */
static int ipv6_bytes(const char *host, struct in6_addr *in6) {
  char bare[INET6_ADDRSTRLEN];
  size_t len = strcspn(host, "%");
  if (len >= sizeof bare) return 0;
  memcpy(bare, host, len);
  bare[len] = '\0';
  return inet_pton(AF_INET6, bare, in6) == 1;
}

/* A host with a colon cannot be a name, so it is judged here. Interface names hold no
 * colon; ioctl SIOCGIFINDEX would cut "lo:80" at the colon and find "lo". */
static int check_ipv6(const char *host, const char **why) {
  struct in6_addr in6;
  const char *scope = strchr(host, '%');
  if (!ipv6_bytes(host, &in6)) return fail(why, bad_ipv6);
  if (scope && (scope[1] == '\0' || strchr(scope, ':')))
    return fail(why, "after '%' comes the name or the number of an interface");
  return 0;
}

static int split_unix(const char *path, size_t len, struct addr_text *out,
                      const char **why) {
  if (len == 0) return fail(why, "the Unix path is empty");
  if (len == 1 && path[0] == '@') return fail(why, "the name behind '@' is empty");
  if (len >= sizeof out->host) return fail(why, "the Unix path is over 107 bytes");
  /* The kernel would end the path there, and bind a name that nobody asked for. */
  if (path[0] != '@' && memchr(path, '\0', len))
    return fail(why, "a Unix path cannot hold a NUL byte");
  take_host(out, path, len);
  out->is_unix = true;
  return 0;
}

static int split_port(const char *p, size_t len, struct addr_text *out,
                      const char **why) {
  int64_t port = digits(p, len, PORT_MAX);
  if (port < 0) return fail(why, bad_port);
  out->port = (int)port;
  return 0;
}

/* "[v6]" or "[v6]:port" (RFC 3986 section 3.2.2); `text` begins at the bracket. */
static int split_brackets(const char *text, size_t len, struct addr_text *out,
                          const char **why) {
  const char *end = memchr(text, ']', len);
  if (!end) return fail(why, "the bracket '[' is not closed");
  take_host(out, text + 1, (size_t)(end - text) - 1);
  int r = check_ipv6(out->host, why);
  if (r < 0) return r;
  const char *rest = end + 1;
  size_t rest_len = len - (size_t)(rest - text);
  if (rest_len == 0) return 0;
  if (*rest != ':') return fail(why, "after ']' comes ':' and the port, or nothing");
  return split_port(rest + 1, rest_len - 1, out, why);
}

/* No colon: a host. One: a host and its port. More: an IPv6 address without a port. */
static int split_plain(const char *text, size_t len, struct addr_text *out,
                       const char **why) {
  const char *colon = memchr(text, ':', len);
  if (!colon) {
    take_host(out, text, len);
    return 0;
  }
  size_t host_len = (size_t)(colon - text);
  if (!memchr(colon + 1, ':', len - host_len - 1)) {
    take_host(out, text, host_len);
    return split_port(colon + 1, len - host_len - 1, out, why);
  }
  if (len > HOST_MAX) return fail(why, bad_ipv6);
  take_host(out, text, len);
  return check_ipv6(out->host, why);
}

/* Lengths and NUL are judged here, before any copy. */
static int split_inet(const char *text, size_t len, struct addr_text *out,
                      const char **why) {
  const char *colon = memchr(text, ':', len);
  size_t host_len = colon && text[0] != '[' ? (size_t)(colon - text) : len;
  if (memchr(text, '\0', len)) return fail(why, "an address cannot hold a NUL byte");
  if (memmem(text, len, "://", 3))
    return fail(why, "this is a URL: an address is host:port; net.http takes URLs");
  if (host_len > HOST_MAX) return fail(why, "the host is over 253 bytes");
  return text[0] == '[' ? split_brackets(text, len, out, why)
                        : split_plain(text, len, out, why);
}

int addr_split(const char *text, size_t len, struct addr_text *out, const char **why) {
  struct addr_text t = {.port = -1};
  int r = 0;
  if (len >= 5 && memcmp(text, "unix:", 5) == 0)
    r = split_unix(text + 5, len - 5, &t, why);
  else if (len > 0)
    r = split_inet(text, len, &t, why);
  if (r == 0) *out = t;
  return r;
}

/* ---- pieces to an address ---- */

static int from_unix(struct addr *a, const struct addr_text *t) {
  bool abstract = t->host[0] == '@';
  struct addr made = {.len = 0};
  if (t->host_len == 0) return -EINVAL;
  if (!abstract && memchr(t->host, '\0', t->host_len)) return -EINVAL;
  /* unix(7): a path ends with NUL; an abstract name begins with one and has no end. */
  if (t->host_len > PATH_MAX_UN - (abstract ? 0 : 1)) return -ENAMETOOLONG;
  made.u.un.sun_family = AF_UNIX;
  memcpy(made.u.un.sun_path, t->host, t->host_len);
  if (abstract) made.u.un.sun_path[0] = '\0';
  made.len = (socklen_t)(PATH_AT + t->host_len + (abstract ? 0 : 1));
  *a = made;
  return 0;
}

static void set_in(struct addr *a, struct in_addr ip) {
  *a = (struct addr){.len = sizeof a->u.in};
  a->u.in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = ip};
}

static void set_in6(struct addr *a, struct in6_addr ip, uint32_t scope) {
  *a = (struct addr){.len = sizeof a->u.in6};
  a->u.in6 = (struct sockaddr_in6){
      .sin6_family = AF_INET6, .sin6_addr = ip, .sin6_scope_id = scope};
}

int addr_interface(const char *name) {
  unsigned index = if_nametoindex(name);
  return index ? (int)index : -ENODEV;
}

/* RFC 4007 section 11.2: a zone is a name or a number; a name is tried first, since an
 * interface may be called "5". */
static int scope_of(const char *host, uint32_t *scope) {
  const char *zone = strchr(host, '%');
  *scope = 0;
  if (!zone) return 0;
  zone++;
  *scope = if_nametoindex(zone);
  if (*scope) return 0;
  int64_t n = digits(zone, strlen(zone), UINT32_MAX);
  if (n < 0) return -ENODEV;
  *scope = (uint32_t)n;
  return 0;
}

/* The numeric host in its own family. */
static int from_numeric(struct addr *a, const char *host) {
  struct in_addr in;
  struct in6_addr in6;
  uint32_t scope;
  if (ipv4_bytes(host, &in)) {
    set_in(a, in);
    return 0;
  }
  if (!ipv6_bytes(host, &in6)) return -ENOENT;
  int r = scope_of(host, &scope);
  if (r == 0) set_in6(a, in6, scope);
  return r;
}

static int from_host(struct addr *a, const struct addr_text *t, int family) {
  if (t->host_len > 0) return from_numeric(a, t->host);
  if (family == AF_INET6)
    set_in6(a, in6addr_any, 0);
  else
    set_in(a, (struct in_addr){.s_addr = htonl(INADDR_ANY)});
  return 0;
}

int addr_from_text(struct addr *a, const struct addr_text *t, int family) {
  struct addr made;
  if (t->is_unix)
    return family == AF_UNIX || family == AF_UNSPEC ? from_unix(a, t) : -EAFNOSUPPORT;
  if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
    return -EAFNOSUPPORT;
  if (memchr(t->host, '\0', t->host_len)) return -EINVAL;
  int r = from_host(&made, t, family);
  if (r < 0) return r;
  if (family == AF_INET6) addr_map(&made);
  if (family != AF_UNSPEC && family != addr_family(&made)) return -EAFNOSUPPORT;
  addr_set_port(&made, t->port < 0 ? 0 : t->port);
  *a = made;
  return 0;
}

/* ---- addresses ---- */

void addr_unmap(struct addr *a) {
  struct in_addr ip;
  int port = addr_port(a);
  if (addr_family(a) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->u.in6.sin6_addr)) return;
  memcpy(&ip, a->u.in6.sin6_addr.s6_addr + 12, sizeof ip);
  set_in(a, ip);
  addr_set_port(a, port);
}

void addr_map(struct addr *a) {
  struct in6_addr ip = {
      .s6_addr = {[10] = 0xff, [11] = 0xff}
  };
  int port = addr_port(a);
  if (addr_family(a) != AF_INET) return;
  memcpy(ip.s6_addr + 12, &a->u.in.sin_addr, sizeof a->u.in.sin_addr);
  set_in6(a, ip, 0);
  addr_set_port(a, port);
}

int addr_port(const struct addr *a) {
  if (addr_family(a) == AF_INET) return ntohs(a->u.in.sin_port);
  if (addr_family(a) == AF_INET6) return ntohs(a->u.in6.sin6_port);
  return -1;
}

void addr_set_port(struct addr *a, int port) {
  assert(port >= 0 && port <= PORT_MAX);
  if (addr_family(a) == AF_INET) a->u.in.sin_port = htons((uint16_t)port);
  if (addr_family(a) == AF_INET6) a->u.in6.sin6_port = htons((uint16_t)port);
}

/* ---- an address to text ---- */

/* Each connection's address becomes text: by hand it takes a tenth of snprintf's time. */
static size_t put_number(char *out, unsigned n) {
  char digits[12];
  size_t len = 0, count = 0;
  do digits[count++] = (char)('0' + n % 10);
  while (n /= 10);
  while (count > 0) out[len++] = digits[--count];
  out[len] = '\0';
  return len;
}

static size_t put_ipv4(char *out, struct in_addr ip) {
  const unsigned char *bytes = (const unsigned char *)&ip.s_addr;
  size_t len = 0;
  for (int i = 0; i < 4; i++) {
    len += put_number(out + len, bytes[i]);
    if (i < 3) out[len++] = '.';
  }
  return len;
}

/* The scope by name, since numbers change when interfaces come and go. */
static size_t put_scope(char *out, size_t size, uint32_t scope) {
  char name[IF_NAMESIZE];
  if (scope == 0) return 0;
  if (if_indextoname(scope, name)) return (size_t)snprintf(out, size, "%%%s", name);
  return (size_t)snprintf(out, size, "%%%u", scope);
}

static size_t put_ipv6(const struct addr *a, char *out, size_t size) {
  inet_ntop(AF_INET6, &a->u.in6.sin6_addr, out, (socklen_t)size);
  size_t len = strlen(out);
  return len + put_scope(out + len, size - len, a->u.in6.sin6_scope_id);
}

/* The kernel's lengths (unix(7)): none for an unnamed socket, and a path of 108 bytes may
 * come without its NUL. A path that begins with '@' is written "./@", or it would read
 * as an abstract name. */
static size_t put_path(const struct addr *a, char *out) {
  const char *path = a->u.un.sun_path;
  size_t held = a->len > PATH_AT ? a->len - PATH_AT : 0, skip = 0;
  if (held > PATH_MAX_UN) held = PATH_MAX_UN;
  bool abstract = held > 0 && path[0] == '\0';
  if (!abstract) held = strnlen(path, held);
  if (!abstract && held > 0 && path[0] == '@') skip = 2;
  memcpy(out, "./", skip);
  memcpy(out + skip, path, held);
  if (abstract) out[0] = '@';
  out[skip + held] = '\0';
  return skip + held;
}

size_t addr_host(const struct addr *a, char out[ADDR_TEXT]) {
  out[0] = '\0';
  switch (addr_family(a)) {
  case AF_INET: return put_ipv4(out, a->u.in.sin_addr);
  case AF_INET6: return put_ipv6(a, out, ADDR_TEXT);
  case AF_UNIX: return put_path(a, out);
  }
  return 0;
}

/* Terminals and logs show addresses, so a path must not carry escape sequences there. */
static void hide_controls(char *p, size_t len) {
  for (size_t i = 0; i < len; i++)
    if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f) p[i] = '?';
}

size_t addr_format(const struct addr *a, char out[ADDR_TEXT]) {
  size_t len;
  switch (addr_family(a)) {
  case AF_UNSPEC: out[0] = '\0'; return 0;
  case AF_INET:
    len = addr_host(a, out);
    out[len++] = ':';
    return len + put_number(out + len, (unsigned)addr_port(a));
  case AF_INET6:
    out[0] = '[';
    len = 1 + put_ipv6(a, out + 1, ADDR_TEXT - 1);
    memcpy(out + len, "]:", 2);
    return len + 2 + put_number(out + len + 2, (unsigned)addr_port(a));
  case AF_UNIX:
    memcpy(out, "unix:", 5);
    len = put_path(a, out + 5);
    hide_controls(out + 5, len);
    return len + 5;
  }
  return (size_t)snprintf(out, ADDR_TEXT, "(family %d)", addr_family(a));
}
