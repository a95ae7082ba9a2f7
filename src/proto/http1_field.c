#include "proto/http1_field.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "proto/char.h"

static const char *const names[HTTP1_FIELD_IDS] = {
#define X(id, name) [HTTP1_FIELD_##id] = name,
    HTTP1_FIELDS(X)
#undef X
};

static const unsigned char lengths[HTTP1_FIELD_IDS] = {
#define X(id, name) [HTTP1_FIELD_##id] = sizeof name - 1,
    HTTP1_FIELDS(X)
#undef X
};

enum { LONGEST = 30 };

/* The first id of each length, from which the names of that length follow. */
static const unsigned char first[LONGEST + 1] = {
    [2] = HTTP1_FIELD_TE,
    [3] = HTTP1_FIELD_AGE,
    [4] = HTTP1_FIELD_HOST,
    [5] = HTTP1_FIELD_ALLOW,
    [6] = HTTP1_FIELD_ACCEPT,
    [7] = HTTP1_FIELD_EXPIRES,
    [8] = HTTP1_FIELD_IF_MATCH,
    [9] = HTTP1_FIELD_FORWARDED,
    [10] = HTTP1_FIELD_USER_AGENT,
    [11] = HTTP1_FIELD_RETRY_AFTER,
    [12] = HTTP1_FIELD_CONTENT_TYPE,
    [13] = HTTP1_FIELD_ACCEPT_RANGES,
    [14] = HTTP1_FIELD_ACCEPT_CHARSET,
    [15] = HTTP1_FIELD_ACCEPT_ENCODING,
    [16] = HTTP1_FIELD_CONTENT_ENCODING,
    [17] = HTTP1_FIELD_IF_MODIFIED_SINCE,
    [18] = HTTP1_FIELD_SEC_CH_UA_PLATFORM,
    [19] = HTTP1_FIELD_CONTENT_DISPOSITION,
    [20] = HTTP1_FIELD_SEC_WEBSOCKET_ACCEPT,
    [21] = HTTP1_FIELD_SEC_WEBSOCKET_VERSION,
    [22] = HTTP1_FIELD_SEC_WEBSOCKET_PROTOCOL,
    [24] = HTTP1_FIELD_SEC_WEBSOCKET_EXTENSIONS,
    [25] = HTTP1_FIELD_UPGRADE_INSECURE_REQUESTS,
    [27] = HTTP1_FIELD_ACCESS_CONTROL_ALLOW_ORIGIN,
    [29] = HTTP1_FIELD_ACCESS_CONTROL_REQUEST_METHOD,
    [30] = HTTP1_FIELD_ACCESS_CONTROL_REQUEST_HEADERS,
};

static inline bool same_8(const char *text, const char *name) {
  uint64_t a, b;
  memcpy(&a, text, 8);
  memcpy(&b, name, 8);
  return (a | 0x2020202020202020) == b;
}

static inline bool same_4(const char *text, const char *name) {
  uint32_t a, b;
  memcpy(&a, text, 4);
  memcpy(&b, name, 4);
  return (a | 0x20202020) == b;
}

/* Names have letters and '-' only, and no other byte but a control byte becomes one of
 * these by the bit that makes a capital letter small. */
static bool is_name(const char *text, const char *name, size_t len) {
  size_t i = 0;
  for (; len - i > 8; i += 8)
    if (!same_8(text + i, name + i)) return false;
  if (len >= 8) return same_8(text + len - 8, name + len - 8);
  if (len >= 4) return same_4(text, name) && same_4(text + len - 4, name + len - 4);
  for (; i < len; i++)
    if ((text[i] | 0x20) != name[i]) return false;
  return true;
}

enum http1_field_id http1_field_id(const char *name, size_t len) {
  if (len > LONGEST || !first[len]) return HTTP1_FIELD_OTHER;
  for (unsigned id = first[len]; id < HTTP1_FIELD_IDS && lengths[id] == len; id++)
    if (is_name(name, names[id], len)) return id;
  return HTTP1_FIELD_OTHER;
}

const char *http1_field_name(enum http1_field_id id) {
  return id < HTTP1_FIELD_IDS ? names[id] : NULL;
}
