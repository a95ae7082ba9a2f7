/* The program: arguments, the state, the script, the exit status. */
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/loader.h"
#include "api/report.h"
#include "api/runtime.h"
#include "base/status.h"
#include "base/version.h"
#include "cli/args.h"
#include "cli/explain.h"
#include "cli/signals.h"
#include "net/trace.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: soquete [--trace] FILE.lua [arguments]   run a script\n"
    "       soquete [--trace] -e CODE [arguments]    run a line of code\n"
    "       soquete [--trace] - [arguments]          run what standard input says\n"
    "       soquete                                  a prompt\n"
    "       soquete serve [DIR] [--port N] [--bind HOST] [--listing]\n"
    "                                                serve a folder over HTTP\n"
    "       soquete get URL [-o FILE]                fetch over HTTP\n"
    "       soquete throughput server [--port N] [--bind HOST]\n"
    "       soquete throughput HOST [options]        measure, as iperf3 does\n"
    "       soquete help FILE.lua                    print a script's opening comment\n"
    "       soquete --version | --help\n"
    "\n"
    "--backend NAME is auto (io_uring where the kernel allows it), uring or epoll;\n"
    "SOQUETE_BACKEND is the same.\n"
    "--spin MICROSECONDS looks so long for events before it sleeps: answers come sooner, "
    "and\n"
    "a processor is busy meanwhile.\n"
    "--trace prints each operation on a socket on standard error. Ctrl-\\ shows what "
    "each\n"
    "task waits for. SOQUETE_PATH names a folder whose Lua modules come before the "
    "embedded\n"
    "ones. SOQUETE_WATCHDOG=off does not name tasks that compute for long.\n";

/* Takes as many descriptors as the system allows, and keeps freed memory: giving it back
 * and asking again costs a page fault each time. */
static void prepare_process(void) {
  enum { KEEP_BYTES = 64 * 1024 * 1024 };
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  /* A socket must never become standard output. What is written to one that was closed has
   * to fail, so it can only be read. */
  for (int fd = 0; fd <= 2; fd++)
    if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) < 0) _exit(EXIT_FAILURE);
  mallopt(M_MMAP_THRESHOLD, KEEP_BYTES / 2);
  mallopt(M_TRIM_THRESHOLD, KEEP_BYTES);
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

/* The folder of the script, or NULL for none; the caller frees it. */
static char *folder_of(const struct args *a) {
  if (a->action != ARGS_RUN || strcmp(a->script, "-") == 0) return NULL;
  const char *slash = strrchr(a->script, '/');
  if (!slash) return strdup(".");
  return slash == a->script ? strdup("/")
                            : strndup(a->script, (size_t)(slash - a->script));
}

