/* Socket addresses as values: parsed from text, formatted to text, compared by bytes.
 * Never asks a name server; a host that is not numeric is the caller's to look up. */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

struct addr {
  socklen_t len; /* of what `u` holds; 0: no address */
  union {
    struct sockaddr sa;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    struct sockaddr_un un;
    struct sockaddr_storage ss;
  } u;
};

enum { ADDR_TEXT = 128 }; /* bytes that any formatted address fits in, its NUL included */

/* What a text says, before names are looked up. */
struct addr_text {
  char host[256];  /* without brackets; "" when the text names none; or the Unix path */
  size_t host_len; /* Unix paths and abstract names may hold NUL */
  int port;        /* 0 to 65535; -1: the text names none */
  bool is_unix;    /* host is a path, or an abstract name after '@' */
};

/* Copies what is there: an address that is only read may lie in memory that ends with its
 * last byte, so it must not be assigned. */
static inline void addr_copy(struct addr *out, const struct addr *a) {
  memcpy(out, a, offsetof(struct addr, u) + a->len);
}

/* Splits "host:port", "[v6]:port", ":port", "host", "v6", "unix:/path", "unix:@name".
 * 0, or -EINVAL with `*why` (a constant string) saying what is wrong in words. */
int addr_split(const char *text, size_t len, struct addr_text *out, const char **why);

/* Fills an address from a numeric host ("" gives the any-address of `family`) and port,
 * or from a Unix path. `family` AF_UNSPEC takes the host's own; AF_INET6 maps an IPv4
 * host to ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). A scope after '%' is taken.
 * 0; -ENOENT: the host is a name; -EAFNOSUPPORT: the host is of another family;
 * -ENAMETOOLONG: the Unix path is too long (unix(7): 107 bytes). */
int addr_from_text(struct addr *a, const struct addr_text *t, int family);

/* The index of a network interface, or -ENODEV. */
int addr_interface(const char *name);

/* The IPv4 address inside an IPv4-mapped IPv6 one, in place; others stay as they are. */
void addr_unmap(struct addr *a);

/* An IPv4 address as the IPv4-mapped IPv6 one, in place; others stay as they are. */
void addr_map(struct addr *a);

static inline int addr_family(const struct addr *a) {
  return a->len ? a->u.sa.sa_family : AF_UNSPEC;
}

/* The port in host order, or -1 for families that have none. */
int addr_port(const struct addr *a);
void addr_set_port(struct addr *a, int port);

/* The host alone: "127.0.0.1", "::1", "fe80::1%eth0", or the Unix path ("@name" when
 * abstract, "" when unnamed). Always ends with NUL; returns its length. */
size_t addr_host(const struct addr *a, char out[ADDR_TEXT]);

/* As people write it: "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name", "unix:".
 * Always ends with NUL; returns its length. Control bytes in paths show as '?'. */
size_t addr_format(const struct addr *a, char out[ADDR_TEXT]);

#endif
