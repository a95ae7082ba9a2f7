#include "campaign/verdict.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "support/child.h"
#include "support/fake_end.h"

static bool names_its_fault(const struct ending *e) {
  if (e->told) return true;
  for (int i = 0; e->words[i]; i++)
    if (strstr(e->text, e->words[i])) return true;
  return false;
}

static const char *by_status(const struct ending *e, int status) {
  switch (status) {
  case CHILD_LEFT_OVER: return "tasks, timers or handles are left";
  case EXIT_MEMORY: /* lua-cjson loses its buffer when Lua raises in it */
    return strstr(e->text, "CJSON") ? NULL : "memory is left";
  case EXIT_DESCRIPTORS: return "descriptors are left";
  case EXIT_SANITIZER: return "a sanitizer complains";
  }
  if (status == e->usual) return NULL;
  if (e->must_be_usual) return "the fault was noticed";
  return names_its_fault(e) ? NULL : "it failed without naming the fault";
}

const char *verdict(const struct ending *e) {
  if (WIFSIGNALED(e->status))
    return WTERMSIG(e->status) == SIGALRM ? "it hangs" : "it was ended by a signal";
  if (WEXITSTATUS(e->status) == FAKE_NO_MEMORY) return NULL;
  if (strstr(e->text, "PANIC")) return "Lua panicked";
  if (strstr(e->text, "## bystander hurt")) return "a bystander was hurt";
  return by_status(e, WEXITSTATUS(e->status));
}