/* The table `arg` as Lua's own interpreter sets it. */
static void set_arg(lua_State *L, const struct args *a, int argc, char *argv[]) {
  int script = a->first - 1;
  lua_createtable(L, argc - a->first, script + 1);
  for (int i = 0; i < argc; i++) {
    lua_pushstring(L, argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static int load_prompt(lua_State *L) {
  static const char code[] = "require('net.prompt')()";
  return loader_text(L, code, sizeof code - 1, "=prompt");
}

static int load_command(lua_State *L, const char *name) {
  lua_pushfstring(L, "return require('net.cli.%s')(...)", name);
  size_t len;
  const char *code = lua_tolstring(L, -1, &len);
  int status = loader_text(L, code, len, "=command");
  lua_remove(L, -2);
  return status;
}

/* Pushes the main function; LUA_OK, or the message is on top. */
static int load_main(lua_State *L, const struct args *a) {
  switch (a->action) {
  case ARGS_RUN: return loader_script(L, a->script);
  case ARGS_CODE: return loader_text(L, a->code, strlen(a->code), "=(command line)");
  case ARGS_COMMAND: return load_command(L, a->command);
  default: return load_prompt(L);
  }
}

/* [args, argc, argv] -> the main function and its arguments. Runs under a protected call. */
static int push_main(lua_State *L) {
  const struct args *a = lua_touserdata(L, 1);
  int argc = (int)lua_tointeger(L, 2);
  char **argv = lua_touserdata(L, 3);
  lua_settop(L, 0);
  set_arg(L, a, argc, argv);
  if (load_main(L, a) != LUA_OK) return lua_error(L);
  luaL_checkstack(L, argc + 2, "too many arguments");
  for (int i = a->first; i < argc; i++) lua_pushstring(L, argv[i]);
  return lua_gettop(L);
}

static int run(struct runtime *rt, const struct args *a, int argc, char *argv[]) {
  lua_State *L = rt->L;
  lua_pushcfunction(L, push_main);
  lua_pushlightuserdata(L, (void *)a);
  lua_pushinteger(L, argc);
  lua_pushlightuserdata(L, argv);
  if (lua_pcall(L, 3, LUA_MULTRET, 0) != LUA_OK) {
    report_value(L, -1);
    return EXIT_FAILURE;
  }
  return runtime_run(rt, lua_gettop(L) - 1);
}

/* The backend that was asked for, or NULL. */
static const char *backend_of(const struct args *a) {
  return a->backend ? a->backend : getenv("SOQUETE_BACKEND");
}

static const char *why_no_ring(int status) {
  switch (status) {
  case -ENOSYS: return "this kernel has none";
  case -EOPNOTSUPP: return "this kernel's lacks what is needed";
  case -EPERM: return "it is not allowed (seccomp, or sysctl kernel.io_uring_disabled)";
  case -ENOMEM: return "no memory for it (or a limit of locked memory, ulimit -l)";
  default: return status_text(status);
  }
}

static int backend_failed(const char *name, int status) {
  if (status == -EINVAL) {
    fprintf(stderr, "soquete: there is no backend '%s', but auto, epoll and uring\n",
            name);
    return EXIT_USAGE;
  }
  fprintf(stderr, "soquete: cannot set up the event loop%s: %s\n",
          name && strcmp(name, "uring") == 0 ? " with io_uring" : "",
          name && strcmp(name, "uring") == 0 ? why_no_ring(status) : status_text(status));
  return EXIT_FAILURE;
}

/* Which would be used, and what stands against io_uring. */
static int print_version(const struct args *a) {
  const char *name = backend_of(a);
  int status;
  struct net *net = net_host(name, &status);
  printf("soquete %s (%s)\n", SOQUETE_VERSION, LUA_RELEASE);
  if (!net) return backend_failed(name, status);
  net_free(net);
  status = net_host_has_uring();
  bool epoll = name && strcmp(name, "epoll") == 0;
  printf(
      "backend: %s; io_uring is %s%s\n", epoll || status < 0 ? "epoll" : "uring",
      status == 0 ? "there" : "not to be had: ", status == 0 ? "" : why_no_ring(status));
  return EXIT_SUCCESS;
}

/* The exit status, for which what was printed counts too. */
static int finish(int status) {
  if ((fflush(stdout) == 0 && !ferror(stdout)) || status != 0) return status;
  fputs("soquete: standard output cannot be written\n", stderr);
  return EXIT_FAILURE;
}

static int run_script(const struct args *a, int argc, char *argv[]) {
  int status;
  struct net *net = net_host(backend_of(a), &status);
  if (!net) return backend_failed(backend_of(a), status);
  net->spin_ns = (int64_t)a->spin_us * 1000;
  char *folder = folder_of(a);
  struct runtime *rt = runtime_new(net, folder);
  free(folder);
  if (!rt) return EXIT_FAILURE;
  struct trace trace = {0};
  if (a->trace) trace_open(&trace, net, STDERR_FILENO, runtime_place, rt);
  signals_open(rt);
  status = run(rt, a, argc, argv);
  signals_close();
  int signal = rt->sched.signal;
  runtime_free(rt);
  trace_fini(&trace);
  status = finish(status);
  if (signal) signals_die(signal);
  return status;
}

int main(int argc, char *argv[]) {
  struct args a = args_parse(argc, argv);
  prepare_process();
  switch (a.action) {
  case ARGS_USAGE:
    fprintf(stderr, "soquete: %s%s%s\n`soquete --help` lists what there is\n",
            a.complaint, *a.word ? " " : "", a.word);
    return EXIT_USAGE;
  case ARGS_HELP: fputs(usage, stdout); return finish(EXIT_SUCCESS);
  case ARGS_VERSION: return finish(print_version(&a));
  case ARGS_EXPLAIN: return finish(explain_file(a.script));
  default: return run_script(&a, argc, argv);
  }
}
