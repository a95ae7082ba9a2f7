#include "proto/http1_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool is_control(char c) {
  return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

size_t http1_scan_portable(const char *bytes, size_t from, size_t len) {
  while (from < len && !is_control(bytes[from])) from++;
  return from;
}
