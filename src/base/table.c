/* Tables that grow. */
#include "base/table.h"

#include <sys/mman.h>

enum { COUNT_MIN = 256 };

void *table_reach(void *rows, size_t *count, size_t size, size_t index) {
  if (index < *count) return rows;
  size_t wanted = *count ? *count * 2 : COUNT_MIN;
  while (wanted <= index) wanted *= 2;
  void *grown = rows ? mremap(rows, *count * size, wanted * size, MREMAP_MAYMOVE)
                     : mmap(NULL, wanted * size, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (grown == MAP_FAILED) return NULL;
  *count = wanted;
  return grown;
}

void table_free(void *rows, size_t count, size_t size) {
  if (rows) munmap(rows, count * size);
}
