/* A table that grows with the largest index that was asked for: what handles index. Rows
 * begin as zeros, and those that were never written take no memory: it lies in pages of its
 * own, which growing moves without copying them. */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include <stddef.h>

/* The table `rows` (NULL while `*count` is 0) of rows of `size` bytes, with room for `index`
 * and `*count` set; it may have moved. NULL without memory: then all is as it was. */
void *table_reach(void *rows, size_t *count, size_t size, size_t index);

void table_free(void *rows, size_t count, size_t size);

#endif
