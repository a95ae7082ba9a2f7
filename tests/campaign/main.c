/* The fault campaign: campaign alloc|calls FILE.lua … [-k WORD] [--sample N] [--jobs N]
 * [--seconds S] [--seed N] [-v]. Each test of the files runs again and again, each time
 * with another fault: the n-th allocation fails, or the n-th call of an operation of the
 * seam fails with one of its errors, for n = 1, 2, 3 … until it is not reached any more.
 * A test is prepared once, up to its begin; each run is a fork from there. S bounds the
 * seconds that a test's runs take: then they are spread evenly over what there is. The last
 * line is "N passed, N failed, N skipped". */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <lauxlib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "base/status.h"
#include "campaign/errnos.h"
#include "support/fault_alloc.h"
#include "campaign/verdict.h"
#include "support/child.h"
#include "support/fault_net.h"
#include "support/seed.h"

enum {
  LONG_SECONDS = 2,    /* no test sleeps for so long, but in virtual time */
  PATIENCE_MS = 50,    /* after a fault: so long may nothing happen before it is ended */
  PLAIN_SECONDS = 120, /* the run without a fault may take so long */
  END_SECONDS = 10, /* another one that still does something is ended as by a signal … */
  HANG_SECONDS = 15, /* … and hangs when it then does not end */
  CALLS_MAX = 40,    /* the n-th call of an operation, at most */
};

/* One fault. */
struct plan {
  enum fault_mode mode; /* alloc */
  enum fault_op op;     /* calls */
  int status;
  unsigned n;
};

/* Memory that the processes of one test share. */
struct shared {
  struct fault_alloc alloc;
  unsigned calls[FAULT_OPS];
  enum fault_op op; /* of this run's plan */
  bool struck;
};

/* Memory that all share. */
struct totals {
  unsigned runs, struck, failed, tests, sampled, skipped;
};

static struct {
  bool calls, verbose;
  const char *word;
  unsigned sample; /* how many runs in all; 0: every one */
  int jobs, seconds;
} options = {.jobs = 1, .seconds = 60};

static struct totals *totals;

/* The test that this process has prepared. */
static struct {
  const char *file, *name;
  struct runtime *rt;
  struct shared *shared;
  int err;        /* where the runs' stderr goes */
  int files;      /* descriptors that were open before the runtime was */
  unsigned share; /* of the sample */
  int usual;      /* exit status without a fault */
  int64_t usual_ns;
  bool is_fake;
  struct rng rng;
} test;

const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "exitcode=99:detect_leaks=1:allocator_may_return_null=1";
}
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) {
  return "exitcode=99:print_stacktrace=1";
}

static void *share(size_t n) {
  void *memory = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) abort();
  return memory;
}

static void add(unsigned *total, unsigned n) {
  __atomic_add_fetch(total, n, __ATOMIC_RELAXED);
}

static double seconds_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int open_files(void) {
  int count = -3; /* ".", ".." and the folder itself */
  DIR *folder = opendir("/proc/self/fd");
  while (folder && readdir(folder)) count++;
  if (folder) closedir(folder);
  return count;
}

/* --- one run ---------------------------------------------------------------------------- */

static bool has_struck(void *arg) {
  int status;
  (void)arg;
  unsigned final = __atomic_load_n(&test.shared->alloc.final, __ATOMIC_RELAXED);
  return final > 0 || fault_net_struck(test.rt->net, &status);
}

/* A task that the fault has ended may have left others waiting for it for ever. */
static void end_it(void *arg) {
  runtime_interrupt(arg, SIGINT);
}

static void on_alarm(int number) {
  (void)number;
  alarm(HANG_SECONDS); /* the second one ends the process */
  runtime_interrupt(test.rt, SIGINT);
}

static void apply(const struct plan *plan) {
  const int64_t never = INT64_MAX / 4;
  struct fault_patience patience = {
      test.is_fake ? never : LONG_SECONDS * INT64_C(1000000000),
      PATIENCE_MS * INT64_C(1000000) + 3 * test.usual_ns, has_struck, end_it, test.rt};
  fault_alloc_plan(plan->mode, plan->n);
  test.shared->alloc.status = plan->status;
  test.shared->struck = false;
  test.shared->op = plan->op;
  fault_net_patience(test.rt->net, &patience);
  fault_net_fail(test.rt->net, plan->op, plan->n, plan->status);
}

