/* Prints the opening comment of a script. */
#include "cli/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The text of a comment line "-- text", or NULL for any other line. */
static const char *comment(const char *line) {
  if (strncmp(line, "--", 2) != 0) return NULL;
  line += strspn(line, "-");
  return *line == ' ' ? line + 1 : line;
}

static int print_comment(FILE *f) {
  char *line = NULL;
  size_t cap = 0;
  int printed = 0;
  for (int n = 1; getline(&line, &cap, f) >= 0; n++) {
    if (n == 1 && strncmp(line, "#!", 2) == 0) continue;
    const char *text = comment(line);
    if (!text && !printed && *line == '\n') continue;
    if (!text) break;
    fputs(text, stdout);
    printed++;
  }
  free(line);
  return printed;
}

int explain_file(const char *path) {
  FILE *f = fopen(path, "re");
  if (!f) {
    fprintf(stderr, "soquete: cannot open %s: %m\n", path);
    return 1;
  }
  int printed = print_comment(f);
  fclose(f);
  if (printed) return 0;
  fprintf(stderr, "soquete: %s has no opening comment\n", path);
  return 1;
}
