/* The one loop that sees every byte of a head: where the first control byte is. A valid
 * head has none but the CR and LF at the ends of its lines. */
#ifndef PROTO_HTTP1_SCAN_H
#define PROTO_HTTP1_SCAN_H

#include <stddef.h>

/* The offset of the first control byte (below 0x20 or 0x7f; HTAB is none) from `from` on;
 * `len` when there is none. Reads no byte behind `len`; may read those before `from`. */
size_t http1_scan(const char *bytes, size_t from, size_t len);

/* The same in portable C: what the tests compare http1_scan to. */
size_t http1_scan_portable(const char *bytes, size_t from, size_t len);

#endif
