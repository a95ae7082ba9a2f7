/* The one answer of the bench's bare HTTP servers, and where requests end. */
#include "bench/canned.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

struct canned canned_answer(const char *body_path) {
  size_t body_len;
  char head[256], *body = bench_file(body_path, &body_len);
  int head_len = snprintf(head, sizeof head,
                          "HTTP/1.1 200 OK\r\nServer: bench\r\n"
                          "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                          "Content-Type: application/octet-stream\r\n"
                          "Content-Length: %zu\r\n"
                          "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                          "ETag: \"0123456789abcdef\"\r\n"
                          "Accept-Ranges: bytes\r\n\r\n",
                          body_len);
  struct canned answer = {.len = (size_t)head_len + body_len};
  answer.bytes = malloc(answer.len);
  if (!answer.bytes) bench_die("memory", ENOMEM);
  memcpy(answer.bytes, head, (size_t)head_len);
  memcpy(answer.bytes + head_len, body, body_len);
  free(body);
  return answer;
}

unsigned canned_ends(unsigned *matched, const char *bytes, size_t n) {
  static const char blank[] = "\r\n\r\n";
  unsigned m = *matched, count = 0;
  for (size_t i = 0; i < n; i++) {
    m = bytes[i] == blank[m] ? m + 1 : bytes[i] == '\r';
    if (m < 4) continue;
    m = 0;
    count++;
  }
  *matched = m;
  return count;
}
