/* Numerals. */
#include "base/numeral.h"

#include <stdbool.h>
#include <string.h>

struct scan {
  const char *at, *end;
};

static const char decimal[] = "0123456789", hexadecimal[] = "0123456789abcdefABCDEF";

static bool accept_one(struct scan *s, const char *set) {
  if (s->at == s->end || *s->at == '\0' || !strchr(set, *s->at)) return false;
  s->at++;
  return true;
}

static size_t accept_all(struct scan *s, const char *set) {
  size_t count = 0;
  while (accept_one(s, set)) count++;
  return count;
}

size_t numeral_length(const char *text, size_t len) {
  struct scan s = {text, text + (len < NUMERAL_MAX_BYTES ? len : NUMERAL_MAX_BYTES)};
  const char *digits = decimal, *exponent = "eE";
  accept_one(&s, "+-");
  size_t count = accept_one(&s, "0");
  if (count && accept_one(&s, "xX")) {
    digits = hexadecimal;
    exponent = "pP";
    count = 0;
  }
  count += accept_all(&s, digits);
  if (accept_one(&s, ".")) count += accept_all(&s, digits);
  if (count && accept_one(&s, exponent)) {
    accept_one(&s, "+-");
    accept_all(&s, decimal);
  }
  return (size_t)(s.at - text);
}
