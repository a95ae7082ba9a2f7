#include "support/fault_alloc.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

/* The linker's names for what was wrapped and for what wraps it. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *block, size_t n);
void __real_free(void *block);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*serve)(void *), void *arg);
int __real_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
void *__real_alloc_lua(void *a, void *block, size_t old_size, size_t size);
const char *__real_status_name(int status);
const char *__real_status_text(int status);
const char *__wrap_status_text(int status);
const char *__wrap_status_name(int status);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *block, size_t n);
void *__wrap_reallocarray(void *block, size_t count, size_t n);
void __wrap_free(void *block);
char *__wrap_strdup(const char *text);
int __wrap_asprintf(char **out, const char *format, ...);
int __wrap___asprintf_chk(char **out, int flag, const char *format, ...);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*serve)(void *), void *arg);
int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found);
void *__wrap_alloc_lua(void *a, void *block, size_t old_size, size_t size);

static struct fault_alloc off;
struct fault_alloc *fault_alloc = &off;

/* Counts a request; true when it has to fail. Other threads allocate too. */
static bool refuses(void) {
  struct fault_alloc *f = fault_alloc;
  unsigned number = __atomic_add_fetch(&f->requests, 1, __ATOMIC_RELAXED);
  if (f->mode == FAULT_OFF || number < f->at) return false;
  if (number - f->at > (f->mode == FAULT_RUN ? FAULT_RUN_LENGTH : 0)) return false;
  __atomic_add_fetch(&f->refused, 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&f->final, 1, __ATOMIC_RELAXED);
  errno = ENOMEM;
  return true;
}

static void *counted(void *block) {
  if (block) __atomic_add_fetch(&fault_alloc->live, 1, __ATOMIC_RELAXED);
  return block;
}

/* --- the C library ---------------------------------------------------------------------- */

void *__wrap_malloc(size_t n) {
  return refuses() ? NULL : counted(__real_malloc(n));
}

void *__wrap_calloc(size_t count, size_t n) {
  return refuses() ? NULL : counted(__real_calloc(count, n));
}

void *__wrap_realloc(void *block, size_t n) {
  if (refuses()) return NULL;
  void *moved = __real_realloc(block, n);
  return block ? moved : counted(moved);
}

void *__wrap_reallocarray(void *block, size_t count, size_t n) {
  size_t bytes;
  return __builtin_mul_overflow(count, n, &bytes) ? NULL : __wrap_realloc(block, bytes);
}

void __wrap_free(void *block) {
  if (block) __atomic_sub_fetch(&fault_alloc->live, 1, __ATOMIC_RELAXED);
  __real_free(block);
}

char *__wrap_strdup(const char *text) {
  size_t n = strlen(text) + 1;
  char *copy = __wrap_malloc(n);
  return copy ? memcpy(copy, text, n) : NULL;
}

static int print(char **out, const char *format, va_list values) {
  if (refuses()) return -1;
  int n = vasprintf(out, format, values);
  if (n >= 0) counted(*out);
  return n;
}

int __wrap_asprintf(char **out, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int n = print(out, format, values);
  va_end(values);
  return n;
}

int __wrap___asprintf_chk(char **out, int flag, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int n = print(out, format, values);
  va_end(values);
  return n;
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr,
                          void *(*serve)(void *), void *arg) {
  return refuses() ? EAGAIN : __real_pthread_create(thread, attr, serve, arg);
}

int __wrap_getaddrinfo(const char *host, const char *service,
                       const struct addrinfo *hints, struct addrinfo **found) {
  return refuses() ? EAI_MEMORY : __real_getaddrinfo(host, service, hints, found);
}

/* --- Lua -------------------------------------------------------------------------------- */

/* A request that was refused. After it Lua collects garbage, which only frees and shrinks,
 * and asks the same again; lauxlib's buffers do not. */
static struct {
  bool waiting;
  void *block;
  size_t old_size, size;
} first;

static void *refused(void *block, size_t old_size, size_t size) {
  fault_alloc->told++; /* Lua raises */
  first.waiting = fault_alloc->mode != FAULT_RUN;
  first.block = block;
  first.old_size = old_size;
  first.size = size;
  fault_alloc->old_size = old_size;
  fault_alloc->size = size;
  return NULL;
}

/* True for the second request. */
static bool is_second(void *block, size_t old_size, size_t size) {
  if (!first.waiting) return false;
  first.waiting = false;
  return block == first.block && size == first.size && old_size == first.old_size;
}

void *__wrap_alloc_lua(void *a, void *block, size_t old_size, size_t size) {
  bool grows = size > (block ? old_size : 0);
  if (!grows) return __real_alloc_lua(a, block, old_size, size); /* must not fail */
  if (is_second(block, old_size, size)) {
    if (fault_alloc->mode == FAULT_REAL) return NULL;
    fault_alloc->final--;
    fault_alloc->told--;
  } else if (refuses()) {
    return refused(block, old_size, size);
  }
  void *moved = __real_alloc_lua(a, block, old_size, size);
  return moved ? moved : refused(block, old_size, size);
}

void fault_alloc_plan(enum fault_mode mode, unsigned at) {
  long live = fault_alloc->live;
  first.waiting = false;
  *fault_alloc = (struct fault_alloc){.mode = mode, .at = at, .live = live};
}

/* --- what is told ----------------------------------------------------------------------- */

static void tell(int status) {
  if ((status && status == fault_alloc->status) || status == -ENOMEM ||
      status == -EAGAIN || status == STATUS_EAI + EAI_MEMORY ||
      status == STATUS_EAI + EAI_AGAIN)
    fault_alloc->told++;
}

/* Every error object takes its code and its words from these. */
const char *__wrap_status_name(int status) {
  tell(status);
  return __real_status_name(status);
}

const char *__wrap_status_text(int status) {
  tell(status);
  return __real_status_text(status);
}
