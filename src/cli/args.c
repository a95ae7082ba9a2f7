/* The command line. */
#include "cli/args.h"

#include <stdlib.h>
#include <string.h>

static struct args complain(const char *complaint, const char *word) {
  return (struct args){.action = ARGS_USAGE, .complaint = complaint, .word = word};
}

static struct args parse_help(int argc, char *const argv[], int i) {
  if (i + 1 >= argc) return (struct args){.action = ARGS_HELP};
  if (i + 2 < argc) return complain("help takes one file, not also", argv[i + 2]);
  return (struct args){.action = ARGS_EXPLAIN, .script = argv[i + 1]};
}

/* The commands; a script of such a name is called by a path, as in "./serve". */
static const char *command_of(const char *word) {
  static const char *const names[] = {"get", "serve", "throughput"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(word, names[i]) == 0) return names[i];
  return NULL;
}

/* The microseconds, or -1. */
static int parse_spin(const char *word) {
  char *end;
  long us = strtol(word, &end, 10);
  bool is_number = *word >= '0' && *word <= '9' && *end == '\0';
  return is_number && us <= ARGS_SPIN_MAX_US ? (int)us : -1;
}

struct args args_parse(int argc, char *const argv[]) {
  struct args a = {.action = ARGS_PROMPT, .first = argc};
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (strcmp(word, "--trace") == 0) {
      a.trace = true;
    } else if (strcmp(word, "--backend") == 0) {
      if (i + 1 >= argc) return complain("--backend needs a name after it", "");
      a.backend = argv[++i];
    } else if (strcmp(word, "--spin") == 0) {
      if (i + 1 >= argc) return complain("--spin needs microseconds after it", "");
      a.spin_us = parse_spin(argv[++i]);
      if (a.spin_us < 0)
        return complain("--spin takes 0 to 1000000 microseconds, not", argv[i]);
    } else if (strcmp(word, "--version") == 0 || strcmp(word, "-v") == 0) {
      a.action = ARGS_VERSION;
      return a;
    } else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
      return (struct args){.action = ARGS_HELP};
    } else if (strcmp(word, "-e") == 0) {
      if (i + 1 >= argc) return complain("-e needs code after it", "");
      a.action = ARGS_CODE;
      a.code = argv[i + 1];
      a.first = i + 2;
      return a;
    } else if (strcmp(word, "help") == 0) {
      return parse_help(argc, argv, i);
    } else if ((a.command = command_of(word))) {
      a.action = ARGS_COMMAND;
      a.first = i + 1;
      return a;
    } else if (word[0] == '-' && word[1] != '\0') {
      return complain("there is no option", word);
    } else {
      a.action = ARGS_RUN;
      a.script = word;
      a.first = i + 1;
      return a;
    }
  }
  return a;
}
