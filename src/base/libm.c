/* The functions of libm that Lua calls. */
#include "base/libm.h"

#include <dlfcn.h>
#include <gnu/lib-names.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* X(name, parameters, arguments) */
#define FUNCTIONS(X) \
  X(acos, (double x), (x)) \
  X(asin, (double x), (x)) \
  X(atan2, (double y, double x), (y, x)) \
  X(cos, (double x), (x)) \
  X(cosh, (double x), (x)) \
  X(exp, (double x), (x)) \
  X(fmod, (double x, double y), (x, y)) \
  X(log, (double x), (x)) \
  X(log10, (double x), (x)) \
  X(log2, (double x), (x)) \
  X(pow, (double x, double y), (x, y)) \
  X(sin, (double x), (x)) \
  X(sinh, (double x), (x)) \
  X(sqrt, (double x), (x)) \
  X(tan, (double x), (x)) \
  X(tanh, (double x), (x))

/* Each is called through a pointer, which leads to the loader first. */
#define X(name, parameters, arguments) \
  static double first_##name parameters; \
  static double(*real_##name) parameters = first_##name; \
  double name parameters { \
    return real_##name arguments; \
  } \
  static double first_##name parameters { \
    libm_load(); \
    return real_##name arguments; \
  }
FUNCTIONS(X)
#undef X

/* As the loader of programs does when a library is missing. */
static _Noreturn void give_up(void) {
  fprintf(stderr, "soquete: %s\n", dlerror());
  exit(EXIT_FAILURE);
}

void libm_load(void) {
  static void *lib;
  if (lib) return;
  lib = dlopen(LIBM_SO, RTLD_NOW | RTLD_GLOBAL);
  if (!lib) give_up();
#define X(name, parameters, arguments) \
  real_##name = (__typeof__(real_##name))dlsym(lib, #name); \
  if (!real_##name) give_up();
  FUNCTIONS(X)
#undef X
}
