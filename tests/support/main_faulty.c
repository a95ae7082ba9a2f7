/* The runtime over the host's sockets with faults: soquete-faulty FILE.lua [arguments].
 * SOQUETE_FAULT_SEED is the seed, SOQUETE_FAULT_KIND "soft" (the default) or "hard". Ends as
 * the program does; 90 when tasks, timers or handles are left over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/loader.h"
#include "api/report.h"
#include "api/runtime.h"
#include "base/status.h"
#include "support/fault_net.h"

enum { LEFT_OVER = 90 };

static struct net *new_net(void) {
  int status;
  const char *seed = getenv("SOQUETE_FAULT_SEED"), *kind = getenv("SOQUETE_FAULT_KIND");
  const struct fault_rates *rates =
      kind && strcmp(kind, "hard") == 0 ? &fault_hard : &fault_soft;
  struct net *net = net_host(getenv("SOQUETE_BACKEND"), &status);
  if (!net) {
    fprintf(stderr, "soquete-faulty: no event loop: %s\n", status_text(status));
    exit(EXIT_FAILURE);
  }
  return fault_net_new(net, seed ? strtoull(seed, NULL, 10) : 0, rates);
}

static int run(struct runtime *rt, int argc, char *argv[]) {
  if (loader_script(rt->L, argv[1]) != LUA_OK) {
    report_value(rt->L, -1);
    return EXIT_FAILURE;
  }
  for (int i = 2; i < argc; i++) lua_pushstring(rt->L, argv[i]);
  return runtime_run(rt, argc - 2);
}

int main(int argc, char *argv[]) {
  if (argc < 2) {
    fprintf(stderr, "usage: soquete-faulty FILE.lua [arguments]\n");
    return 2;
  }
  setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
  struct runtime *rt = runtime_new(new_net(), NULL);
  if (!rt) return EXIT_FAILURE;
  int status = run(rt, argc, argv);
  struct leftovers left = runtime_leftovers(rt);
  if (left.tasks || left.timers || left.handles) {
    fprintf(stderr, "left over: %zu tasks, %zu timers, %d handles\n", left.tasks,
            left.timers, left.handles);
    status = LEFT_OVER;
  }
  runtime_free(rt);
  return status;
}
