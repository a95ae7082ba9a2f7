/* Signal handlers: what they call is safe in a handler (signal-safety(7)). */
#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static struct runtime *interrupted;

void signals_die(int signal) {
  struct sigaction plain = {.sa_handler = SIG_DFL};
  sigset_t set;
  sigaction(signal, &plain, NULL);
  sigemptyset(&set);
  sigaddset(&set, signal);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  raise(signal);
  _exit(128 + signal);
}

static void on_interrupt(int signal) {
  if (interrupted->sched.signal) signals_die(signal);
  runtime_interrupt(interrupted, signal);
}

/* Sockets never raise SIGPIPE (MSG_NOSIGNAL). When it is standard output's reader that has
 * gone, the process ends as every filter does. */
static void on_pipe(int signal) {
  struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
  if (poll(&out, 1, 0) == 1 && out.revents & POLLERR) signals_die(signal);
}

void signals_open(struct runtime *rt) {
  struct sigaction interrupt = {.sa_handler = on_interrupt};
  struct sigaction broken_pipe = {.sa_handler = on_pipe, .sa_flags = SA_RESTART};
  interrupted = rt;
  sigaction(SIGINT, &interrupt, NULL);
  sigaction(SIGTERM, &interrupt, NULL);
  sigaction(SIGPIPE, &broken_pipe, NULL);
}

void signals_close(void) {
  static const int taken[] = {SIGINT, SIGTERM, SIGPIPE};
  struct sigaction plain = {.sa_handler = SIG_DFL};
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    sigaction(taken[i], &plain, NULL);
  interrupted = NULL;
}
