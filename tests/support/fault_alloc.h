/* Allocations that fail. The test programs are linked with --wrap for what allocates:
 * malloc(3) and its like, thread creation, name look-up, and lua_Alloc. Each request is
 * counted; one of them, or a run of them, is refused. The production code has no hook. */
#ifndef SUPPORT_FAULT_ALLOC_H
#define SUPPORT_FAULT_ALLOC_H

#include <stddef.h>

enum fault_mode {
  FAULT_OFF,
  FAULT_ONCE, /* Lua collects garbage, asks again and gets it: nothing may be noticed */
  FAULT_REAL, /* Lua's second request fails too */
  FAULT_RUN,  /* so do the FAULT_RUN_LENGTH requests that follow */
};
enum { FAULT_RUN_LENGTH = 100 };

struct fault_alloc {
  enum fault_mode mode;
  unsigned at;       /* the request that fails, from 1 */
  unsigned requests; /* so far */
  unsigned refused;  /* of them */
  unsigned final;    /* of those that were refused: nobody has asked again */
  int status;        /* another fault's status that error objects may name, or 0 */
  unsigned told;     /* errors that name a fault: raised by Lua, or error objects */
  size_t size,
      old_size; /* of Lua's last request that was refused, as lua_Alloc has them */
  long live;    /* blocks of malloc that are not freed; counted from the start */
};

/* From now on the request number `at` fails so; what was counted before, but for `live`, is
 * forgotten. */
void fault_alloc_plan(enum fault_mode mode, unsigned at);

/* Never NULL; the campaign lets it point to memory that processes share. */
extern struct fault_alloc *fault_alloc;

#endif
