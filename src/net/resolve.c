/* Name resolution by the C library: /etc/hosts and nsswitch.conf are honoured because
 * getaddrinfo(3) honours them. The caller waits: resolver.c calls it on helper threads. */
#include "net/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/status.h"

static bool holds(const struct addr *list, int count, const struct sockaddr *sa,
                  socklen_t len) {
  for (int i = 0; i < count; i++)
    if (list[i].len == len && memcmp(&list[i].u, sa, len) == 0) return true;
  return false;
}

/* Copies the answer without repeats: with socket type 0 each address comes three times. */
static int keep(struct net_lookup *q, const struct addrinfo *found) {
  int n = 0;
  for (const struct addrinfo *i = found; i; i = i->ai_next) n++;
  struct addr *addrs = calloc((size_t)n, sizeof *addrs);
  if (!addrs) return -ENOMEM;
  int count = 0;
  for (const struct addrinfo *i = found; i; i = i->ai_next) {
    if (i->ai_addrlen > sizeof addrs->u) continue;
    if (holds(addrs, count, i->ai_addr, i->ai_addrlen)) continue;
    memcpy(&addrs[count].u, i->ai_addr, i->ai_addrlen);
    addrs[count++].len = i->ai_addrlen;
  }
  q->addrs = addrs;
  q->count = count;
  return 0;
}

/* RFC 6761 section 6.3: "localhost" and names below it are the loopback address, also on a
 * machine whose /etc/hosts does not say so. */
static bool is_localhost(const char *host) {
  static const char name[] = "localhost";
  size_t len = strlen(host), n = sizeof name - 1;
  if (len > 0 && host[len - 1] == '.') len--;
  if (len < n || strncasecmp(host + len - n, name, n) != 0) return false;
  return len == n || host[len - n - 1] == '.';
}

/* errno may say what would mean something else here: 0 an answer, EAGAIN an event. */
static int status_of(int eai) {
  if (eai != EAI_SYSTEM) return status_from_eai(eai);
  if (errno == EAGAIN) return status_from_eai(EAI_AGAIN);
  return errno ? -errno : status_from_eai(EAI_FAIL);
}

/* The question was asked, and the answer is that there is no such name. */
static bool is_unknown(int eai) {
  return eai != 0 && eai != EAI_SERVICE && eai != EAI_MEMORY && eai != EAI_SYSTEM;
}

static int forward(struct net_lookup *q, bool numeric) {
  struct addrinfo hints = {
      .ai_family = q->family,
      .ai_socktype = q->type,
      .ai_flags =
          (q->passive ? AI_PASSIVE : 0) | (numeric && q->host ? AI_NUMERICHOST : 0),
  };
  struct addrinfo *found = NULL;
  /* getaddrinfo(3): one of node and service must be given */
  const char *service = q->service || q->host ? q->service : "0";
  int eai = getaddrinfo(q->host, service, &hints, &found);
  if (!numeric && is_unknown(eai) && q->host && is_localhost(q->host)) {
    hints.ai_flags = 0; /* without a name and AI_PASSIVE it is the loopback address */
    eai = getaddrinfo(NULL, service ? service : "0", &hints, &found);
  }
  if (eai != 0) return status_of(eai);
  int r = keep(q, found);
  freeaddrinfo(found);
  return r;
}

static bool is_loopback(const struct addr *a) {
  if (addr_family(a) == AF_INET6) return IN6_IS_ADDR_LOOPBACK(&a->u.in6.sin6_addr);
  return addr_family(a) == AF_INET && a->u.in.sin_addr.s_addr == htonl(INADDR_LOOPBACK);
}

static int reverse(struct net_lookup *q, bool numeric) {
  if (numeric) return status_from_eai(EAI_NONAME);
  int flags =
      (q->name_required ? NI_NAMEREQD : 0) | (q->type == SOCK_DGRAM ? NI_DGRAM : 0);
  int eai = getnameinfo(&q->of->u.sa, q->of->len, q->name, sizeof q->name, q->port_name,
                        sizeof q->port_name, flags);
  if (eai == EAI_NONAME && is_loopback(q->of)) {
    eai = getnameinfo(&q->of->u.sa, q->of->len, NULL, 0, q->port_name,
                      sizeof q->port_name, flags & ~NI_NAMEREQD);
    strcpy(q->name, "localhost");
  }
  return eai == 0 ? 0 : status_of(eai);
}

int resolve_now(struct net_lookup *q, bool numeric) {
  return q->of ? reverse(q, numeric) : forward(q, numeric);
}
