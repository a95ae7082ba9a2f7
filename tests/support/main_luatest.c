/* Runs the tests of the Lua API: luatest FILE.lua … [-k WORD] [--seed N]. Each test runs in
 * a process and a runtime of its own, and fails when it leaves tasks, timers or handles
 * behind. What a test is and what it may do is support/harness.lua's. The last line is
 * "N passed, N failed, N skipped". */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/loader.h"
#include "api/report.h"
#include "api/runtime.h"
#include "support/fake_net.h"
#include "support/fault_net.h"
#include "support/seed.h"

enum { LEFT_OVER = 90 }; /* exit status of a test that left something behind */
static const char harness_folder[] =
    "tests/support"; /* suites run at the project's top */

/* How a test wants to be run. */
struct plan {
  const char *kind; /* of net */
  int runs, seconds;
};

static const char *word; /* -k: only tests whose names hold it */
static int passed, failed, skipped;

/* --- what the harness may ask of the process -------------------------------------------- */

/* testing.limit_files(n): the process may open descriptors below n only */
static int limit_files(lua_State *L) {
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = (rlim_t)luaL_checkinteger(L, 1);
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) return luaL_error(L, "%s", strerror(errno));
  return 0;
}

/* testing.open_files() -> how many descriptors are open */
static int open_files(lua_State *L) {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0;
  lua_pushinteger(L, count);
  return 1;
}

/* testing.descriptor_flags(fd) -> close-on-exec, non-blocking | nil */
static int descriptor_flags(lua_State *L) {
  int fd = (int)luaL_checkinteger(L, 1), flags = fcntl(fd, F_GETFD);
  if (flags < 0) return 0;
  lua_pushboolean(L, flags & FD_CLOEXEC);
  lua_pushboolean(L, fcntl(fd, F_GETFL) & O_NONBLOCK);
  return 2;
}

/* testing.faults() -> how many faults the net has injected; not for "epoll" and "fake" */
static int count_faults(lua_State *L) {
  struct runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushinteger(L, fault_net_count(rt->net));
  return 1;
}

/* testing.open_handles() -> how many handles of the net are open */
static int open_handles(lua_State *L) {
  struct runtime *rt = lua_touserdata(L, lua_upvalueindex(1));
  lua_pushinteger(L, rt->net->open);
  return 1;
}

/* testing.drop_privileges(): this process is nobody's from now on */
static int drop_privileges(lua_State *L) {
  enum { NOBODY = 65534 };
  if (geteuid() == 0 && setuid(NOBODY) < 0) return luaL_error(L, "%s", strerror(errno));
  return 0;
}

/* testing.interrupt(signal): as if that signal had come */
static int interrupt(lua_State *L) {
  runtime_interrupt(lua_touserdata(L, lua_upvalueindex(1)), (int)luaL_checkinteger(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {
    {"descriptor_flags", descriptor_flags},
    {"drop_privileges",  drop_privileges },
    {"interrupt",        interrupt       },
    {"limit_files",      limit_files     },
    {"open_files",       open_files      },
    {"faults",           count_faults    },
    {"open_handles",     open_handles    },
    {NULL,               NULL            },
};

static int open_testing(lua_State *L) {
  luaL_checkversion(L);
  luaL_newlibtable(L, functions);
  lua_pushvalue(L, lua_upvalueindex(1));
  luaL_setfuncs(L, functions, 1);
  return 1;
}

/* --- runtimes --------------------------------------------------------------------------- */

/* The net of a test: "epoll", "fake", "soft" and "hard": epoll with faults, or "full": the
 * fake, where no accept finds a descriptor. */
static struct net *new_net(const char *kind, uint64_t seed) {
  static const struct fault_rates full = {.no_descriptor = 1000};
  int status = 0;
  if (strcmp(kind, "fake") == 0) return fake_net_new();
  if (strcmp(kind, "full") == 0) return fault_net_new(fake_net_new(), seed, &full);
  struct net *net = net_host_epoll(&status);
  if (!net || strcmp(kind, "epoll") == 0) return net;
  struct fault_rates rates = strcmp(kind, "hard") == 0 ? fault_hard : fault_soft;
  return fault_net_new(net, seed, &rates);
}

static struct runtime *new_runtime(const char *kind, uint64_t seed) {
  struct net *net = new_net(kind, seed);
  struct runtime *rt = net ? runtime_new(net, harness_folder) : NULL;
  if (!rt) abort();
  lua_getglobal(rt->L, "package");
  lua_getfield(rt->L, -1, "preload");
  lua_pushlightuserdata(rt->L, rt);
  lua_pushcclosure(rt->L, open_testing, 1);
  lua_setfield(rt->L, -2, "testing");
  lua_pop(rt->L, 2);
  return rt;
}

/* Loads `file` and runs its test number `test`; with 0 only registers its tests. */
static int run_file(struct runtime *rt, const char *file, int test, uint64_t seed) {
  static const char code[] = "return require('harness').main(...)";
  if (loader_text(rt->L, code, sizeof code - 1, "=luatest") != LUA_OK) abort();
  lua_pushstring(rt->L, file);
  lua_pushinteger(rt->L, test);
  lua_pushinteger(rt->L, (lua_Integer)seed);
  return runtime_run(rt, 3);
}

/* --- one test --------------------------------------------------------------------------- */

/* Runs the test in a runtime of its own; its status. */
static int run_once(const char *file, int test, const char *kind, uint64_t seed) {
  struct runtime *rt = new_runtime(kind, seed);
  int status = run_file(rt, file, test, seed);
  struct leftovers left = runtime_leftovers(rt);
  if (left.tasks || left.timers || left.handles) {
    fprintf(stderr, "left over: %zu tasks, %zu timers, %d handles\n", left.tasks,
            left.timers, left.handles);
    status = LEFT_OVER;
  }
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
  struct runtime *rt = new_runtime("fake", seed_get());
  int before = passed, failures = failed, count = 0;
  if (run_file(rt, file, 0, seed_get()) == 0) {
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
