/* Fuzz target: any text as an address. What is taken must come back the same from its own
 * text; what is refused must say why. The input lies at the end of its allocation, so that
 * the sanitizer sees a read beyond it. */
#include <arpa/inet.h>
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct addr *a) {
  char text[ADDR_TEXT], again[ADDR_TEXT];
  struct addr_text split;
  struct addr b;
  const char *why = NULL;
  size_t len = addr_format(a, text);
  assert(len == strlen(text) && len < ADDR_TEXT);
  if (addr_family(a) == AF_UNIX) return; /* control bytes of a path do not show */
  assert(addr_split(text, len, &split, &why) == 0);
  assert(addr_from_text(&b, &split, AF_UNSPEC) == 0);
  addr_format(&b, again);
  assert(strcmp(text, again) == 0);
}

/* What is an IPv4 address, and which, is as inet_pton(3) has it. */
static void check_ipv4(const struct addr_text *t) {
  struct addr a;
  struct in_addr in;
  if (t->is_unix || t->host_len == 0) return;
  bool taken = addr_from_text(&a, t, AF_INET) == 0;
  assert(taken == (inet_pton(AF_INET, t->host, &in) == 1));
  assert(!taken || a.u.in.sin_addr.s_addr == in.s_addr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6, AF_UNIX};
  struct addr_text split;
  const char *why = NULL;
  if (addr_split((const char *)data, size, &split, &why) < 0) {
    assert(why && *why);
    return 0;
  }
  check_ipv4(&split);
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    struct addr a;
    if (split.port < 0) split.port = 0;
    if (addr_from_text(&a, &split, families[i]) == 0) check_round_trip(&a);
  }
  return 0;
}
