/* A repair of Lua 5.4.4, which Debian 12 has: its luaV_concat keeps the top of the stack over the
 * call of a __concat metamethod. When that call, or the collector in it, moves the stack, Lua goes
 * on with freed memory. So the stack's memory is kept during the call, and the stack moves back
 * into it before luaV_concat goes on. Later releases take the top anew.
 *
 * The linker leads luaV_concat here (--wrap). What is declared below is Lua's own, of that release
 * only: ldo.h, ltm.h, lstate.h. */
#include <lua.h>

#if LUA_VERSION_RELEASE_NUM == 50404

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum { SLOT_BYTES = 16, SPARE_SLOTS = 5 /* EXTRA_STACK */ };

/* How lua_State begins. */
struct state {
  void *next;
  unsigned char tt, marked, status, allow_hook;
  unsigned short calls;
  char *top;
  void *global;
  void *call;
  char *stack_last, *stack;
};

int luaD_rawrunprotected(lua_State *L, void (*f)(lua_State *, void *), void *ud);
int luaD_reallocstack(lua_State *L, int slots, int raises);
_Noreturn void luaD_throw(lua_State *L, int status);
void __real_luaT_tryconcatTM(lua_State *L);
void __wrap_luaT_tryconcatTM(lua_State *L);

/* The memory of a stack, and the allocator that it came from. */
struct kept {
  void *memory;
  size_t bytes;
  bool given_back;
  lua_Alloc alloc;
  void *ud;
};

/* A lua_Alloc that keeps that memory back. */
static void *keep(void *ud, void *block, size_t old_size, size_t size) {
  struct kept *k = ud;
  if (block != k->memory || k->given_back) return k->alloc(k->ud, block, old_size, size);
  void *moved = size ? k->alloc(k->ud, NULL, 0, size) : NULL;
  if (moved) memcpy(moved, block, size < old_size ? size : old_size);
  k->given_back = moved || !size;
  return moved;
}

/* One that gives it to who asks. */
static void *give(void *ud, void *block, size_t old_size, size_t size) {
  struct kept *k = ud;
  return block ? k->alloc(k->ud, block, old_size, size) : k->memory;
}

static void concat(lua_State *L, void *ud) {
  (void)ud;
  __real_luaT_tryconcatTM(L);
}

void __wrap_luaT_tryconcatTM(lua_State *L) {
  const struct state *state = (const struct state *)L;
  int slots = (int)((state->stack_last - state->stack) / SLOT_BYTES);
  struct kept k = {.memory = state->stack,
                   .bytes = (size_t)(slots + SPARE_SLOTS) * SLOT_BYTES};
  k.alloc = lua_getallocf(L, &k.ud);
  lua_setallocf(L, keep, &k);
  int status = luaD_rawrunprotected(L, concat, NULL);
  if (k.given_back && status == LUA_OK) {
    lua_setallocf(L, give, &k);
    luaD_reallocstack(L, slots, 0);
  }
  lua_setallocf(L, k.alloc, k.ud);
  if (k.given_back && status != LUA_OK) k.alloc(k.ud, k.memory, k.bytes, 0);
  if (status != LUA_OK) luaD_throw(L, status); /* an error, or a wait */
}

#else

void __real_luaT_tryconcatTM(lua_State *L);
void __wrap_luaT_tryconcatTM(lua_State *L);

void __wrap_luaT_tryconcatTM(lua_State *L) {
  __real_luaT_tryconcatTM(L);
}

#endif
