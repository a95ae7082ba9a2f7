/* Numerals in a text, as Lua's file:read("n") takes them. */
#ifndef BASE_NUMERAL_H
#define BASE_NUMERAL_H

#include <stddef.h>

enum { NUMERAL_MAX_BYTES = 200 }; /* as in Lua; a longer one is cut */

/* How many bytes at `text` can belong to one numeral: a sign, 0x, digits, a point, an
 * exponent. They need not be a number: "0x" and "-" are not. When all `len` bytes belong
 * to it, more may follow. */
size_t numeral_length(const char *text, size_t len);

#endif
