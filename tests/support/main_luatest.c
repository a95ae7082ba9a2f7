/* Runs the tests of the Lua API: luatest FILE.lua … [-k WORD] [--seed N]. Each test runs in
 * a process and a runtime of its own, and fails when it leaves tasks, timers or handles
 * behind. What a test is and what it may do is support/harness.lua's. The last line is
 * "N passed, N failed, N skipped". */
#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child.h"
#include "support/seed.h"

/* How a test wants to be run. */
struct plan {
  const char *kind; /* of net */
  int runs, seconds;
};

static const char *word; /* -k: only tests whose names hold it */
static int passed, failed, skipped;

/* --- one test --------------------------------------------------------------------------- */

/* Runs the test in a runtime of its own; its status. */
static int run_once(const char *file, int test, const char *kind, uint64_t seed) {
  struct runtime *rt = child_runtime(child_net(kind, seed));
  int status = child_leftovers(rt, child_run(rt, file, test, seed));
  runtime_free(rt);
  return status;
}

/* As in the program: the calls tell of a broken pipe, and children have the default. */
static void on_pipe(int signal) {
  (void)signal;
}

/* In the child: runs the test under each seed until it fails, and ends the process. */
static void run_child(const char *file, int test, const struct plan *plan) {
  struct sigaction pipe = {.sa_handler = on_pipe};
  int status = 0;
  sigaction(SIGPIPE, &pipe, NULL);
  uint64_t seed = seed_get();
  alarm((unsigned)plan->seconds);
  for (int i = 0; i < plan->runs && status == 0; i++, seed++)
    status = run_once(file, test, plan->kind, seed);
  if (plan->runs > 1 && status != 0)
    fprintf(stderr, "replay with --seed %" PRIu64 "\n", seed - 1);
  exit(status);
}

/* Runs one test in a child whose stderr is the file `err`; the status of waitpid(2). */
static int run_forked(const char *file, int test, const struct plan *plan, int err) {
  int status;
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) abort();
  if (child == 0) {
    dup2(err, STDERR_FILENO);
    close(err);
    run_child(file, test, plan);
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  return status;
}

/* Pushes what was written to `err`, and closes it. */
static void push_output(lua_State *L, int err) {
  off_t size = lseek(err, 0, SEEK_END);
  char *text = mmap(NULL, (size_t)size + 1, PROT_READ, MAP_PRIVATE, err, 0);
  lua_pushlstring(L, size > 0 && text != MAP_FAILED ? text : "", (size_t)size);
  munmap(text, (size_t)size + 1);
  close(err);
}

/* Pushes harness.<name>. */
static void push_harness(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "harness");
  lua_getfield(L, -1, name);
  lua_replace(L, -3);
  lua_pop(L, 1);
}

/* Calls harness.<name> with the `n` values on top. */
static void call_harness(lua_State *L, const char *name, int n, int results) {
  push_harness(L, name);
  lua_insert(L, -(n + 1));
  if (lua_pcall(L, n, results, 0) == LUA_OK) return;
  fprintf(stderr, "harness.%s: %s\n", name, lua_tostring(L, -1));
  exit(EXIT_FAILURE);
}

/* Runs the test and leaves the verdict's two values: "passed" "failed" "skipped", and what
 * to tell. */
static void judge(lua_State *L, const char *file, int test, const struct plan *plan) {
  int err = memfd_create("stderr", 0);
  if (err < 0) abort();
  int status = run_forked(file, test, plan, err);
  lua_pushinteger(L, test);
  lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
  lua_pushinteger(L, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
  push_output(L, err);
  call_harness(L, "judge", 4, 2);
}

static void run_test(lua_State *L, const char *file, int test) {
  lua_pushinteger(L, test);
  call_harness(L, "describe", 1, 4); /* name, net, seeds, seconds */
  const char *name = lua_tostring(L, -4);
  struct plan plan = {lua_tostring(L, -3), (int)lua_tointeger(L, -2),
                      (int)lua_tointeger(L, -1)};
  if (word && !strstr(name, word)) return;
  judge(L, file, test, &plan);
  const char *verdict = lua_tostring(L, -2), *text = lua_tostring(L, -1);
  if (strcmp(verdict, "passed") == 0) {
    passed++;
  } else if (strcmp(verdict, "skipped") == 0) {
    skipped++;
    printf("skipped: %s: %s\n", name, text);
  } else {
    failed++;
    printf("FAILED: %s: %s\n%s", file, name, text);
  }
}

static void run_tests(const char *file) {
  struct runtime *rt = child_runtime(child_net("fake", 0));
  int before = passed, failures = failed, count = 0;
  if (child_run(rt, file, 0, seed_get()) == 0) {
    push_harness(rt->L, "tests");
    count = (int)lua_rawlen(rt->L, -1);
  }
  if (count == 0) {
    failed++;
    printf("FAILED: %s has no test that can be run\n", file);
  }
  for (int i = 1; i <= count; i++) {
    lua_settop(rt->L, 0);
    run_test(rt->L, file, i);
    fflush(stdout);
  }
  printf("%-36s %4d passed", file, passed - before);
  printf(failed > failures ? " %4d failed\n" : "\n", failed - failures);
  runtime_free(rt);
}

int main(int argc, char *argv[]) {
  int file = 1;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "-k") == 0 && i + 1 < argc)
      word = argv[++i];
    else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
      setenv("SEED", argv[++i], 1);
    else
      argv[file++] = argv[i];
  }
  if (!freopen("/dev/null", "r", stdin)) return EXIT_FAILURE;
  seed_get();
  for (int i = 1; i < file; i++) run_tests(argv[i]);
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed > 0;
}
