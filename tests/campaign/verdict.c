#include "campaign/verdict.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/status.h"
#include "support/child.h"
#include "support/fake_end.h"

void verdict_words(struct ending *e, int status) {
  /* also what lua_checkstack did not get, and with what lua-cjson ends the process */
  const char *of_memory[] = {"not enough memory",     "ENOMEM",
                             "annot allocate memory", "too many",
                             "stack overflow",        "Out of memory"};
  /* also what the peer of who was hit meets */
  const char *of_call[] = {status_name(status), status_text(status),
                           status_name(-ECONNRESET), status_name(-EPIPE), "eof"};
  if (status)
    memcpy(e->words, of_call, sizeof of_call);
  else
    memcpy(e->words, of_memory, sizeof of_memory);
}

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
