/* The name that somebody meant: the nearest of a list by edit distance. Pure. */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include <stddef.h>

/* The distance between two words: insertions, deletions, substitutions and swaps of
 * neighbours, letter case aside; words over 63 bytes are far from everything. */
size_t nearest_distance(const char *a, const char *b);

/* True when `distance` is near enough for a word of `len` letters to be a slip. */
int nearest_is_slip(size_t distance, size_t len);

#endif
