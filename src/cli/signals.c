/* Signal handlers: what they call is safe in a handler (signal-safety(7)). */
#include "cli/signals.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/file.h"

enum { WATCHDOG_MICROSECONDS = 100 * 1000 };

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

/* A socket's SIGPIPE means nothing: its EPIPE tells. When it is standard output's reader that
 * has gone, the process ends as every filter does. */
static void on_pipe(int signal) {
  struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
  if (file_is_sending) return;
  if (poll(&out, 1, 0) == 1 && out.revents & POLLERR) signals_die(signal);
}

static void on_quit(int signal) {
  (void)signal;
  runtime_report(interrupted);
}

static void on_tick(int signal) {
  (void)signal;
  if (interrupted) runtime_tick(interrupted);
}

/* Counts the time that this process computes; an idle one costs nothing. */
static void start_watchdog(void) {
  const char *off = getenv("SOQUETE_WATCHDOG");
  struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
  struct itimerval every = {
      {0, WATCHDOG_MICROSECONDS},
      {0, WATCHDOG_MICROSECONDS}
  };
  if (off && strcmp(off, "off") == 0) return;
  sigaction(SIGPROF, &tick, NULL);
  setitimer(ITIMER_PROF, &every, NULL);
}

/* Takes a signal, unless it is ignored: nohup(1) and shells start programs so. */
static void take(int signal, void (*handler)(int), int flags) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags}, before;
  if (sigaction(signal, NULL, &before) == 0 && before.sa_handler == SIG_IGN) return;
  sigaction(signal, &action, NULL);
}

void signals_open(struct runtime *rt) {
  interrupted = rt;
  take(SIGINT, on_interrupt, 0);
  take(SIGTERM, on_interrupt, 0);
  take(SIGPIPE, on_pipe, SA_RESTART);
  take(SIGQUIT, on_quit, SA_RESTART);
  start_watchdog();
}

void signals_close(void) {
  static const int taken[] = {SIGINT, SIGTERM, SIGPIPE, SIGQUIT};
  struct sigaction plain = {.sa_handler = SIG_DFL};
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
    sigaction(taken[i], &plain, NULL);
  struct itimerval never = {0};
  setitimer(ITIMER_PROF, &never, NULL); /* a tick that is under way finds nobody */
  interrupted = NULL;
}
