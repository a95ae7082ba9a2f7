/* Status codes: every function that can fail returns >= 0, or one negative number that
 * names the failure. The number is -errno for what the kernel said; two ranges above the
 * kernel's add the resolver's answers and the runtime's own conditions. So one `int`
 * travels from the system call to the script, and `status_name` gives the script's code. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

enum {
  STATUS_EAI = -10000, /* STATUS_EAI + eai: what getaddrinfo(3) answered (eai < 0) */
  STATUS_EOF = -20000, /* the peer ended its sending side */
  STATUS_TIMEOUT,      /* the deadline passed */
  STATUS_CLOSED,       /* this side closed the handle */
  STATUS_CANCELLED,    /* the task was cancelled */
  STATUS_OVERSIZED,    /* more bytes without an end than the limit allows */
  STATUS_INVALID,      /* the bytes are not what the protocol wants */
  STATUS_IRREGULAR,    /* a FIFO, a device or a socket where a file was asked for */
  STATUS_TRUNCATED,    /* a file ended before the bytes that were promised of it */
};

/* The status of a resolver's answer: `eai` is an EAI_ constant (negative in glibc). */
int status_from_eai(int eai);

/* The short code of a failure: "ECONNREFUSED", "EAI_NONAME", "eof", "timeout" ...
 * Never NULL; lives for ever. An unknown number is "EUNKNOWN". */
const char *status_name(int status);

/* One line in words: "connection refused", "the peer ended its side". Never NULL. */
const char *status_text(int status);

/* The errno of a failure, or 0 where it has none (resolver, eof, timeout ...). */
int status_errno(int status);

#endif
