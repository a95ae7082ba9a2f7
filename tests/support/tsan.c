/* What MODE=tsan needs. Debian's Lua raises errors by __longjmp_chk, which TSan does not
 * know: it would keep the frames that an error leaves on its own stack, until that bursts. */
#ifdef __SANITIZE_THREAD__
#include <setjmp.h>

_Noreturn void __longjmp_chk(jmp_buf env, int value);

_Noreturn void __longjmp_chk(jmp_buf env, int value) {
  longjmp(env, value);
}
#else
typedef int nothing_to_do; /* ISO C: a file holds at least one declaration */
#endif
