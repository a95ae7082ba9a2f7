/* The names that the net in memory knows. */
#include "support/fake_names.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "support/fake_end.h"
#include "support/fake_net.h"

static const struct {
  const char *name, *hosts[2];
  int64_t takes_ns;
} names[] = {
    {"localhost", {"127.0.0.1"},              FAKE_ANSWER_NS},
    {"two.test",  {"127.0.0.1", "127.0.0.2"}, FAKE_ANSWER_NS},
    {"slow.test", {"127.0.0.1"},              5000000000    },
};
enum { NAMES = sizeof names / sizeof names[0] };

static size_t find_name(const char *host) {
  size_t i = 0;
  while (i < NAMES && strcmp(names[i].name, host) != 0) i++;
  return i;
}

int fake_answer(struct net_lookup *q) {
  size_t name = find_name(q->host ? q->host : "localhost");
  if (q->of) {
    strcpy(q->name, "localhost");
    snprintf(q->port_name, sizeof q->port_name, "%d", addr_port(q->of));
    return 0;
  }
  if (name == NAMES) return status_from_eai(EAI_NONAME);
  q->addrs = fake_checked(calloc(2, sizeof *q->addrs));
  for (q->count = 0; q->count < 2 && names[name].hosts[q->count]; q->count++) {
    struct addr_text text = {.port = q->service ? atoi(q->service) : 0};
    strcpy(text.host, names[name].hosts[q->count]);
    text.host_len = strlen(text.host);
    if (addr_from_text(&q->addrs[q->count], &text, AF_INET) < 0) abort();
  }
  return 0;
}

int64_t fake_answer_ns(const struct net_lookup *q) {
  size_t name = find_name(q->host ? q->host : "");
  return name < NAMES ? names[name].takes_ns : FAKE_ANSWER_NS;
}
