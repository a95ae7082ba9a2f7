/* Names and words of status codes: the runtime's and the resolver's from tables, the
 * kernel's from glibc. */
#include "base/status.h"

#include <netdb.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct row {
  int status;
  const char *name, *text;
};

/* The resolver's: gai_strerror's words, with a small first letter. */
#define EAI(name, text) \
  { STATUS_EAI + EAI_##name, "EAI_" #name, text }

static const struct row rows[] = {
    {STATUS_EOF,       "eof",       "the peer ended its side"      },
    {STATUS_TIMEOUT,   "timeout",   "timed out"                    },
    {STATUS_CLOSED,    "closed",    "closed"                       },
    {STATUS_CANCELLED, "cancelled", "cancelled"                    },
    {STATUS_OVERSIZED, "oversized", "too many bytes without an end"},
    {STATUS_INVALID,   "invalid",   "not what the protocol wants"  },
    {STATUS_IRREGULAR, "irregular", "not a regular file"           },
    {STATUS_TRUNCATED, "truncated", "the file ended too early"     },
    EAI(BADFLAGS, "bad value for ai_flags"),
    EAI(NONAME, "name or service not known"),
    EAI(AGAIN, "temporary failure in name resolution"),
    EAI(FAIL, "non-recoverable failure in name resolution"),
    EAI(NODATA, "no address associated with hostname"),
    EAI(FAMILY, "ai_family not supported"),
    EAI(SOCKTYPE, "ai_socktype not supported"),
    EAI(SERVICE, "servname not supported for ai_socktype"),
    EAI(ADDRFAMILY, "address family for hostname not supported"),
    EAI(MEMORY, "memory allocation failure"),
    EAI(SYSTEM, "system error"),
    EAI(OVERFLOW, "argument buffer too small"),
    EAI(INPROGRESS, "processing request in progress"),
    EAI(CANCELED, "request canceled"),
    EAI(NOTCANCELED, "request not canceled"),
    EAI(ALLDONE, "all requests done"),
    EAI(INTR, "interrupted by a signal"),
    EAI(IDN_ENCODE, "parameter string not correctly encoded"),
};

static const struct row *find(int status) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].status == status) return &rows[i];
  }
  return NULL;
}

/* The kernel's errnos end well below the resolver's range; 4095 is the bound of the
 * system call convention. */
int status_errno(int status) {
  return status < 0 && status >= -4095 ? -status : 0;
}

int status_from_eai(int eai) {
  return STATUS_EAI + eai;
}

const char *status_name(int status) {
  const struct row *row = find(status);
  if (row) return row->name;
  const char *name = status_errno(status) ? strerrorname_np(-status) : NULL;
  return name ? name : "EUNKNOWN";
}

enum { ERRNO_END = 256, TEXT_MAX = 64 };
static char errno_texts[ERRNO_END][TEXT_MAX];

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* glibc's words begin with a capital, and ours stand inside a line; a copy is kept, made
 * once because resolver threads may ask too. "RFS specific error" keeps its capitals. */
static void fill_errno_texts(void) {
  for (int e = 1; e < ERRNO_END; e++) {
    const char *text = strerrordesc_np(e);
    if (!text) continue;
    snprintf(errno_texts[e], TEXT_MAX, "%s", text);
    if (lower(text[1]) == text[1]) errno_texts[e][0] = lower(text[0]);
  }
}

const char *status_text(int status) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  const struct row *row = find(status);
  if (row) return row->text;
  pthread_once(&once, fill_errno_texts);
  int e = status_errno(status);
  return e < ERRNO_END && errno_texts[e][0] ? errno_texts[e] : "unknown error";
}
