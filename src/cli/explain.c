/* Prints the opening comment of a script. */
#include "cli/explain.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The text of a comment line "-- text", or NULL for any other line. */
static const char *comment(const char *line) {
  if (strncmp(line, "--", 2) != 0) return NULL;
  line += strspn(line, "-");
  return *line == ' ' ? line + 1 : line;
}

/* Prints a line of a long comment; false when it was the last. */
static bool print_long(const char *text) {
  const char *end = strstr(text, "]]");
  int len = end ? (int)(end - text) : (int)strlen(text);
  if (len > 0) printf("%.*s%s", len, text, end ? "\n" : "");
  return !end;
}

static int print_comment(FILE *f) {
  char *line = NULL;
  size_t cap = 0;
  int printed = 0;
  bool inside = false; /* a long comment */
  for (int n = 1; getline(&line, &cap, f) >= 0; n++) {
    if (n == 1 && strncmp(line, "#!", 2) == 0) continue;
    bool opens = !inside && strncmp(line, "--[[", 4) == 0;
    const char *text = opens ? line + 4 : inside ? line : comment(line);
    if (!text && !printed && *line == '\n') continue;
    if (!text) break;
    printed++;
    if (!opens && !inside)
      fputs(text, stdout);
    else if (!(inside = print_long(opens && *text == '\n' ? text + 1 : text)))
      break;
  }
  free(line);
  return printed;
}

int explain_file(const char *path) {
  struct stat st;
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
    fprintf(stderr, "soquete: %s is a folder; help takes a script\n", path);
    return 1;
  }
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
