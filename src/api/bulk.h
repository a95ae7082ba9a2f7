/* Moves of many bytes: what send_repeat, discard and their like share. Such a move is a loop
 * in C. It runs until it would have to wait, or until a millisecond has passed, and then
 * leaves the other tasks a turn. It ends at a time, after a number of bytes, or when its
 * peer ends; every so often it tells a function of the script how far it is; in the end it
 * gives a table of figures.
 *
 * A move is a userdata in a stack slot of its operation, which is closed when the operation
 * ends, however it ends: what the move holds is given back then. Its continuation:
 *
 *   static int move_k(lua_State *L, int status, lua_KContext deadline) {
 *     bulk_resume(b);
 *     for (;;) {
 *       switch (bulk_next(L, b, deadline)) {
 *       case BULK_TELL: bulk_tell(L, SLOT_MOVE, deadline, move_k); continue;
 *       case BULK_ASIDE: enter the gate; return task_yield(L, b->sched, &wait, move_k);
 *       case BULK_LATE: the deadline has passed: push nil, err, code; return bulk_failed(...)
 *       case BULK_END: return bulk_done(L, SLOT_MOVE);
 *       case BULK_MOVE: one call that moves at most bulk_left(b); bulk_moved(b, n)
 */
#ifndef API_BULK_H
#define API_BULK_H

#include <lua.h>

#include "api/gate.h"
#include "api/task.h"

enum {
  BULK_TURN_NS = 1000 * 1000,    /* what the other tasks wait for a move, at most */
  BULK_LOOK_CALLS = 4,           /* between two looks at the clock: calls at most, */
  BULK_LOOK_BYTES = 1024 * 1024, /* and about so many bytes */
};

enum bulk_next { BULK_MOVE, BULK_TELL, BULK_ASIDE, BULK_LATE, BULK_END };

struct bulk {
  struct sched *sched; /* borrowed */
  const char *op;      /* "discard": a string that lives for ever */
  /* Gives back what the move holds beside this; may be called twice. NULL: nothing. */
  void (*fini)(struct bulk *);
  /* Adds figures of its own to the table on top; raises for memory only. NULL: it has none. */
  void (*figures)(lua_State *L, struct bulk *);
  struct gate_keep keep; /* of its socket's gate, while on_tick runs */
  uint64_t bytes, limit; /* moved; to be moved at most, UINT64_MAX: no limit */
  uint64_t calls;        /* system calls that moved bytes */
  int64_t begin_ns;      /* 0: not yet begun */
  int64_t end_ns;        /* when it had ended */
  int64_t seconds_ns;    /* how long it may take; NET_NEVER: no limit */
  int64_t aside_ns;      /* when its turn is over */
  int64_t every_ns;      /* between two calls of on_tick; NET_NEVER: it has none */
  int64_t tick_ns;       /* when the next is due: absolute, so that they do not drift */
  int64_t wake_ns;       /* the move wants to go on then; NET_NEVER: when it can */
  int64_t told_ns;       /* when the last one was called, and what it told of */
  uint64_t told_bytes;
  bool tells;           /* on_tick runs */
  bool sends;           /* its gate is that of the sending direction */
  unsigned unseen;      /* calls since the last look at the clock */
  uint64_t look_bytes;  /* where the next look is due at the latest */
  const char *limit_by; /* "bytes" or "count" */
  const char *method;   /* how the bytes moved; NULL: there is one way only */
  const char *ended;    /* what ended it; NULL: it goes on */
};

/* Makes the class.                                                        [-0, +0, m] */
void bulk_open(lua_State *L);

/* Pushes a move of `size` bytes, which begin with a struct bulk and are zero otherwise. The
 * table `options` (a stack index; none: no options) may have the fields seconds, bytes,
 * on_tick and every, and those that the caller reads. on_tick is kept with the move, and so
 * is the socket in slot 1, whose gate the move holds. The slot is closed when the running
 * function ends.                                                          [-0, +1, v] */
void *bulk_new(lua_State *L, int options, const char *op, struct gate *gate, size_t size);

/* The whole number `name` of the options of `op`, 0 or more; -1: it is not there.
 *                                                                         [-0, +0, v] */
lua_Integer bulk_option(lua_State *L, int options, const char *op, const char *name);

/* The seconds `name` of that table as nanoseconds; NET_NEVER: they are not there, or there is
 * no end to them.                                                         [-0, +0, v] */
int64_t bulk_seconds(lua_State *L, int options, const char *op, const char *name);

/* To be called first by each continuation: a turn begins. */
void bulk_resume(struct bulk *b);

/* What to do next, with a look at the clock; the move begins with the first. Where nothing
 * can wait it is never BULK_ASIDE, but an interruption raises.            [-0, +0, v] */
enum bulk_next bulk_look(lua_State *L, struct bulk *b, int64_t deadline_ns);

static inline enum bulk_next bulk_next(lua_State *L, struct bulk *b,
                                       int64_t deadline_ns) {
  if (b->unseen++ % BULK_LOOK_CALLS == 0 || b->bytes >= b->look_bytes)
    return bulk_look(L, b, deadline_ns);
  return BULK_MOVE;
}

/* How many bytes it may still move. */
static inline size_t bulk_left(const struct bulk *b) {
  return b->limit - b->bytes;
}

/* Counts what a system call has moved. */
static inline void bulk_moved(struct bulk *b, size_t bytes) {
  b->bytes += bytes;
  b->calls++;
}

/* Ends it by what the peer did. */
static inline void bulk_end(struct bulk *b, const char *why) {
  b->ended = why;
  b->look_bytes = 0;
}

/* When a wait has to end for the sake of the move: task_wait.wake_ns. */
int64_t bulk_wake_ns(const struct bulk *b);

/* Calls on_tick with the figures, the gate being kept. When that has waited, k goes on, and
 * this does not return.                                                 [-0, +0, v] [y] */
void bulk_tell(lua_State *L, int idx, lua_KContext context, lua_KFunction k);

/* Ends the operation with the figures of the move at `idx`.             [-0, +1, v] [y] */
int bulk_done(lua_State *L, int idx);

/* The same with the nil, err, code on top: err.figures has them, and err.sent the bytes of a
 * move that sends.                                                      [-0, +0, v] [y] */
int bulk_failed(lua_State *L, int idx);

#endif