/* What the run has left behind; threads of the resolver take a moment to end. */
static int left_behind(int status) {
  long left; /* the threads count too */
  for (int i = 0; i < 5000; i++) {
    left = __atomic_load_n(&test.shared->alloc.live, __ATOMIC_RELAXED);
    if (left <= 0) break;
    usleep(1000);
  }
  if (left > 0) {
    fprintf(stderr, "left over: %ld blocks of memory\n", left);
    return EXIT_MEMORY;
  }
  if (open_files() > test.files) return EXIT_DESCRIPTORS;
  return status;
}

/* In the run's process, when the main script has ended. */
static _Noreturn void end_run(int status) {
  /* An emergency collection leaves finalizers for later, and they hold what they close. */
  lua_gc(test.rt->L, LUA_GCCOLLECT);
  /* Lua calls a finalizer only when there is memory for a call: without, the net is left to
   * close what the finalizer would have closed. And without a loop tasks cannot end. */
  bool lost = test.rt->lost || test.shared->alloc.mode == FAULT_RUN;
  if (!lost && test.shared->op != FAULT_POLL) status = child_leftovers(test.rt, status);
  test.shared->struck = has_struck(NULL) || test.shared->alloc.refused > 0;
  for (enum fault_op op = 0; op < FAULT_OPS; op++)
    test.shared->calls[op] = fault_net_calls(test.rt->net, op);
  signal(SIGALRM, SIG_DFL); /* from here on there is no runtime to interrupt */
  runtime_free(test.rt);
  if (!lost) exit(left_behind(status));
  fflush(NULL);
  _exit(status); /* no sanitizer looks for what only the finalizer knew of */
}

