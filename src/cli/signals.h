/* Signals: SIGINT and SIGTERM cancel every task, a second one ends the process at once;
 * SIGQUIT (Ctrl-\) shows all tasks;
 * SIGPIPE ends it quietly when standard output is gone, and is ignored otherwise. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "api/runtime.h"

/* Sets the handlers; `rt` is what SIGINT and SIGTERM interrupt. */
void signals_open(struct runtime *rt);

/* Ends the process by `signal`, as if it had had no handler. */
void signals_die(int signal);

#endif
