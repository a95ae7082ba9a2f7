/* The library of mathematics, loaded when one of its functions is first called: most scripts
 * call none, and it takes 310 KiB of memory and 5 % of an empty script's time. libm.c defines
 * those that Lua calls, under their own names. */
#ifndef BASE_LIBM_H
#define BASE_LIBM_H

/* Loads it now: for modules in C, which take for granted that the program has it, and before
 * descriptors can run out, without which it cannot be opened. A second call does nothing.
 * Ends the program with a message when it cannot be loaded. */
void libm_load(void);

#endif
