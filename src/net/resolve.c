/* Name resolution by the C library: /etc/hosts and nsswitch.conf are honoured because
 * getaddrinfo(3) honours them. The caller waits: resolver.c calls it on helper threads. */
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"
#include "net/hosts.h"

static bool holds(const struct net_lookup *q, const struct addrinfo *found) {
  for (int i = 0; i < q->count; i++) {
    const struct addr *a = &q->addrs[i];
    if (a->len == found->ai_addrlen && memcmp(&a->u, found->ai_addr, a->len) == 0)
      return true;
  }
  return false;
}

/* Adds what was found to the answer, without repeats: with socket type 0 each address comes
 * three times. */
static int keep(struct net_lookup *q, const struct addrinfo *found) {
  size_t n = (size_t)q->count;
  for (const struct addrinfo *i = found; i; i = i->ai_next) n++;
  struct addr *addrs = reallocarray(q->addrs, n, sizeof *addrs);
  if (!addrs) return -ENOMEM;
  q->addrs = addrs;
  for (const struct addrinfo *i = found; i; i = i->ai_next) {
    if (i->ai_addrlen > sizeof addrs->u || holds(q, i)) continue;
    struct addr *a = &addrs[q->count++];
    memset(a, 0, sizeof *a);
    memcpy(&a->u, i->ai_addr, i->ai_addrlen);
    a->len = i->ai_addrlen;
  }
  return 0;
}

/* errno may say what would mean something else here: 0 an answer, EAGAIN an event. */
static int status_of(int eai) {
  if (eai != EAI_SYSTEM) return status_from_eai(eai);
  if (errno == EAGAIN) return status_from_eai(EAI_AGAIN);
  return errno ? -errno : status_from_eai(EAI_FAIL);
}

/* Adds the addresses of `host` (NULL: the loopback, or any-address with AI_PASSIVE). */
static int add(struct net_lookup *q, const char *host, int flags) {
  struct addrinfo hints = {
      .ai_family = q->family, .ai_socktype = q->type, .ai_flags = flags};
  struct addrinfo *found = NULL;
  /* getaddrinfo(3): one of node and service must be given */
  const char *service = q->service || host ? q->service : "0";
  int eai = getaddrinfo(host, service, &hints, &found);
  if (eai != 0) return status_of(eai);
  int r = keep(q, found);
  freeaddrinfo(found);
  return r;
}

/* RFC 6761 section 6.3: "localhost" and names below it are the loopback address, also on a
 * machine whose /etc/hosts does not say so, and no server is asked for them. */
static bool is_localhost(const char *host) {
  static const char name[] = "localhost";
  size_t len = strlen(host), n = sizeof name - 1;
  if (len > 0 && host[len - 1] == '.') len--;
  if (len < n || strncasecmp(host + len - n, name, n) != 0) return false;
  return len == n || host[len - n - 1] == '.';
}

static bool in_hosts(const char *host) {
  struct hosts hosts;
  const char *address;
  hosts_open(&hosts);
  bool found = hosts_find(&hosts, host, &address);
  hosts_close(&hosts);
  return found;
}

static int of_hosts(struct net_lookup *q) {
  const int none = status_from_eai(EAI_NONAME);
  struct hosts hosts;
  const char *address;
  int r = none;
  hosts_open(&hosts);
  while ((r == 0 || r == none) && hosts_find(&hosts, q->host, &address)) {
    r = add(q, address, AI_NUMERICHOST);
    if (r == status_from_eai(EAI_ADDRFAMILY)) r = none;
  }
  hosts_close(&hosts);
  if (r == none && is_localhost(q->host)) r = add(q, NULL, 0);
  return q->count > 0 ? 0 : r;
}

/* Whether the name, which has no address of the family asked for, has one of the other. */
static bool has_other_family(const struct net_lookup *q) {
  struct net_lookup other = {.host = q->host,
                             .service = q->service,
                             .family = q->family == AF_INET ? AF_INET6 : AF_INET,
                             .type = q->type};
  int r = add(&other, q->host, 0);
  free(other.addrs);
  return r == 0;
}

static int of_system(struct net_lookup *q) {
  int r = add(q, q->host, 0);
  bool none = r == status_from_eai(EAI_NONAME) || r == status_from_eai(EAI_NODATA);
  if (!none || q->family == AF_UNSPEC) return r;
  return has_other_family(q) ? status_from_eai(EAI_ADDRFAMILY) : r;
}

static int forward(struct net_lookup *q, enum resolve_whom whom) {
  if (!q->host) return add(q, NULL, q->passive ? AI_PASSIVE : 0);
  if (whom == RESOLVE_NUMERIC) return add(q, q->host, AI_NUMERICHOST);
  if (whom == RESOLVE_HOSTS) return of_hosts(q);
  if (is_localhost(q->host) && !in_hosts(q->host)) return add(q, NULL, 0);
  return of_system(q);
}

static bool is_loopback(const struct addr *a) {
  if (addr_family(a) == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&a->u.in6.sin6_addr);
  return addr_family(a) == AF_INET && a->u.in.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

/* True when `text` is the host of `a`, however it is written. */
static bool is_host_of(const struct addr *a, const char *text) {
  struct addr_text parts;
  struct addr other;
  char ours[ADDR_TEXT], theirs[ADDR_TEXT];
  const char *why;
  if (addr_split(text, strlen(text), &parts, &why) < 0) return false;
  if (addr_from_text(&other, &parts, AF_UNSPEC) < 0) return false;
  addr_host(a, ours);
  addr_host(&other, theirs);
  return strcmp(ours, theirs) == 0;
}

/* The first name that stands beside the address: 0 or EAI_NONAME. */
static int name_in_hosts(struct net_lookup *q) {
  struct hosts hosts;
  const char *address, *name;
  hosts_open(&hosts);
  bool found = false;
  while (!found && hosts_next(&hosts, &address, &name))
    found = is_host_of(q->of, address);
  if (found) snprintf(q->name, sizeof q->name, "%s", name);
  hosts_close(&hosts);
  return found ? 0 : EAI_NONAME;
}

static int reverse(struct net_lookup *q, enum resolve_whom whom) {
  if (whom == RESOLVE_NUMERIC) return status_from_eai(EAI_NONAME);
  int kind = q->type == SOCK_DGRAM ? NI_DGRAM : 0;
  int required = q->name_required ? NI_NAMEREQD : 0;
  int eai = whom == RESOLVE_HOSTS ? name_in_hosts(q)
                                  : getnameinfo(&q->of->u.sa, q->of->len, q->name,
                                                sizeof q->name, NULL, 0, kind | required);
  if (eai == EAI_NONAME && is_loopback(q->of)) {
    strcpy(q->name, "localhost");
    eai = 0;
  }
  if (eai == 0)
    eai = getnameinfo(&q->of->u.sa, q->of->len, NULL, 0, q->port_name,
                      sizeof q->port_name, kind);
  return eai == 0 ? 0 : status_of(eai);
}

int resolve_now(struct net_lookup *q, enum resolve_whom whom) {
  return q->of ? reverse(q, whom) : forward(q, whom);
}