/* Forks a run. Returns twice: in the run -1, and here the status of waitpid(2). */
static int run(const struct plan *plan) {
  long live = test.shared->alloc.live;
  int status;
  if (ftruncate(test.err, 0) < 0 || lseek(test.err, 0, SEEK_SET) < 0) abort();
  pid_t child = fork();
  if (child < 0) abort();
  if (child == 0) {
    struct sigaction once = {.sa_handler = on_alarm,
                             .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    sigaction(SIGALRM, &once, NULL);
    alarm(test.usual_ns ? END_SECONDS + (unsigned)(5 * test.usual_ns / 1000000000)
                        : PLAIN_SECONDS);
    apply(plan);
    return -1;
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  test.shared->alloc.live = live;
  return status;
}

/* What was written, up to a bound. */
static const char *text_of(int err) {
  static char text[65536];
  ssize_t n = pread(err, text, sizeof text - 1, 0);
  text[n > 0 ? n : 0] = '\0';
  return text;
}

static const char *words_of(const struct plan *plan) {
  static const char *const modes[] = {"no", "one", "a real", "a run of"};
  static char words[128];
  if (plan->op)
    snprintf(words, sizeof words, "%s, call %u: %s", fault_op_name(plan->op), plan->n,
             status_name(plan->status));
  else
    snprintf(words, sizeof words, "%s fault at allocation %u", modes[plan->mode],
             plan->n);
  return words;
}

/* Judges a run; true when its fault was reached. */
static bool judge(const struct plan *plan, int status) {
  struct ending ending = {.status = status,
                          .text = text_of(test.err),
                          .usual = test.usual,
                          .told = test.shared->alloc.told > 0};
  verdict_words(&ending, plan->op ? plan->status : 0); /* its own look is not told */
  ending.must_be_usual = plan->mode == FAULT_ONCE && test.shared->alloc.final == 0;
  /* a name that cannot be had is missing where it would be shown */
  if (plan->op == FAULT_NAME_OF) ending.told = true;
  const char *why = verdict(&ending);
  bool struck = test.shared->struck || !WIFEXITED(status);
  add(&totals->runs, 1);
  if (struck) add(&totals->struck, 1);
  if (!why) return struck;
  add(&totals->failed, 1);
  printf("FAILED: %s: %s: %s: %s (status %x)\n", test.file, test.name, words_of(plan),
         why, (unsigned)status);
  if (!options.calls)
    printf("(asked: %zu bytes after %zu)\n", test.shared->alloc.size,
           test.shared->alloc.old_size);
  printf("%.*s\n", options.verbose ? 60000 : 600, ending.text);
  fflush(stdout);
  return struck;
}

/* --- the runs of one test --------------------------------------------------------------- */

/* Runs one; true here, with `*struck`; false in the run. */
static bool tried(const struct plan *plan, bool *struck) {
  int status = run(plan);
  if (status == -1) return false;
  *struck = judge(plan, status);
  return true;
}

/* What a run without a fault has asked for. */
struct demand {
  unsigned requests, calls[FAULT_OPS];
};

/* Gives the fault number `i` of all that there are; false when there are fewer. With NULL
 * counts them, from i on.  */
static uint64_t call_faults(const struct demand *d, uint64_t i, struct plan *out) {
  uint64_t count = 0;
  for (int r = 0; r < errnos_count; r++) {
    unsigned calls = d->calls[errnos[r].op];
    if (calls > CALLS_MAX) calls = CALLS_MAX;
    for (int e = 0; e < ERRNOS_MAX && errnos[r].statuses[e]; e++, count += calls)
      if (out && i >= count && i - count < calls)
        *out = (struct plan){.op = errnos[r].op,
                             .status = errnos[r].statuses[e],
                             .n = 1 + (unsigned)(i - count)};
  }
  return count;
}

static uint64_t alloc_faults(const struct demand *d, uint64_t i, struct plan *out) {
  if (out && d->requests)
    *out = (struct plan){.mode = FAULT_ONCE + (enum fault_mode)(i / d->requests),
                         .n = 1 + (unsigned)(i % d->requests)};
  return (uint64_t)d->requests * (FAULT_RUN - FAULT_OFF);
}

/* How many faults a test has; sets `*out` to number `i` of them. */
static uint64_t faults(const struct demand *d, uint64_t i, struct plan *out) {
  return options.calls ? call_faults(d, i, out) : alloc_faults(d, i, out);
}

/* A sampled campaign, or one whose time is bounded, takes every stride-th fault. */
static uint64_t stride_of(uint64_t count, double seconds) {
  uint64_t most = (uint64_t)(options.seconds / seconds) + 1;
  if (options.sample) most = test.share;
  return count > most ? (count + most - 1) / most : 1;
}

/* Allocations are not the same in number each time: goes on until one is not reached. Comes
 * back in the run's process only. */
static void beyond(unsigned requests) {
  struct plan plan = {.mode = FAULT_REAL, .n = requests + 1};
  for (bool struck = true; struck; plan.n++)
    if (!tried(&plan, &struck)) return;
  _exit(0);
}

/* Every fault of the test. Comes back in the run's process only. */
static void campaign(const struct demand *d, double seconds) {
  uint64_t count = faults(d, 0, NULL), stride = stride_of(count, seconds);
  double end = seconds_now() + 2 * options.seconds;
  bool struck, sampled = stride > 1;
  for (uint64_t i = sampled ? rng_below(&test.rng, stride) : 0; i < count; i += stride) {
    struct plan plan = {0};
    faults(d, i, &plan);
    if (!tried(&plan, &struck)) return;
    if (seconds_now() < end) continue;
    sampled = true;
    break;
  }
  add(&totals->tests, 1);
  if (sampled) add(&totals->sampled, 1);
  if (options.verbose)
    printf("%s: %s: %" PRIu64 " faults, %s\n", test.file, test.name, count,
           sampled ? "a sample" : "all tried");
  fflush(stdout);
  if (sampled || options.calls) _exit(0);
  beyond(d->requests);
}

/* The test is about to begin: runs it without a fault, then with each. */
static void begins(struct runtime *rt) {
  test.rt = rt;
  struct plan none = {0};
  double begin = seconds_now();
  int status = run(&none);
  if (status == -1) return;
  double seconds = seconds_now() - begin;
  if (!WIFEXITED(status) || strstr(text_of(test.err), "## skipped")) {
    add(&totals->skipped, 1);
    printf("skipped: %s: %s\n", test.file, test.name);
    fflush(stdout);
    _exit(0);
  }
  test.usual = WEXITSTATUS(status);
  test.usual_ns = (int64_t)(seconds * 1e9);
  judge(&none, status);
  struct demand demand = {.requests = test.shared->alloc.requests};
  memcpy(demand.calls, test.shared->calls, sizeof demand.calls);
  campaign(&demand, seconds);
}

/* In a process of its own: prepares the test and runs it under its faults. */
static _Noreturn void run_test(const char *kind, int number) {
  test.err = memfd_create("stderr", 0);
  if (test.err < 0) abort();
  test.files = open_files();
  dup2(test.err, STDERR_FILENO);
  test.shared = share(sizeof *test.shared);
  fault_alloc = &test.shared->alloc;
  child_begins = begins;
  static const struct fault_rates none;
  test.is_fake = strcmp(kind, "fake") == 0;
  struct net *net = fault_net_new(child_net(kind, seed_get()), seed_get(), &none);
  struct runtime *rt = child_runtime(net);
  end_run(child_run(rt, test.file, number, seed_get()));
}

/* --- all tests -------------------------------------------------------------------------- */

static int running;

static void wait_for_one(void) {
  int status;
  if (waitpid(-1, &status, 0) < 0) abort();
  running--;
  if (status == 0) return;
  add(&totals->failed, 1);
  printf("FAILED: a test could not be prepared (status %x)\n", (unsigned)status);
}

static void start(const char *kind, int number, unsigned sample) {
  if (running == options.jobs) wait_for_one();
  fflush(stdout);
  pid_t child = fork();
  if (child < 0) abort();
  running++;
  if (child > 0) return;
  test.share = sample;
  rng_init(&test.rng, seed_get() + (uint64_t)number);
  run_test(kind, number);
}

/* harness.<name> on the stack. */
static void push_harness(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, "harness");
  lua_getfield(L, -1, name);
}

/* A test of a file, as the harness describes it. */
struct entry {
  const char *file;
  int number;
  char kind[8], name[128];
  unsigned sample;
};

static struct entry *entries;
static size_t entry_count;

static void add_entry(lua_State *L, const char *file, int number) {
  push_harness(L, "describe");
  lua_pushinteger(L, number);
  lua_call(L, 1, 2);
  const char *name = lua_tostring(L, -2);
  if (options.word && !strstr(name, options.word)) return;
  entries = realloc(entries, (entry_count + 1) * sizeof *entries);
  if (!entries) abort();
  struct entry *e = &entries[entry_count++];
  *e = (struct entry){.file = file, .number = number};
  snprintf(e->kind, sizeof e->kind, "%s", lua_tostring(L, -1));
  snprintf(e->name, sizeof e->name, "%s", name);
}

static void list_tests(const char *file) {
  struct runtime *rt = child_runtime(child_net("fake", 0));
  if (child_run(rt, file, 0, 0) != 0) exit(EXIT_FAILURE);
  push_harness(rt->L, "tests");
  int count = (int)lua_rawlen(rt->L, -1);
  for (int i = 1; i <= count; i++) {
    lua_settop(rt->L, 0);
    add_entry(rt->L, file, i);
  }
  runtime_free(rt);
}

/* Spreads the sample over tests that chance takes. */
static void draw_sample(void) {
  enum { AT_ONCE = 5 }; /* runs of a test, whose preparation costs as much as several */
  struct rng rng;
  rng_init(&rng, seed_get());
  for (unsigned i = 0; i < options.sample; i += AT_ONCE)
    entries[rng_below(&rng, entry_count)].sample += AT_ONCE;
}

static int parse(int argc, char *argv[]) {
  int files = 2;
  if (argc < 2) exit(2);
  options.calls = strcmp(argv[1], "calls") == 0;
  for (int i = 2; i < argc; i++) {
    bool more = i + 1 < argc;
    if (strcmp(argv[i], "-v") == 0)
      options.verbose = true;
    else if (strcmp(argv[i], "-k") == 0 && more)
      options.word = argv[++i];
    else if (strcmp(argv[i], "--sample") == 0 && more)
      options.sample = (unsigned)atoi(argv[++i]);
    else if (strcmp(argv[i], "--jobs") == 0 && more)
      options.jobs = atoi(argv[++i]);
    else if (strcmp(argv[i], "--seconds") == 0 && more)
      options.seconds = atoi(argv[++i]);
    else if (strcmp(argv[i], "--seed") == 0 && more)
      setenv("SEED", argv[++i], 1);
    else
      argv[files++] = argv[i];
  }
  return files;
}

/* As in the program: the calls tell of a broken pipe, and children have the default. */
static void on_pipe(int number) {
  (void)number;
}

int main(int argc, char *argv[]) {
  int files = parse(argc, argv);
  if (!freopen("/dev/null", "r", stdin)) return EXIT_FAILURE;
  seed_get();
  struct sigaction pipe = {.sa_handler = on_pipe};
  sigaction(SIGPIPE, &pipe, NULL);
  totals = share(sizeof *totals);
  for (int i = 2; i < files; i++) list_tests(argv[i]);
  if (options.sample && entry_count) draw_sample();
  for (size_t i = 0; i < entry_count; i++) {
    const struct entry *e = &entries[i];
    test.file = e->file;
    test.name = e->name;
    if (!options.sample || e->sample) start(e->kind, e->number, e->sample);
  }
  while (running > 0) wait_for_one();
  printf("%s: %u tests (%u of them by sample), %u faults struck\n",
         options.calls ? "calls" : "allocations", totals->tests, totals->sampled,
         totals->struck);
  printf("%u passed, %u failed, %u skipped\n", totals->runs - totals->failed,
         totals->failed, totals->skipped);
  return totals->failed > 0;
}
