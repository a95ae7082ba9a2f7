/* The command line as a struct. Pure: nothing is opened or run. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>

enum { ARGS_SPIN_MAX_US = 1000000 };

enum args_action {
  ARGS_RUN,  /* the script `script` ("-": standard input) */
  ARGS_CODE, /* the text `code` */
  ARGS_PROMPT,
  ARGS_COMMAND, /* a command of ours: the embedded module net.cli.`command` */
  ARGS_VERSION,
  ARGS_HELP,
  ARGS_EXPLAIN, /* help FILE: print the opening comment of `script` */
  ARGS_USAGE,   /* it made no sense: `complaint` says why */
};

struct args {
  enum args_action action;
  bool trace;
  int spin_us;
  const char *backend;       /* borrowed from argv; NULL: none was named */
  const char *script, *code; /* borrowed from argv */
  const char *command;
  int first;                    /* index in argv of the script's first argument */
  const char *complaint, *word; /* what is wrong, and with which word ("" for none) */
};

struct args args_parse(int argc, char *const argv[]);

#endif
